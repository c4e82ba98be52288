"""The subscription protocol against a model of the server, in any order of events.

The model keeps what Salesforce keeps: the credit of the one open stream, the requests that are still on their way to
it, and what it has sent. Invariants, checked after every step:

* never more than 100 events outstanding, never an empty request;
* with room in memory and a stream open, the server is never left at zero credit with nothing on its way, and when it
  says that it has used its credit up, all that there is room for is asked for within milliseconds;
* the durable position is that of the last batch of an unbroken durable prefix, and no keepalive passes an event that is
  not durable;
* at most one stream is open, and every stream goes on after the last event received;
* what is received and not durable stays within its bound;
* a stream that broke is opened again after a pause that is bounded from both sides;
* after the end nothing is opened, asked for or handed over.
"""

from collections import deque

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from connectors.pubsub.protocol.backoff import Backoff
from connectors.pubsub.protocol.credit import GATHER_S
from connectors.pubsub.protocol.faults import Action, Fault
from connectors.pubsub.protocol.messages import (
    BatchDurable,
    Checkpoint,
    CloseStream,
    DeadLetterEvent,
    EventUnreadable,
    Fail,
    FetchReceived,
    GapPolicy,
    OpenStream,
    RecordGap,
    ReplayPreset,
    RetryEvent,
    SendFetch,
    Started,
    StopRequested,
    StreamEnded,
    StreamFailed,
    StreamOpened,
    TimerFired,
    WriteEvents,
)
from connectors.pubsub.protocol.policy import Policy
from connectors.pubsub.protocol.subscription import EVENT_ATTEMPTS, PAUSE_SPREAD, Phase, Subscription

BASE_S, MAX_S = 0.5, 30.0
JITTER = st.floats(0, 1, exclude_max=True)
BREAKS = {
    "outage": Fault(action=Action.RETRY, what="x"),
    "limit": Fault(action=Action.RETRY, what="x", pause_s=60),
    "unclear": Fault(action=Action.UNCLEAR, what="x"),
    "refused": Fault(action=Action.REFRESH_TOKEN, what="x"),
    "lost": Fault(action=Action.REPLAY_LOST, what="x"),
}


class AnyOrder(RuleBasedStateMachine):
    @initialize(
        room=st.integers(1, 400),
        committed=st.sampled_from([None, b"committed"]),
        preset=st.sampled_from([ReplayPreset.EARLIEST, ReplayPreset.LATEST]),
        gap=st.sampled_from(list(GapPolicy)),
    )
    def start(self, room, committed, preset, gap):
        self.room = room
        self.now_s = 0.0
        self.subscription = Subscription(
            Policy(
                topic="/event/X__e",
                preset=preset,
                gap_policy=gap,
                start_timeout_s=1e9,
                max_inflight_events=room,
                backoff=Backoff(base_s=BASE_S, max_s=MAX_S),
            )
        )
        self.epoch = None  # the open stream
        self.server_credit = 0
        self.on_their_way = deque()  # requests the server has not seen
        self.used_up_s = None  # since when the server is known to wait for credit
        self.counter = 0
        self.received = committed  # position of the newest event or keepalive handed to the machine
        self.batches = deque()  # (sequence, position, events) not durable
        self.durable = committed
        self.tries = 0  # at the one event that cannot be read
        self.ended = False
        self.feed(Started(committed))

    def feed(self, event, jitter=0.5):
        effects = self.subscription.advance(event, now_s=self.now_s, jitter=jitter)
        for effect in effects:
            assert not self.ended, f"{effect} after the end"
            match effect:
                case OpenStream(epoch, preset, replay_id, num_requested):
                    assert self.epoch is None, "a second stream"
                    assert replay_id == self.received
                    assert (preset is ReplayPreset.CUSTOM) == (replay_id is not None)
                    self.epoch, self.server_credit, self.used_up_s = epoch, 0, None
                    self.on_their_way = deque([num_requested])
                case SendFetch(num_requested):
                    assert self.epoch is not None, "a request without a stream"
                    self.on_their_way.append(num_requested)
                case CloseStream():
                    assert self.epoch is not None
                    self.epoch = self.used_up_s = None
                case WriteEvents(sequence, replay_id):
                    self.batches.append((sequence, replay_id, self.arrived))
                case Checkpoint(sequence, replay_id):
                    assert not self.batches, "a keepalive's position before the events in front of it"
                    self.batches.append((sequence, replay_id, 0))
                    self.received = replay_id
                case RecordGap(sequence, lost_replay_id, _):
                    assert lost_replay_id == self.received
                    self.received = None
                    self.batches.append((sequence, None, 0))
                case Fail():
                    pass
        self.ended = self.subscription.phase in (Phase.FAILED, Phase.STOPPED)
        return effects

    @property
    def inflight(self):
        return sum(events for _, _, events in self.batches)

    @property
    def outstanding(self):
        return self.server_credit + sum(self.on_their_way)

    @property
    def missing(self):
        return min(100, self.room - self.inflight) - self.outstanding

    def next_id(self):
        self.counter += 1
        return self.counter.to_bytes(8, "big")

    @precondition(lambda self: self.on_their_way and self.epoch is not None)
    @rule()
    def request_arrives(self):
        self.server_credit = self.server_credit + self.on_their_way.popleft()

    @precondition(lambda self: self.server_credit > 0 and self.epoch is not None)
    @rule(data=st.data(), all_of_it=st.booleans())
    def response(self, data, all_of_it):
        events = self.server_credit if all_of_it else data.draw(st.integers(1, self.server_credit))
        self.server_credit -= events
        self.arrived = events
        last = self.next_id()
        self.received = last
        self.used_up_s = None if self.server_credit else self.now_s
        self.feed(FetchReceived(self.epoch, events, 10 * events, last, last, self.server_credit))

    @precondition(lambda self: self.server_credit > 0 and self.epoch is not None)
    @rule()
    def keepalive(self):
        self.used_up_s = None
        self.feed(FetchReceived(self.epoch, 0, 0, None, self.next_id(), self.server_credit))

    @precondition(lambda self: self.epoch is not None)
    @rule()
    def opened(self):
        self.feed(StreamOpened(self.epoch))

    @precondition(lambda self: self.epoch is not None)
    @rule(how=st.sampled_from(["ended", "outage"] * 4 + list(BREAKS)), jitter=JITTER)
    def stream_breaks(self, how, jitter):
        before_s, fault = self.now_s, BREAKS.get(how)
        self.feed(StreamEnded(self.epoch) if fault is None else StreamFailed(self.epoch, fault), jitter)
        if self.ended or self.inflight >= self.room:
            return
        pause_s = fault.pause_s if fault is not None else 0.0
        due_s = self.subscription.next_timer_s
        assert before_s + pause_s + BASE_S / 2 <= due_s <= before_s + pause_s * (1 + PAUSE_SPREAD) + MAX_S

    @rule(back=st.integers(1, 3), events=st.integers(1, 100))
    def something_late_from_an_older_stream(self, back, events):
        epoch = self.subscription.epoch - back
        position = self.subscription.position
        before = (position.resume, position.inflight_events)
        assert self.feed(FetchReceived(epoch, events, 10, b"late", b"late", 50)) == []
        assert self.feed(StreamFailed(epoch, BREAKS["lost"])) == []
        assert self.feed(StreamEnded(epoch)) == []
        assert (position.resume, position.inflight_events) == before

    @precondition(lambda self: self.batches)
    @rule(data=st.data())
    def commit(self, data):
        count = data.draw(st.integers(1, len(self.batches)))
        for _ in range(count):
            sequence, replay_id, _ = self.batches.popleft()
            self.durable = replay_id
        self.feed(BatchDurable(sequence))

    @precondition(lambda self: not self.ended)
    @rule(how=st.sampled_from(["outage", "unclear"]), jitter=JITTER)
    def an_event_cannot_be_read(self, how, jitter):
        """Whatever happens to the stream meanwhile, the fifth unclear failure gives the one event up."""
        (effect,) = self.feed(EventUnreadable(b"held", BREAKS[how]), jitter)
        self.tries += how == "unclear"
        if self.tries == EVENT_ATTEMPTS:
            assert isinstance(effect, DeadLetterEvent)
            self.tries = 0
        else:
            assert isinstance(effect, RetryEvent)
            assert BASE_S / 2 <= effect.delay_s <= MAX_S

    @rule(seconds=st.floats(0, 200))
    def time_passes(self, seconds):
        self.now_s += seconds
        self.feed(TimerFired())
        if self.epoch is not None and self.used_up_s is not None and seconds >= GATHER_S:
            assert self.missing <= 0, "the server still waits"

    @precondition(lambda self: self.subscription.next_timer_s is not None)
    @rule()
    def timer(self):
        self.now_s = max(self.now_s, self.subscription.next_timer_s)
        self.feed(TimerFired())

    @precondition(lambda self: self.counter > 10)
    @rule()
    def stop(self):
        self.feed(StopRequested())
        assert self.ended
        assert self.subscription.next_timer_s is None

    @invariant()
    def credit_stays_within_the_cap(self):
        if self.epoch is not None:
            assert self.outstanding <= 100
        assert all(request > 0 for request in self.on_their_way)

    @invariant()
    def the_server_is_never_left_without_credit_while_there_is_room(self):
        if self.epoch is not None and self.inflight < self.room:
            assert self.server_credit or self.on_their_way

    @invariant()
    def a_server_that_waits_for_credit_gets_all_there_is_room_for_within_milliseconds(self):
        if self.epoch is None or self.used_up_s is None:
            return
        assert self.missing <= 0 or self.subscription.next_timer_s <= self.now_s + GATHER_S

    @invariant()
    def the_durable_position_is_that_of_the_durable_prefix(self):
        assert self.subscription.position.durable == self.durable

    @invariant()
    def memory_is_bounded(self):
        assert self.inflight == self.subscription.position.inflight_events
        assert self.inflight + (self.outstanding if self.epoch is not None else 0) <= self.room

    @invariant()
    def a_subscription_that_is_not_open_will_be(self):
        if not self.ended and self.epoch is None:
            assert self.subscription.phase is Phase.WAITING
            assert self.subscription.next_timer_s is not None or self.inflight >= self.room


AnyOrder.TestCase.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)
test_the_protocol_keeps_its_promises_in_any_order = AnyOrder.TestCase
