"""The core's entry points: `apply` one record, ask when a value is `due_at_ms`, `expire` it. Pure."""

from collections.abc import Callable, Sequence
from typing import Any

from schemas.records import DeliveryReceipt, OutboundEvent, PartnerCommand, RoutingDecision, SalesforceCallResult
from streams.core.conversation.commands import take_command
from streams.core.conversation.events import take_event
from streams.core.conversation.receipts import take_receipt, take_receipts
from streams.core.model.expiry import due_at_ms
from streams.core.model.keys import ids_of_routing_key
from streams.core.model.rules import Rules
from streams.core.model.state import RoutingRequest, StateReader, Value
from streams.core.model.step import CONVERSATIONS, ROUTING, SEEN, Step
from streams.core.model.turn import Turn
from streams.core.routing.call_results import take_call_result
from streams.core.routing.intake import take_decision
from streams.core.routing.outputs import send_due_outputs
from streams.core.routing.requests import is_over, with_deadline_passed

__all__ = ["InputRecord", "apply", "apply_receipts", "due_at_ms", "expire"]

InputRecord = OutboundEvent | RoutingDecision | DeliveryReceipt | PartnerCommand | SalesforceCallResult

# A record of another input topic is one row here. The handler's second parameter is the type it stands beside.
_HANDLERS: dict[type[InputRecord], Callable[[Turn, Any], None]] = {
    OutboundEvent: take_event,
    RoutingDecision: take_decision,
    DeliveryReceipt: take_receipt,
    PartnerCommand: take_command,
    SalesforceCallResult: take_call_result,
}


def apply(state: StateReader, record: InputRecord, now_ms: int, rules: Rules) -> Step:
    """Apply one record of an input topic: an event, a routing decision, a receipt, a command, the result of a call.

    Called once per record in partition order. Returns what changes and what leaves; a repeat (same event, same
    business key under another replay id, same decision) changes nothing. `now_ms` only holds outputs back: no call at
    or after its deadline, no task for a request whose time is over, no typing that is stale.
    Raises `Unparsable` when the payload of an event is no JSON object; nothing else.
    """
    turn = Turn(state, now_ms, rules)
    _HANDLERS[type(record)](turn, record)
    return _finished(turn)


def apply_receipts(state: StateReader, receipts: Sequence[DeliveryReceipt], rules: Rules) -> Step:
    """Apply receipts of one conversation that were read together, in their order; like `apply`.

    They share calls to Salesforce. At least one; no output of theirs depends on the clock.
    """
    turn = Turn(state, 0, rules)
    take_receipts(turn, receipts)
    return _finished(turn)


def expire(state: StateReader, table: str, key: str, now_ms: int, rules: Rules) -> Step:
    """Let the deadlines of one value pass that lie at or before `now_ms`.

    Called when the value is due and the partition has no older input waiting. A spurious call, also for a key that
    is gone, changes nothing. The returned values are due later, or dropped.
    """
    turn = Turn(state, now_ms, rules)
    value = _value(state, table, key)
    due = None if value is None else due_at_ms(value)
    if due is not None and now_ms >= due:
        if isinstance(value, RoutingRequest):
            _expire_request(turn, value)
        else:
            turn.drop(table, key)
    return _finished(turn)


def _finished(turn: Turn) -> Step:
    """The one way out: what the changed requests make due is sent, then the turn ends."""
    if turn.changed:
        send_due_outputs(turn)
    return turn.finish()


def _value(state: StateReader, table: str, key: str) -> Value | None:
    if table == SEEN:
        return state.seen(key)
    if table == ROUTING:
        return state.request(*ids_of_routing_key(key))
    return state.conversation(key) if table == CONVERSATIONS else None


def _expire_request(turn: Turn, request: RoutingRequest) -> None:
    """Let each deadline pass that has come; what follows is sent once. Drop the request when its retention is over."""
    while request.due_at_ms is not None and turn.now_ms >= request.due_at_ms:
        if is_over(request, turn.rules):
            turn.drop(ROUTING, request.key)
            return
        request = with_deadline_passed(request, request.due_at_ms, turn.rules)
    turn.put_request(request)
