"""Results of calls to Salesforce, remembered with the request or the conversation that the calls were made for."""

from msgspec.structs import replace

from schemas.records import CallOutcome, SalesforceCallResult
from streams.core.model.bounds import LONGEST_WORD, check_call_result
from streams.core.model.details import NOTHING
from streams.core.model.lenient import as_id, as_object
from streams.core.model.state import CallState, Conversation, RoutingRequest
from streams.core.model.turn import Turn
from streams.core.routing.operations import REQUEST_CALLS, call_id
from streams.core.routing.requests import with_call

# "no such session", "session is over", "no such conversation": nothing more can be said in it
GONE = frozenset({10018, 10025, 10071, 10072})
# this rep cannot take this work: the partner's router has to choose another
REP_UNAVAILABLE = frozenset({15105, 15106, 15112})
_OUTCOMES = frozenset(outcome.value for outcome in CallOutcome)


def take_call_result(turn: Turn, result: SalesforceCallResult) -> None:
    """Take the result of one call. It may be read before its request or conversation; a repeat changes nothing.

    Raises `OutOfBounds`.
    """
    check_call_result(result)
    outcome = result.outcome if result.outcome in _OUTCOMES else "unknown"
    turn.count("call_result", outcome)
    if result.error_code in REP_UNAVAILABLE:
        turn.count("call_result", "rep_unavailable")
    if result.error_code in GONE:
        _close_conversation(turn, result)
    if result.request_id is not None:
        _put_call(turn, result, result.request_id)


def _close_conversation(turn: Turn, result: SalesforceCallResult) -> None:
    """Salesforce no longer knows the session or conversation: it counts as ended, unless later events show activity."""
    conversation_id = result.conversation_id
    conversation = turn.state.conversation(conversation_id) or Conversation(conversation_id, org_id="")
    details = conversation.details or NOTHING
    closed_ms = max(details.closed_ms or 0, result.completed_at_ms)
    turn.count("call_result", "conversation_gone")
    if closed_ms != details.closed_ms:
        turn.put_conversation(replace(conversation, details=replace(details, closed_ms=closed_ms)))


def _put_call(turn: Turn, result: SalesforceCallResult, request_id: str) -> None:
    """Put the request with the result. A call that is not one of the request's changes nothing."""
    conversation_id = result.conversation_id
    request = turn.state.request(conversation_id, request_id) or RoutingRequest(conversation_id, request_id)
    name = next((each for each in REQUEST_CALLS if call_id(each, request) == result.call_id), None)
    if name is None:
        return
    ids = as_object(result.ids) or {}
    call = CallState(
        kind=name,
        outcome=result.outcome[:LONGEST_WORD],
        at_ms=result.completed_at_ms,
        error_code=result.error_code,
        agent_work_id=as_id(ids.get("agentWorkId"), "agentWorkId"),
        pending_service_routing_id=as_id(ids.get("psrId"), "psrId"),
    )
    known = with_call(request, call, turn.rules)
    if known is not request:
        turn.put_request(known)
