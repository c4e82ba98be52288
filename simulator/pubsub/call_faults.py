"""Carries out the faults of a call: at its start, on its open stream, and on each response."""

import asyncio

from simulator.faults.error_codes import STATUS_OF
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
from simulator.faults.fault_book import CallFacts, FaultBook
from simulator.faults.rpc_errors import RpcError, Status
from simulator.org.open_calls import Call
from simulator.wire.fault_marks import FaultMark, MarkKind

_UNLIMITED = 2**31


class PlainEnd(Exception):
    """Ends a stream with status OK."""


class WireFault(Exception):
    """Ends a call below gRPC. The call sends `mark` in place of a response, and the fault proxy does what it says."""

    def __init__(self, mark: FaultMark) -> None:
        """`mark` names the fault."""
        super().__init__(mark.kind.name)
        self.mark = mark


class CallFaults:
    """The faults of one call. The code that serves the call asks here wherever a fault can happen."""

    def __init__(self, call: Call, book: FaultBook) -> None:
        """`book` holds the faults that are ordered for the whole org."""
        self._call = call
        self._book = book
        self._started = False

    async def begin(self, topic: str | None) -> None:
        """Note the topic of the call and carry out the faults for its start.

        Raises `RpcError`, `PlainEnd` or `WireFault` to end the call.
        """
        self._call.topic = topic
        if self._book.armed:
            while (fault := self._book.due(self._facts())) is not None:
                await _carry_out(fault)
        self._started = True

    async def go_on(self) -> None:
        """Carry out the faults that are due on an open stream. Raises as `begin`."""
        if self._call.cut is not None:
            raise self._call.cut
        if self._book.armed:
            while (fault := self._book.due(self._facts())) is not None:
                await _carry_out(fault)

    def most_events(self) -> int:
        """How many events the next response may carry."""
        if not self._book.armed:
            return _UNLIMITED
        split = self._book.shape(self._facts(), Split)
        until_due = self._book.events_until_due(self._facts())
        return min(split.events if split else _UNLIMITED, until_due or _UNLIMITED)

    def gathering_s(self) -> float:
        """How long the next response waits for more events."""
        merge = self._book.shape(self._facts(), Merge) if self._book.armed else None
        return merge.seconds if merge else 0.0

    async def before_response(self) -> None:
        """Wait as long as a `slow` fault delays the next response."""
        slow = self._book.shape(self._facts(), Slow) if self._book.armed else None
        if slow is not None:
            await asyncio.sleep(slow.seconds)

    def _facts(self) -> CallFacts:
        return CallFacts(
            rpc=self._call.rpc,
            topic=self._call.topic,
            clients=(self._call.token, self._call.owner or ""),
            sent_events=self._call.sent_events,
            started=self._started,
        )


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
            raise WireFault(FaultMark(MarkKind.RESET, code))
        case GoAway(http2_error=code):
            raise WireFault(FaultMark(MarkKind.GOAWAY, code))
        case Cut():
            raise WireFault(FaultMark(MarkKind.CUT))
        case BlackHole():
            raise WireFault(FaultMark(MarkKind.BLACK_HOLE))


def provoked(fault: Fail) -> RpcError:
    """Return the failure that was ordered. Where the order names no status, it is the one of its error code."""
    known = STATUS_OF.get(fault.error_code or "", Status.UNKNOWN)
    status = fault.status or known
    text = fault.text or f"ordered: {fault.error_code or status.value}"
    return RpcError(status, fault.error_code if fault.trailers else None, text)
