"""The calls that are open now: what each is, what it was sent, and how something is made to happen to it."""

import asyncio
from collections.abc import Callable

import msgspec

from simulator.faults.book import CallFacts, FaultBook
from simulator.faults.failures import RpcError, Status
from simulator.faults.fault import (
    BlackHole,
    CallFault,
    Cut,
    End,
    Fail,
    GoAway,
    Merge,
    Reset,
    Silence,
    Slow,
    Split,
)
from simulator.pubsub.error_codes import STATUS_OF
from simulator.wire.marks import Mark, MarkKind

_UNLIMITED = 2**31


class PlainEnd(Exception):
    """The stream is over, with status OK."""


class WireFault(Exception):
    """What happens to the call happens below it; `mark` tells the edge."""

    def __init__(self, mark: Mark) -> None:
        super().__init__(mark.kind.name)
        self.mark = mark


class OpenCall(msgspec.Struct, frozen=True, kw_only=True):
    """An open call, as `/v1/stats` tells it. `replay_preset` and `replay_id` are those of its first request."""

    rpc_id: str
    rpc: str
    topic: str | None
    replay_preset: str | None
    replay_id: bytes | None
    peer: str
    client: str | None
    sent_events: int
    pending: int


class Call:
    """One call from its headers to its end."""

    def __init__(
        self, rpc: str, rpc_id: str, *, faults: FaultBook, token: str = "", owner: str | None = None, peer: str = ""
    ) -> None:
        self.rpc = rpc
        self.rpc_id = rpc_id
        self.token = token
        self.owner = owner
        self.peer = peer
        self.topic: str | None = None
        self.replay_preset: str | None = None
        self.replay_id: bytes | None = None
        self.sent_events = 0
        self.pending = 0
        self.cut: RpcError | None = None  # ends the stream at its next look
        self.wake: Callable[[], None] = lambda: None
        self._faults = faults
        self._started = False

    def as_shown(self) -> OpenCall:
        return OpenCall(
            rpc_id=self.rpc_id,
            rpc=self.rpc,
            topic=self.topic,
            replay_preset=self.replay_preset,
            replay_id=self.replay_id,
            peer=self.peer,
            client=self.owner,
            sent_events=self.sent_events,
            pending=self.pending,
        )

    async def begin(self, topic: str | None) -> None:
        """Let happen what was ordered for the start of a call. Raises `RpcError`, `PlainEnd`, `WireFault`."""
        self.topic = topic
        if self._faults.armed:
            while (fault := self._faults.due(self._facts())) is not None:
                await _carry_out(fault)
        self._started = True

    async def go_on(self) -> None:
        """Let happen what is due on an open stream. Raises as `begin`."""
        if self.cut is not None:
            raise self.cut
        if self._faults.armed:
            while (fault := self._faults.due(self._facts())) is not None:
                await _carry_out(fault)

    def most_events(self) -> int:
        """How many events the next response may carry."""
        if not self._faults.armed:
            return _UNLIMITED
        split = self._faults.shape(self._facts(), Split)
        until_due = self._faults.events_until_due(self._facts())
        return min(split.events if split else _UNLIMITED, until_due or _UNLIMITED)

    def gathering_s(self) -> float:
        """How long the next response waits for more events."""
        merge = self._faults.shape(self._facts(), Merge) if self._faults.armed else None
        return merge.seconds if merge else 0.0

    async def before_response(self) -> None:
        """Hold a response back as long as was ordered."""
        slow = self._faults.shape(self._facts(), Slow) if self._faults.armed else None
        if slow is not None:
            await asyncio.sleep(slow.seconds)

    def _facts(self) -> CallFacts:
        return CallFacts(
            rpc=self.rpc,
            topic=self.topic,
            clients=(self.token, self.owner or ""),
            sent_events=self.sent_events,
            started=self._started,
        )


class OpenCalls:
    """The open calls of one org, how many of each RPC there ever were, and how many events each client was sent."""

    def __init__(self) -> None:
        self._calls: dict[str, Call] = {}
        self.opened: dict[str, int] = {}
        self.delivered: dict[str, int] = {}

    def add(self, call: Call) -> None:
        self._calls[call.rpc_id] = call
        self.opened[call.rpc] = self.opened.get(call.rpc, 0) + 1

    def remove(self, call: Call) -> None:
        self._calls.pop(call.rpc_id, None)

    def sent(self, call: Call, events: int) -> None:
        """Count the events of one response."""
        call.sent_events += events
        client = call.owner or "unknown"
        self.delivered[client] = self.delivered.get(client, 0) + events

    def shown(self) -> list[OpenCall]:
        return [call.as_shown() for call in self._calls.values()]

    def cut(self, reason: RpcError, *, tokens: frozenset[str] | None = None, rpc_id: str | None = None) -> int:
        """End the open calls, or only those of these tokens or with this id; return how many."""
        hit = [
            call
            for call in self._calls.values()
            if (tokens is None or call.token in tokens) and rpc_id in (None, call.rpc_id)
        ]
        for call in hit:
            call.cut = reason
            call.wake()
        return len(hit)


async def _carry_out(fault: CallFault) -> None:
    match fault:
        case Fail():
            raise provoked(fault)
        case End():
            raise PlainEnd
        case Silence(seconds=None):
            await asyncio.Event().wait()  # until the client leaves
        case Silence(seconds=float(seconds)):
            await asyncio.sleep(seconds)
        case Reset(http2_error=code):
            raise WireFault(Mark(MarkKind.RESET, code))
        case GoAway(http2_error=code):
            raise WireFault(Mark(MarkKind.GOAWAY, code))
        case Cut():
            raise WireFault(Mark(MarkKind.CUT))
        case BlackHole():
            raise WireFault(Mark(MarkKind.BLACK_HOLE))


def provoked(fault: Fail) -> RpcError:
    """The failure that was ordered; what the order leaves open is as the error table has it."""
    known = STATUS_OF.get(fault.error_code or "", Status.UNKNOWN)
    status = fault.status or known
    text = fault.text or f"ordered: {fault.error_code or status.value}"
    return RpcError(status, fault.error_code if fault.trailers else None, text)
