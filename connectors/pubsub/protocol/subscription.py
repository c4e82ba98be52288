"""The Pub/Sub API subscription protocol as a machine: inputs in, effects out. Pure.

THEORY

A subscription outlives its streams. A stream is one Subscribe call; it breaks for many reasons, most of them normal.
The machine opens streams one at a time, numbers them (`epoch`) and drops whatever still comes from an older one.

    NEW ──Started──► OPENING ──FetchReceived──► STREAMING
                        ▲  │                        │
           retry is due │  │ failed, ended, silent  │
                        │  ▼                        ▼
                       WAITING ◄────────────────────┘        any ──Fail──► FAILED, ──StopRequested──► STOPPED

* **Credit.** Salesforce sends only what was asked for, at most 100 events outstanding (`credit.py`). More is asked for
  as soon as a response is seen, before its events are processed, so that the server works while we do. Small requests
  are held back until they have grown, or for milliseconds when the server has used its credit up. No more is asked for
  than memory may hold, and everything that is received and not yet durable counts. There is no other back-pressure.
* **Position.** (`position.py`) A broken stream goes on after the last *received* event: what is in memory is on its way
  to Kafka. A new process goes on after the last *durable* one. CUSTOM is exclusive: the stream starts after the id.
* **Liveness.** While credit is outstanding Salesforce answers at least every 270 s, with an empty response if there is
  no event. Longer silence means a dead connection. With no credit outstanding Salesforce owes no answer, so the silence
  is not watched.
* **Keepalives** (empty responses) carry the newest position. It is stored when no batch is in flight: on a quiet topic
  nothing else moves the position, and one that does not move is lost after the 72 h of retention.
* **Backing off.** Attempts are counted until a response arrives, not until a stream opens: otherwise a server that
  accepts streams and then fails would be called without end. Refused tokens are counted the same way, and a few in a
  row end the task. A pause that a failure asks for is added, and some of it is random, so that tasks that were refused
  together do not come back together.
* **A position that no longer exists** is a gap. The policy says whether to stop (the default), or to leave a marker and
  go on from the earliest or the latest event.
* **An event that cannot be read** holds up its batch. Outages are waited for and not counted. Unclear failures are
  counted for that position, whatever happens to events around it; after a few the event goes to the dead letters (or,
  with `errors.tolerance=none`, ends the task).
* **First start.** Until the first stream has been accepted, errors that a wrong address could cause may last no longer
  than a start time-out: a typing error must not look like a long outage.
"""

from enum import Enum
from typing import Final, assert_never

from connectors.pubsub.protocol.credit import Credit
from connectors.pubsub.protocol.faults import Action, Fault
from connectors.pubsub.protocol.messages import (
    BatchDurable,
    Checkpoint,
    CloseStream,
    DeadLetterEvent,
    DropToken,
    Effect,
    EventUnreadable,
    Fail,
    FetchReceived,
    GapPolicy,
    OpenStream,
    ProtocolInput,
    RecordGap,
    ReplayPreset,
    RetryEvent,
    SendFetch,
    Serving,
    Started,
    StopRequested,
    StreamEnded,
    StreamFailed,
    StreamOpened,
    TimerFired,
    WriteEvents,
)
from connectors.pubsub.protocol.policy import Policy
from connectors.pubsub.protocol.position import Position

AUTH_ATTEMPTS: Final = 5  # refused tokens in a row, without a response between, before the task ends
EVENT_ATTEMPTS: Final = 5  # unclear failures at one position before the event is given up
PAUSE_SPREAD: Final = 0.2  # a pause that a failure asks for gets longer at random, by this share at most


class Phase(Enum):
    """The states of a subscription; see the picture above."""

    NEW = "new"
    OPENING = "opening"
    STREAMING = "streaming"
    WAITING = "waiting"
    FAILED = "failed"
    STOPPED = "stopped"


_OPEN: Final = frozenset({Phase.OPENING, Phase.STREAMING})
_OVER: Final = frozenset({Phase.FAILED, Phase.STOPPED})


class Subscription:
    """One subscription. Its owner feeds `advance`, executes the effects in order, and feeds `TimerFired` in time."""

    def __init__(self, policy: Policy) -> None:
        """It is in phase NEW until `Started` is fed."""
        self.policy = policy
        self.phase = Phase.NEW
        self.position = Position(None)
        self.credit = Credit()
        self.epoch = 0
        self._preset = policy.preset
        self._started_s = 0.0
        self._accepted = False
        self._serving = False
        self._attempt = 0
        self._refused_tokens = 0
        self._blocked_at: bytes | None = None  # the event that cannot be read; those behind it wait
        self._tries = 0
        self._strikes = 0
        self._keepalive: bytes | None = None  # newest position that no later event has overtaken, not stored yet
        self._heard_s = 0.0  # last sign of life of the stream, or of its opening
        self._retry_s: float | None = None
        self._settled_s: float | None = None
        self._next_checkpoint_s = 0.0

    def advance(self, event: ProtocolInput, *, now_s: float, jitter: float = 0.5) -> list[Effect]:
        """Take one input at `now_s`; return the effects to execute, in order. `jitter` is random in [0, 1).

        Raises `ValueError` for an impossible input: a durable batch that was never received, or a second start.
        """
        if isinstance(event, BatchDurable):  # is taken after the end, too: the last batches are committed then
            return self._durable(event.sequence, now_s)
        if self.phase in _OVER or self._stale(event):
            return []
        return self._live(event, now_s, jitter)

    def _live(self, event: ProtocolInput, now_s: float, jitter: float) -> list[Effect]:
        effects: list[Effect]
        match event:
            case Started(committed):
                effects = self._start(committed, now_s)
            case StreamOpened():
                effects = self._opened(now_s)
            case FetchReceived():
                effects = self._received(event, now_s)
            case StreamFailed(_, fault):
                effects = self._failed(fault, now_s, jitter)
            case StreamEnded():
                effects = self._reconnect("ended", 0.0, now_s, jitter)
            case EventUnreadable(replay_id, fault):
                effects = self._unreadable(replay_id, fault, jitter)
            case TimerFired():
                effects = self._timer(now_s, jitter)
            case StopRequested():
                effects = self._stop()
            case BatchDurable(sequence):
                effects = self._durable(sequence, now_s)
            case _:
                assert_never(event)
        return effects

    @property
    def accepted(self) -> bool:
        """Whether a stream was accepted once: the address, the credentials and the topic are right."""
        return self._accepted

    @property
    def next_timer_s(self) -> float | None:
        """When `TimerFired` is due, or None. Read it again after every `advance`."""
        retry_s = self._retry_s if self._room() > 0 else None
        due = [self._settled_s, self._watchdog_due_s, self.credit.due_s, retry_s]
        return min((at for at in due if at is not None), default=None)

    # -- starting and ending

    def _start(self, committed: bytes | None, now_s: float) -> list[Effect]:
        if self.phase is not Phase.NEW:
            raise ValueError(f"starting the subscription to {self.policy.topic}: it is {self.phase.value}")
        self.position = Position(committed)
        self._started_s = now_s
        return self._open(now_s)

    def _stop(self) -> list[Effect]:
        was_open = self.phase in _OPEN
        self._end(Phase.STOPPED)
        return [CloseStream("stopped")] if was_open else []

    def _fail(self, message: str) -> list[Effect]:
        was_open = self.phase in _OPEN
        self._end(Phase.FAILED)
        return [*([CloseStream("failed")] if was_open else []), Fail(message)]

    def _end(self, phase: Phase) -> None:
        self.phase = phase
        self.credit = Credit()
        self._retry_s = self._settled_s = None

    # -- streams

    def _stale(self, event: ProtocolInput) -> bool:
        """Whether the input comes from a stream that has been closed."""
        if isinstance(event, StreamOpened | FetchReceived | StreamFailed | StreamEnded):
            return event.epoch != self.epoch or self.phase not in _OPEN
        return False

    def _open(self, now_s: float) -> list[Effect]:
        replay_id = self.position.resume
        self.phase = Phase.OPENING
        self.epoch += 1
        self.credit = Credit()
        self._retry_s = None
        self._heard_s = now_s
        # there is room for at least one event here; a small first request is better than none
        num_requested = max(1, self.credit.wanted(self._room(), now_s))
        self.credit.granted(num_requested)
        preset = self._preset if replay_id is None else ReplayPreset.CUSTOM
        return [OpenStream(self.epoch, preset, replay_id, num_requested)]

    def _opened(self, now_s: float) -> list[Effect]:
        self._accepted = True
        self._heard_s = now_s
        if self._serving:
            return []
        if self.position.resume is None and self._preset is ReplayPreset.LATEST:
            self._settled_s = now_s + self.policy.settle_s
            return []
        return self._serve()

    def _serve(self) -> list[Effect]:
        if self._serving:
            return []
        self._serving = True
        self._settled_s = None
        return [Serving()]

    def _reconnect(self, reason: str, pause_s: float, now_s: float, jitter: float) -> list[Effect]:
        self.credit = Credit()
        self._settled_s = None
        self._retry_s = now_s + self._delay_s(pause_s, self._attempt, jitter)
        self._attempt += 1
        self.phase = Phase.WAITING
        return [CloseStream(reason)]

    def _failed(self, fault: Fault, now_s: float, jitter: float) -> list[Effect]:
        match fault.action:
            case Action.FAIL:
                return self._fail(self._explained(fault))
            case Action.REPLAY_LOST:
                return self._replay_lost(fault, now_s, jitter)
            case Action.REFRESH_TOKEN:
                self._refused_tokens += 1
                if self._refused_tokens >= AUTH_ATTEMPTS:
                    return self._fail(f"{self._explained(fault)}; {self._refused_tokens} tokens in a row were refused")
                return [*self._reconnect(fault.reason, fault.pause_s, now_s, jitter), DropToken()]
            case Action.RETRY | Action.UNCLEAR:
                if not self._accepted and now_s - self._started_s >= self.policy.start_timeout_s:
                    return self._fail(
                        f"{self._explained(fault)}; gave up {self.policy.start_timeout_s:g} s after the start: check"
                        " salesforce.pubsub.endpoint and salesforce.login.url, or raise start.timeout.s"
                    )
                return self._reconnect(fault.reason, fault.pause_s, now_s, jitter)
            case _:
                assert_never(fault.action)

    def _replay_lost(self, fault: Fault, now_s: float, jitter: float) -> list[Effect]:
        lost = self.position.resume
        if lost is None:
            return self._fail(f"{self._explained(fault)}; no replay id was sent: report this with the rpc_id")
        policy = self.policy.gap_policy
        if policy is GapPolicy.FAIL:
            return self._fail(
                f"{self._explained(fault)}; Salesforce no longer has the position replay_id={lost.hex()}: events after"
                " it may be lost. Set replay.gap.policy to earliest (re-read all that is retained) or latest (only new"
                " events), or correct the stored offset, and restart"
            )
        match policy:
            case GapPolicy.EARLIEST:
                self._preset = ReplayPreset.EARLIEST
            case GapPolicy.LATEST:
                self._preset = ReplayPreset.LATEST
            case _:
                assert_never(policy)
        self.position.forget()
        marker = self.position.received(None)
        self._keepalive = None
        return [
            *self._reconnect("replay_lost", 0.0, now_s, jitter),
            RecordGap(marker.sequence, lost, policy),
        ]

    # -- events

    def _received(self, fetched: FetchReceived, now_s: float) -> list[Effect]:
        self.phase = Phase.STREAMING
        self._heard_s = now_s
        self._attempt = 0
        self._refused_tokens = 0
        self.credit.received(fetched.event_count, fetched.pending_num_requested)
        effects: list[Effect] = self._serve()
        if fetched.event_count:
            batch = self.position.received(fetched.last_replay_id, fetched.event_count, fetched.size_bytes)
            self._keepalive = None
            # the request goes out first: the server sends while we process
            return [*effects, *self._top_up(now_s), WriteEvents(batch.sequence, batch.replay_id)]
        if fetched.latest_replay_id and fetched.latest_replay_id != self.position.resume:
            self._keepalive = fetched.latest_replay_id
        return [*effects, *self._top_up(now_s), *self._checkpoint(now_s)]

    def _durable(self, sequence: int, now_s: float) -> list[Effect]:
        self.position.made_durable(sequence)
        if self.phase not in _OPEN:
            return []
        return [*self._top_up(now_s), *self._checkpoint(now_s)]

    def _checkpoint(self, now_s: float) -> list[Effect]:
        """Store a keepalive's position: at once when there is none yet, else at most once per interval."""
        if self._keepalive is None or self.position.inflight_batches:
            return []
        if self.position.durable is not None and now_s < self._next_checkpoint_s:
            return []
        replay_id, self._keepalive = self._keepalive, None
        self._next_checkpoint_s = now_s + self.policy.checkpoint_interval_s
        batch = self.position.received(replay_id)
        return [Checkpoint(batch.sequence, replay_id)]

    def _top_up(self, now_s: float) -> list[Effect]:
        grant = self.credit.wanted(self._room(), now_s)
        if not grant:
            return []
        self.credit.granted(grant)
        return [SendFetch(grant)]

    def _room(self) -> int:
        """Events that memory may still take."""
        if self.position.inflight_bytes >= self.policy.max_inflight_bytes:
            return 0
        return max(0, self.policy.max_inflight_events - self.position.inflight_events)

    def _unreadable(self, replay_id: bytes, fault: Fault, jitter: float) -> list[Effect]:
        if replay_id != self._blocked_at:
            self._blocked_at, self._tries, self._strikes = replay_id, 0, 0
        delay_s = self._delay_s(fault.pause_s, self._tries, jitter)
        self._tries += 1
        match fault.action:
            case Action.RETRY:
                return [RetryEvent(delay_s)]
            case Action.REFRESH_TOKEN:
                self._refused_tokens += 1
                if self._refused_tokens >= AUTH_ATTEMPTS:
                    return self._fail(f"{self._explained(fault)}; {self._refused_tokens} tokens in a row were refused")
                return [DropToken(), RetryEvent(delay_s)]
            case Action.FAIL | Action.REPLAY_LOST:
                return self._fail(self._explained(fault))
            case Action.UNCLEAR:
                self._strikes += 1
                if self._strikes < EVENT_ATTEMPTS:
                    return [RetryEvent(delay_s)]
                return self._give_up(replay_id, fault)
            case _:
                assert_never(fault.action)

    def _give_up(self, replay_id: bytes, fault: Fault) -> list[Effect]:
        self._blocked_at = None
        if self.policy.tolerate_errors:
            return [DeadLetterEvent(str(fault))]
        return self._fail(
            f"{self._explained(fault)}; the event at replay_id={replay_id.hex()} cannot be read: set"
            " errors.tolerance=all to send such events to the dead letters, and restart"
        )

    # -- time

    def _delay_s(self, pause_s: float, attempt: int, jitter: float) -> float:
        return pause_s * (1 + PAUSE_SPREAD * jitter) + self.policy.backoff.delay_s(attempt, jitter)

    @property
    def _watchdog_due_s(self) -> float | None:
        if self.phase not in _OPEN or self.credit.outstanding == 0:
            return None
        return self._heard_s + self.policy.watchdog_s

    def _timer(self, now_s: float, jitter: float) -> list[Effect]:
        effects: list[Effect] = []
        if self._settled_s is not None and now_s >= self._settled_s:
            effects += self._serve()
        watchdog_s = self._watchdog_due_s
        if watchdog_s is not None and now_s >= watchdog_s:
            return [*effects, *self._reconnect("watchdog", 0.0, now_s, jitter)]
        if self.phase in _OPEN:
            effects += self._top_up(now_s)
        if self._retry_s is not None and now_s >= self._retry_s and self._room() > 0:
            return [*effects, *self._open(now_s)]
        return effects

    def _explained(self, fault: Fault) -> str:
        return f"{fault}; {fault.remedy}" if fault.remedy else str(fault)
