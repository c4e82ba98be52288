"""Finds the request that a result belongs to. No field of a `RoutingResult` names it: evidence is weighed, in order.

Only facts of the events topic are used, never decisions or the clock, so every fold of the log binds alike. A result is
`Bound` to a request (perhaps ambiguously), or is an orphan, which waits for its request.
"""

from collections.abc import Callable, Sequence

import msgspec

from schemas.records import TargetKind
from streams.core.model.routing_states import RoutingEvent
from streams.core.model.rules import Rules
from streams.core.model.state import MAX_RESULTS, RequestFacts, RoutingRequest, RoutingResult
from streams.core.routing.requests import is_seated


class Bound(msgspec.Struct, frozen=True, gc=False):
    """The request a result is bound to; `ambiguous` when no evidence told it from another."""

    request: RoutingRequest
    ambiguous: bool


_Test = Callable[[RoutingResult, RequestFacts, RoutingRequest], bool]


def choose(result: RoutingResult, requests: Sequence[RoutingRequest], rules: Rules) -> Bound | None:
    """The request of a conversation that `result` belongs to; None makes it an orphan.

    `requests` are those a result may still be bound to. Evidence that picks exactly one decides, requests without a
    result before those with an early success; then being the only one; then age, and that is ambiguous.
    """
    unbound = [each for each in requests if _fits(result, each) and _is_unbound(result, each, rules)]
    done = [each for each in requests if _fits(result, each) and _can_be_revised(result, each)]
    for test in _EVIDENCE:
        for pool in (unbound, done):
            found = [each for each in pool if each.facts is not None and test(result, each.facts, each)]
            if len(found) == 1:
                return Bound(found[0], ambiguous=False)
    pool = unbound or done
    if not pool:
        return None
    by_age = sorted(pool, key=_created)
    return Bound(by_age[0] if unbound else by_age[-1], ambiguous=len(pool) > 1)


def fits_late(orphan: RoutingResult, request: RoutingRequest, rules: Rules) -> bool:
    """True when a result that waited belongs to the request that has just been read.

    The wait is the time between the moments at which the source received the two; the log keeps both. No clock skew is
    granted here: the request must be the older of the two, for a request that is closed by mistake is never routed.
    """
    facts = request.facts
    if facts is None or facts.received_at_ms - orphan.received_at_ms > rules.orphan_window_ms:
        return False
    if facts.created_at_ms > orphan.created_at_ms:
        return False
    return choose(orphan, [request], rules) is not None


def is_closed(request: RoutingRequest) -> bool:
    """True when no further result can be bound to it: it failed, was cancelled, or someone joined."""
    if is_seated(request) or len(request.results) >= MAX_RESULTS:
        return True
    return bool(request.results) and request.results[-1].verdict != RoutingEvent.RESULT_SUCCESS


def _created(request: RoutingRequest) -> int:
    return 0 if request.facts is None else request.facts.created_at_ms


def _fits(result: RoutingResult, request: RoutingRequest) -> bool:
    facts = request.facts
    if facts is None or is_closed(request):
        return False
    return not (result.routing_type and facts.routing_type) or result.routing_type == facts.routing_type


def _is_unbound(result: RoutingResult, request: RoutingRequest, rules: Rules) -> bool:
    """True for a request without a result that was created before this one, but not longer than the result window."""
    if request.results or request.facts is None:
        return False
    age_ms = result.created_at_ms - request.facts.created_at_ms
    return -rules.skew_ms <= age_ms <= rules.result_window_ms


def _can_be_revised(result: RoutingResult, request: RoutingRequest) -> bool:
    """An early success can still fail or be withdrawn, at any age, until someone has joined.

    A result that names someone else does not revise it: that result may have come before its own request. A contact
    outside Salesforce never joins, so an old request for one would otherwise take such results for ever.
    """
    if not request.results or result.verdict == RoutingEvent.RESULT_SUCCESS:
        return False
    return request.facts is None or not _names_another(result, request.facts)


def _names_another(result: RoutingResult, facts: RequestFacts) -> bool:
    """True when the result names a router, queue or rep and the request asked for a different one."""
    if result.router_subject and facts.router_subject and result.router_subject != facts.router_subject:
        return True
    named = _named_target(result, facts)
    return named is not None and facts.target_id is not None and named[:15] != facts.target_id[:15]


def _named_target(result: RoutingResult, facts: RequestFacts) -> str | None:
    """The queue or rep that the result names, whichever the request asked for."""
    by_kind: dict[str, str | None] = {TargetKind.QUEUE: result.queue_id, TargetKind.REP: result.agent_id}
    return by_kind.get(facts.target_kind)


def _names_it(result: RoutingResult, _: RequestFacts, request: RoutingRequest) -> bool:
    return request.request_id in result.identifiers


def _same_routing_record(result: RoutingResult, _: RequestFacts, request: RoutingRequest) -> bool:
    known = result.pending_service_routing_id
    return known is not None and any(each.pending_service_routing_id == known for each in request.results)


def _same_router(result: RoutingResult, facts: RequestFacts, _: RoutingRequest) -> bool:
    return result.router_subject is not None and result.router_subject == facts.router_subject


def _same_target(result: RoutingResult, facts: RequestFacts, _: RoutingRequest) -> bool:
    """Record ids are the same when their first 15 characters are."""
    named = _named_target(result, facts)
    return named is not None and facts.target_id is not None and named[:15] == facts.target_id[:15]


_EVIDENCE: tuple[_Test, ...] = (_names_it, _same_routing_record, _same_router, _same_target)


def seated_by(requests: Sequence[RoutingRequest], subject: str | None, at_ms: int) -> RoutingRequest | None:
    """The request that someone who joins belongs to, among those with an early success.

    The one that asked for them; else the oldest that asked for nobody by name, or whose target has declined.
    """
    waiting = sorted((each for each in requests if _awaits_joining(each, at_ms)), key=_created)
    for request in waiting:
        target = None if request.facts is None else request.facts.target_id
        if subject is not None and target is not None and target[:15] == subject[:15]:
            return request
    return next((each for each in waiting if _is_for_anyone(each)), None)


def _is_for_anyone(request: RoutingRequest) -> bool:
    """True when anyone who joins may be the one that was asked for. A contact outside Salesforce never joins."""
    kind = None if request.facts is None else request.facts.target_kind
    if kind == TargetKind.REP:
        return any(moment.event == RoutingEvent.WORK_DECLINED for moment in request.moments)
    return kind != TargetKind.EXTERNAL


def declined_by(requests: Sequence[RoutingRequest], routing_type: str | None) -> RoutingRequest | None:
    """The request whose target declined: the newest with an early success, else the newest without a result."""
    fitting = [each for each in of_type(requests, routing_type) if not is_closed(each)]
    waiting = [each for each in fitting if each.results]
    return max(waiting or fitting, key=_created, default=None)


def of_type(requests: Sequence[RoutingRequest], routing_type: str | None) -> list[RoutingRequest]:
    """The requests whose routing type, where it is known, is the named one; all that are known when none is named."""
    return [
        each
        for each in requests
        if each.facts is not None
        and (not routing_type or not each.facts.routing_type or routing_type == each.facts.routing_type)
    ]


def _awaits_joining(request: RoutingRequest, at_ms: int) -> bool:
    return (
        request.facts is not None
        and bool(request.results)
        and not is_closed(request)
        and request.facts.created_at_ms <= at_ms
    )
