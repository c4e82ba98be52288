"""What became of the calls to Salesforce: remembered with the request or the conversation they were made for."""

from typing import Any

from msgspec.structs import replace

from schemas.records import CallOutcome, SalesforceCallResult
from streams.core.model.details import NOTHING
from streams.core.model.lenient import as_filled_text, as_object
from streams.core.model.rules import Rules
from streams.core.model.state import CallState, Conversation, RoutingRequest, State
from streams.core.model.step import Step
from streams.core.routing.calls import call_id, call_names
from streams.core.routing.outputs import tell
from streams.core.routing.requests import with_call

# "no such session", "session is over", "no such conversation": nothing more can be said in it
GONE = frozenset({10018, 10025, 10071, 10072})
# this rep cannot take this work: the partner's router has to choose another
REP_UNAVAILABLE = frozenset({15105, 15106, 15112})
_OUTCOMES = frozenset(outcome.value for outcome in CallOutcome)


def take_result(state: State, result: SalesforceCallResult, now_ms: int, rules: Rules, step: Step) -> None:
    """Take the result of one call. It may be read before its request or conversation; a repeat changes nothing."""
    outcome = result.outcome if result.outcome in _OUTCOMES else "unknown"
    step.counts.append(("call_result", outcome))
    if result.error_code in REP_UNAVAILABLE:
        step.counts.append(("call_result", "rep_unavailable"))
    if result.error_code in GONE:
        _close(state, result, step)
    if result.request_id is not None:
        _remember(state, result, now_ms, rules, step)


def _close(state: State, result: SalesforceCallResult, step: Step) -> None:
    """Salesforce knows the session or conversation no more: it counts as ended, unless more is heard of it later."""
    conversation_id = result.conversation_id
    conversation = state.conversation(conversation_id) or Conversation(conversation_id, org_id="")
    details = conversation.details or NOTHING
    closed_ms = max(details.closed_ms or 0, result.completed_at_ms)
    step.counts.append(("call_result", "conversation_gone"))
    if closed_ms != details.closed_ms:
        step.conversation = replace(conversation, details=replace(details, closed_ms=closed_ms))


def _remember(state: State, result: SalesforceCallResult, now_ms: int, rules: Rules, step: Step) -> None:
    request_id = result.request_id or ""
    request = state.request(result.conversation_id, request_id) or RoutingRequest(result.conversation_id, request_id)
    name = next((each for each in call_names() if call_id(each, request) == result.call_id), None)
    if name is None:
        return
    ids: dict[str, Any] = as_object(result.ids) or {}
    call = CallState(
        kind=name,
        outcome=result.outcome,
        at_ms=result.completed_at_ms,
        error_code=result.error_code,
        agent_work_id=as_filled_text(ids.get("agentWorkId")),
        pending_service_routing_id=as_filled_text(ids.get("psrId")),
    )
    known = with_call(request, call, rules)
    if known is not request:
        tell(known, now_ms, rules, step)
