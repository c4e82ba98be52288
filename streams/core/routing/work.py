"""The calls that bring accepted work to a rep, and those that take it back. Each is made only where the rules say so.

The order in a conversation is `route` (queue or flow), `agentWork`, `routingResult`. Salesforce wants an offer taken
back when the request is cancelled or fails after it. Each function returns the request with the calls noted that it
has sent, so that none is sent twice.
"""

from msgspec.structs import replace

from schemas.records import DecisionKind
from streams.core.model.lenient import Object
from streams.core.model.routing_states import RoutingEvent, RoutingState
from streams.core.model.state import Decision, RequestFacts, RoutingRequest
from streams.core.model.turn import Turn
from streams.core.routing.attempts import Attempt, attempts_of
from streams.core.routing.bodies import agent_work_body, cancel_work_body, removal_body, route_body, unroute_body
from streams.core.routing.operations import CallKind, call_name, request_call
from streams.core.routing.requests import deadline_ms, folding, settled_at_ms

_UNDONE = (RoutingState.CANCELLED, RoutingState.FAILED)


def with_work_offered(
    turn: Turn, request: RoutingRequest, facts: RequestFacts, decision: Decision | None
) -> RoutingRequest:
    """Send the calls that come before a `routingResult` of success."""
    if decision is None or not turn.rules.work_calls:
        return request
    route = call_name(CallKind.ROUTE)
    request = _with_call_sent(turn, request, facts, route, route_body(facts), decision.decided_at_ms)
    return _with_offer_sent(turn, request, facts, decision, 1)


def with_work_offered_again(turn: Turn, request: RoutingRequest, facts: RequestFacts) -> RoutingRequest:
    """Offer the work to the rep whom the router chose after a decline, while Salesforce still waits.

    What was declined is over and need not be taken back first.
    """
    attempts = attempts_of(request, turn.rules)
    decision = attempts[-1].decision
    if len(attempts) == 1 or decision is None or decision.decision != DecisionKind.ACCEPT or not turn.rules.work_calls:
        return request
    if request.state != RoutingState.CLAIMED or turn.now_ms >= deadline_ms(facts, turn.rules):
        return request
    return _with_offer_sent(turn, request, facts, decision, len(attempts))


def _with_offer_sent(
    turn: Turn, request: RoutingRequest, facts: RequestFacts, decision: Decision, attempt: int
) -> RoutingRequest:
    if decision.user_id is None or decision.externally_routed:
        return request
    body = agent_work_body(request, facts, decision.user_id, turn.rules.capacity_weight)
    name = call_name(CallKind.AGENT_WORK, attempt)
    return _with_call_sent(turn, request, facts, name, body, decision.decided_at_ms)


def with_declined_reps_removed(turn: Turn, request: RoutingRequest, facts: RequestFacts) -> RoutingRequest:
    """Once someone has joined, remove those who were offered the work before, so that none of them joins too."""
    joined = [each for each in request.moments if each.event == RoutingEvent.SEATED]
    if not turn.rules.remove_rerouted or request.state != RoutingState.SEATED or not joined:
        return request
    at_ms, identifier = joined[0].at_ms, facts.conversation_identifier
    if identifier is None or turn.now_ms >= at_ms + turn.rules.result_window_ms:
        return request
    attempts = attempts_of(request, turn.rules)
    staying = {each.subject[:15] for each in joined if each.subject}
    for number, attempt in enumerate(attempts[:-1], start=1):
        user_id = None if attempt.decision is None else attempt.decision.user_id
        if user_id is not None and user_id[:15] not in staying | _newest_user(attempts):
            name, body = call_name(CallKind.REMOVE, number), removal_body(identifier, user_id)
            request = _with_call_sent(turn, request, facts, name, body, at_ms)
    return request


def _newest_user(attempts: list[Attempt]) -> set[str]:
    newest = attempts[-1].decision
    return set() if newest is None or newest.user_id is None else {newest.user_id[:15]}


def with_work_taken_back(turn: Turn, request: RoutingRequest, facts: RequestFacts) -> RoutingRequest:
    """Undo the calls made for a request that was cancelled or failed, while the result window is open.

    The offer can be taken back once the answer to `agentWork`, or a RoutingWorkResult, has named it.
    """
    made = request.told.work
    if not made or request.state not in _UNDONE:
        return request
    settled_by = folding(request, turn.rules).settled_by
    if settled_by is None:
        return request
    at_ms = settled_at_ms(facts, settled_by)
    if turn.now_ms >= at_ms + turn.rules.result_window_ms:
        return request
    if CallKind.ROUTE in made:
        reason = next((each.cancel_reason for each in request.results if each.cancel_reason), None)
        unroute = call_name(CallKind.UNROUTE)
        request = _with_call_sent(turn, request, facts, unroute, unroute_body(facts, reason), at_ms)
    # only the last offer can still stand: those before it were declined
    newest = max((name for name in made if name.startswith(CallKind.AGENT_WORK)), default=None)
    answered = next((each.agent_work_id for each in request.calls if each.kind == newest), None)
    offered = answered or request.agent_work_id
    if newest is not None and offered is not None:
        cancel = call_name(CallKind.CANCEL_WORK)
        request = _with_call_sent(turn, request, facts, cancel, cancel_work_body(offered), at_ms)
    return request


def _with_call_sent(
    turn: Turn, request: RoutingRequest, facts: RequestFacts, name: str, body: Object | None, caused_at_ms: int
) -> RoutingRequest:
    told = request.told
    if body is None or name in told.work:
        return request
    turn.emit(request_call(name, request, facts, body, caused_at_ms, turn.rules))
    turn.count("call", name.partition("#")[0])
    return replace(request, told=replace(told, work=(*told.work, name)))
