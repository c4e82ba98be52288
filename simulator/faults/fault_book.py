"""The faults that were ordered, and which of them is due for a call, an event, the org or a login. Pure."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar, get_args

import msgspec

from simulator.faults.fault import (
    STREAMS,
    WIRE,
    AnyEventFault,
    AnyFault,
    CallFault,
    End,
    EventFault,
    Fail,
    LoginFault,
    Merge,
    OrgFault,
    Silence,
    Slow,
    Split,
)

EVENT_FAULTS = get_args(AnyEventFault)
_PER_RESPONSE = (Slow, Split, Merge)
_OF_STREAMS = (End, Silence, Split, Merge)

_F = TypeVar("_F")


class FaultRefusedError(ValueError):
    """The fault makes no sense as it was ordered, or this simulator cannot carry it out."""


class Order(msgspec.Struct, kw_only=True):
    """An ordered fault and how often it happened. `left` is null when it happens until it is deleted."""

    id: str
    fault: AnyFault
    left: int | None
    happened: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFacts:
    """What decides whether a fault concerns a call: its RPC, topic, client, and how far it is."""

    rpc: str
    topic: str | None
    clients: Collection[str]
    sent_events: int
    started: bool


class FaultBook:
    """The ordered faults by id. One that has happened as often as was ordered stays listed with `left` 0."""

    def __init__(self, *, wire_faults: bool) -> None:
        """`wire_faults`: whether a fault proxy is there to carry out faults below gRPC."""
        self._wire_faults = wire_faults
        self._orders: dict[str, Order] = {}
        self._published: dict[str, int] = {}  # by order: matching events since it was given
        self._watchers: list[Callable[[], None]] = []
        self._numbers = 0
        self.armed = False  # one look, so that a simulator without faults pays nothing

    def add(self, fault: AnyFault) -> Order:
        """Take an order. Raises `FaultRefusedError`."""
        self._check(fault)
        self._numbers += 1
        order = Order(id=f"fault-{self._numbers}", fault=fault, left=fault.times)
        self._orders[order.id] = order
        self._published[order.id] = 0
        self.armed = True
        for wake in list(self._watchers):
            wake()
        return order

    def remove(self, order_id: str) -> Order | None:
        """Take an order back; None when there is none of this id."""
        self._published.pop(order_id, None)
        order = self._orders.pop(order_id, None)
        self.armed = any(order.left != 0 for order in self._orders.values())
        return order

    def get(self, order_id: str) -> Order | None:
        """Return an order by its id; None when there is none."""
        return self._orders.get(order_id)

    def orders(self) -> list[Order]:
        """Return all orders, oldest first."""
        return list(self._orders.values())

    def watch(self, wake: Callable[[], None]) -> Callable[[], None]:
        """Call `wake` after each new order; return a function that ends that."""
        self._watchers.append(wake)
        return lambda: self._watchers.remove(wake)

    def due(self, call: CallFacts) -> CallFault | None:
        """Return the fault that happens to the call now, and count it. Faults of a response are returned by `shape`."""
        return self._next(call, lambda fault: not isinstance(fault, _PER_RESPONSE))

    def shape(self, call: CallFacts, kind: type[_F]) -> _F | None:
        """Return the fault of this type that happens to the next response of the call, and count it; None for none."""
        return self._next(call, lambda fault: isinstance(fault, kind))  # type: ignore[return-value]  # of that kind

    def events_until_due(self, call: CallFacts) -> int | None:
        """How many events the call may still send before something happens to it; None when nothing is ordered."""
        waits = [
            fault.after_events - call.sent_events
            for _, fault in self._of_call(call)
            if fault.after_events is not None and fault.after_events > call.sent_events
        ]
        return min(waits, default=None)

    def due_login(self) -> LoginFault | None:
        """Return the fault that happens to the login that begins now, and count it; None for none."""
        for order in self._open():
            if isinstance(order.fault, LoginFault):
                self._happened(order)
                return order.fault
        return None

    def event_published(self, topic: str) -> list[EventFault]:
        """Count an event of the topic that is about to be appended; return the faults that happen to it."""
        due: list[EventFault] = []
        for order in self._open():
            fault = order.fault
            if isinstance(fault, EventFault) and fault.topic in (None, topic):
                self._published[order.id] += 1
                if self._published[order.id] > fault.after_events:
                    self._happened(order)
                    due.append(fault)
        return due

    def event_appended(self, topic: str) -> list[OrgFault]:
        """Count an event of the topic that was appended; return the faults that happen to the org now."""
        due: list[OrgFault] = []
        for order in self._open():
            fault = order.fault
            if isinstance(fault, OrgFault) and fault.topic in (None, topic):
                self._published[order.id] += 1
                if self._published[order.id] >= fault.after_events:
                    self._happened(order)
                    due.append(fault)
        return due

    def take_at_once(self, order: Order) -> bool:
        """Say whether the order is for the org and due at once; if so, count it as happened."""
        if not isinstance(order.fault, OrgFault) or order.fault.after_events:
            return False
        self._happened(order)
        return True

    def _check(self, fault: AnyFault) -> None:
        name = type(fault).__struct_config__.tag
        if isinstance(fault, WIRE) and not self._wire_faults:
            raise FaultRefusedError(f"{name} happens on the wire; start the simulator with --wire-faults")
        if isinstance(fault, CallFault):
            if isinstance(fault, _OF_STREAMS) and fault.rpc is not None and fault.rpc not in STREAMS:
                raise FaultRefusedError(f"{name} happens to streams, and {fault.rpc} is none")
            if fault.after_events is not None and fault.rpc is not None and fault.rpc not in STREAMS:
                raise FaultRefusedError(f"after_events counts the events of a stream, and {fault.rpc} is none")
        if isinstance(fault, Fail) and fault.error_code is None and fault.status is None:
            raise FaultRefusedError("fail needs an error_code or a status")
        if isinstance(fault, LoginFault) and fault.http_status is None and not fault.null_token and not fault.seconds:
            raise FaultRefusedError("login needs http_status, null_token or seconds")
        if isinstance(fault, OrgFault) and fault.times != 1:
            raise FaultRefusedError(f"{name} happens once")

    def _next(self, call: CallFacts, wanted: Callable[[Any], bool]) -> CallFault | None:
        for order, fault in self._of_call(call):
            at_start = fault.after_events is None
            reached = not call.started if at_start else call.started and call.sent_events >= (fault.after_events or 0)
            if wanted(fault) and (reached or (at_start and isinstance(fault, _PER_RESPONSE))):
                self._happened(order)
                return fault
        return None

    def _of_call(self, call: CallFacts) -> Iterator[tuple[Order, CallFault]]:
        for order in self._open():
            fault = order.fault
            if (
                isinstance(fault, CallFault)
                and fault.rpc in (None, call.rpc)
                and fault.topic in (None, call.topic)
                and (fault.client is None or fault.client in call.clients)
                and not (isinstance(fault, _OF_STREAMS) and call.rpc not in STREAMS)
            ):
                yield order, fault

    def _open(self) -> list[Order]:
        return [order for order in self._orders.values() if order.left != 0]

    def _happened(self, order: Order) -> None:
        order.happened += 1
        if order.left is not None:
            order.left -= 1
        self.armed = any(order.left != 0 for order in self._orders.values())
