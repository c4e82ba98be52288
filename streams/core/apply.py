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
from streams.core.routing.requests import is_request_over, with_deadline_passed

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

    Called once for each record, in the order of the partition. Returns what changes and what is sent; the caller
    writes all of it in one transaction, or none. A repeat (the same event, the same business key under another replay
    id, the same decision) changes nothing. `now_ms`, epoch ms, only holds outputs back: no call at or after its
    deadline, no task for a request whose time is over, no typing that is stale.
    Raises `Unparsable` when the payload of an event is no JSON object, or a field of a record is out of its bounds
    (`streams.core.model.bounds`); nothing else.
    """
    turn = Turn(state, now_ms, rules)
    _HANDLERS[type(record)](turn, record)
    return _finished(turn)


def apply_receipts(state: StateReader, receipts: Sequence[DeliveryReceipt], rules: Rules) -> Step:
    """Apply receipts of one conversation that were read together, in their order; like `apply`.

    At least one receipt is needed. Those that are acknowledged share calls to Salesforce. There is no `now_ms`: what
    receipts lead to does not depend on the clock.
    """
    turn = Turn(state, 0, rules)
    take_receipts(turn, receipts)
    return _finished(turn)


def expire(state: StateReader, table: str, key: str, now_ms: int, rules: Rules) -> Step:
    """Let the deadlines of one value pass that lie at or before `now_ms`.

    Called when the value is due and the partition has no older input waiting. A call too early, or for a key that is
    gone, changes nothing. Every returned value is due later, or is dropped.
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
    """Every turn ends here: send what the changed requests make due, then make the step."""
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
    """Let each deadline pass that has come, and put the request once; drop it when its retention is over."""
    while request.due_at_ms is not None and turn.now_ms >= request.due_at_ms:
        if is_request_over(request, turn.rules):
            turn.drop(ROUTING, request.key)
            return
        request = with_deadline_passed(request, request.due_at_ms, turn.rules)
    turn.put_request(request)
