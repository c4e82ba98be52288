"""The calls that bring accepted work to a rep, and those that undo them. Each only where the rules say so.

Order in a conversation: `route` (queue or flow), `agentWork`, `routingResult`. Salesforce wants the offer taken back
when the request is cancelled or fails after it.
"""

from msgspec.structs import replace

from schemas.records import DecisionKind, SalesforceCall
from streams.core.model.rules import Rules
from streams.core.model.state import Decision, RequestFacts, RoutingRequest
from streams.core.model.step import Step
from streams.core.routing.attempts import Attempt, attempts_of
from streams.core.routing.calls import Kind, agent_work, cancel_work, named, remove_rep, route, unroute
from streams.core.routing.machine import Event, State
from streams.core.routing.requests import deadline_ms, folding, settled_at_ms

_UNDONE = (State.CANCELLED, State.FAILED)


def offer(
    request: RoutingRequest, facts: RequestFacts, decision: Decision | None, rules: Rules, step: Step
) -> RoutingRequest:
    """Make the calls that come before a `routingResult` of success, each once."""
    if decision is None or not rules.work_calls:
        return request
    at_ms = decision.decided_at_ms
    request = _made(request, named(Kind.ROUTE), route(request, facts, at_ms, rules), step)
    return _offer_to(request, facts, decision, 1, rules, step)


def offer_again(request: RoutingRequest, facts: RequestFacts, now_ms: int, rules: Rules, step: Step) -> RoutingRequest:
    """Offer the work to the rep whom the router chose after a decline, while Salesforce still waits.

    What was declined is over and need not be taken back first.
    """
    attempts = attempts_of(request, rules)
    decision = attempts[-1].decision
    if len(attempts) == 1 or decision is None or decision.decision != DecisionKind.ACCEPT or not rules.work_calls:
        return request
    if request.state != State.CLAIMED or now_ms >= deadline_ms(facts, rules):
        return request
    return _offer_to(request, facts, decision, len(attempts), rules, step)


def _offer_to(
    request: RoutingRequest, facts: RequestFacts, decision: Decision, attempt: int, rules: Rules, step: Step
) -> RoutingRequest:
    if decision.user_id is None or decision.externally_routed:
        return request
    call = agent_work(request, facts, decision.user_id, decision.decided_at_ms, rules, attempt)
    return _made(request, named(Kind.AGENT_WORK, attempt), call, step)


def release(request: RoutingRequest, facts: RequestFacts, now_ms: int, rules: Rules, step: Step) -> RoutingRequest:
    """Once someone has joined, keep those out who were offered the work before, that none of them joins too."""
    joined = [each for each in request.moments if each.event == Event.SEATED]
    if not rules.remove_rerouted or request.state != State.SEATED or not joined:
        return request
    at_ms = joined[0].at_ms
    if now_ms >= at_ms + rules.result_window_ms:
        return request
    attempts = attempts_of(request, rules)
    staying = {each.subject[:15] for each in joined if each.subject}
    for number, attempt in enumerate(attempts[:-1], start=1):
        user_id = None if attempt.decision is None else attempt.decision.user_id
        if user_id is not None and user_id[:15] not in staying | _newest_user(attempts):
            call = remove_rep(request, facts, user_id, at_ms, rules, number)
            request = _made(request, named(Kind.REMOVE, number), call, step)
    return request


def _newest_user(attempts: list[Attempt]) -> set[str]:
    newest = attempts[-1].decision
    return set() if newest is None or newest.user_id is None else {newest.user_id[:15]}


def undo(request: RoutingRequest, facts: RequestFacts, now_ms: int, rules: Rules, step: Step) -> RoutingRequest:
    """Take back what was made for a request that was cancelled or failed; nothing after the undo's own deadline.

    The offer can be taken back once the answer to `agentWork`, or a RoutingWorkResult, has named it.
    """
    made = request.told.work
    if not made or request.state not in _UNDONE:
        return request
    settled_by = folding(request, rules).settled_by
    if settled_by is None:
        return request
    at_ms = settled_at_ms(facts, settled_by)
    if now_ms >= at_ms + rules.result_window_ms:
        return request
    if Kind.ROUTE in made:
        reason = next((each.cancel_reason for each in request.results if each.cancel_reason), None)
        request = _made(request, named(Kind.UNROUTE), unroute(request, facts, reason, at_ms, rules), step)
    # only the last offer can still stand: those before it were declined
    newest = max((name for name in made if name.startswith(Kind.AGENT_WORK)), default=None)
    answered = next((each.agent_work_id for each in request.calls if each.kind == newest), None)
    offered = answered or request.agent_work_id
    if newest is not None and offered is not None:
        request = _made(request, named(Kind.CANCEL_WORK), cancel_work(request, facts, offered, at_ms, rules), step)
    return request


def _made(request: RoutingRequest, name: str, call: SalesforceCall | None, step: Step) -> RoutingRequest:
    told = request.told
    if call is None or name in told.work:
        return request
    step.outputs.append(call)
    step.counts.append(("call", name.partition("#")[0]))
    return replace(request, told=replace(told, work=(*told.work, name)))
