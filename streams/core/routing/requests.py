"""One routing request from its facts: history, state, deadlines. `join` binds results to it, `outputs` sends for it.

Each `with_…` takes a request and returns a new one with one more fact. `refreshed` computes what follows from the
facts, and is called after each change of them.
"""

from msgspec.structs import replace

from schemas.records import CallOutcome, DecisionKind
from streams.core.model.routing_states import RoutingEvent, RoutingState
from streams.core.model.rules import Rules
from streams.core.model.state import (
    MAX_DECISIONS,
    MAX_MOMENTS,
    CallState,
    Decision,
    Moment,
    RequestFacts,
    RoutingRequest,
    RoutingResult,
)
from streams.core.routing.machine import Folded, Happening, fold

# Order of facts with the same millisecond: a decision or result made exactly at a deadline is too late for it, but a
# result exactly at the end of its window still counts.
_REQUEST, _ANSWER_BY, _DECISION, _RESULT, _MOMENT, _WINDOW = range(6)


END_USER_ENDED = "EndUserEnded"  # Salesforce's own cancelReason for it


def answer_by_ms(facts: RequestFacts, rules: Rules) -> int:
    """When the time for decisions ends, epoch ms: one that was made then or later is not taken."""
    return facts.created_at_ms + rules.answer_by_ms


def deadline_ms(facts: RequestFacts, rules: Rules) -> int:
    """When Salesforce gives up on the request, epoch ms: no `routingResult` is sent at or after it."""
    return facts.created_at_ms + rules.routing_timeout_ms


def window_end_ms(facts: RequestFacts, rules: Rules) -> int:
    """When the result window ends, epoch ms: no first result is bound to the request after it."""
    return facts.created_at_ms + rules.result_window_ms


def decision_of(request: RoutingRequest, rules: Rules) -> Decision | None:
    """The decision that answers the request itself: the first, in the order of its topic, that was made in time."""
    if request.facts is None:
        return None
    limit = answer_by_ms(request.facts, rules)
    return next((each for each in request.decisions if each.decided_at_ms < limit), None)


def with_decision(request: RoutingRequest, decision: Decision, rules: Rules) -> RoutingRequest:
    """The request with one more decision; the same object for a repeat and for one that was made too late.

    All that were made in time are kept. Declines decide which of them count, and a decline may be read later.
    """
    held = request.decisions
    if request.facts is not None and decision.decided_at_ms >= answer_by_ms(request.facts, rules):
        return request
    if len(held) >= MAX_DECISIONS or any(each.decision_id == decision.decision_id for each in held):
        return request
    return refreshed(replace(request, decisions=(*held, decision)), rules)


def with_facts(request: RoutingRequest, facts: RequestFacts, work_item_id: str | None, rules: Rules) -> RoutingRequest:
    """The request with the facts of its event. Of the decisions that were read before it, those in time are kept."""
    limit = answer_by_ms(facts, rules)
    in_time = tuple(each for each in request.decisions if each.decided_at_ms < limit)
    return refreshed(replace(request, facts=facts, work_item_id=work_item_id, decisions=in_time), rules)


def with_result(request: RoutingRequest, result: RoutingResult, rules: Rules) -> RoutingRequest:
    """The request with a result bound to it. The result's record is its work item when none was known."""
    known = request.work_item_id if request.work_item_id is not None else result.record_id
    return refreshed(replace(request, results=(*request.results, result), work_item_id=known), rules)


def with_moment(
    request: RoutingRequest, event: RoutingEvent, at_ms: int, rules: Rules, subject: str | None = None
) -> RoutingRequest:
    """The request with one more moment; the same object when it holds `MAX_MOMENTS` already."""
    if len(request.moments) >= MAX_MOMENTS:
        return request
    return refreshed(replace(request, moments=(*request.moments, Moment(event.value, at_ms, subject))), rules)


def with_call(request: RoutingRequest, call: CallState, rules: Rules) -> RoutingRequest:
    """The request with the result of one of its calls; the same object when that adds nothing.

    A call can be made twice after a crash: then an acceptance counts before anything else, and a later result before
    an earlier one.
    """
    known = next((each for each in request.calls if each.kind == call.kind), None)
    if known is not None and _weight(known) >= _weight(call):
        return request
    calls = (*(each for each in request.calls if each is not known), call)
    return refreshed(replace(request, calls=tuple(sorted(calls, key=lambda each: each.kind))), rules)


def _weight(call: CallState) -> tuple[bool, int]:
    return call.outcome == CallOutcome.ACCEPTED, call.at_ms


def with_work_item(request: RoutingRequest, work_item_id: str) -> RoutingRequest:
    """The request with its work item; the first that is known stays."""
    return request if request.work_item_id is not None else replace(request, work_item_id=work_item_id)


def with_deadline_passed(request: RoutingRequest, at_ms: int, rules: Rules) -> RoutingRequest:
    """The request once its deadline at `at_ms` (its `due_at_ms`) is known to have passed."""
    return refreshed(replace(request, passed_ms=at_ms), rules)


def is_request_over(request: RoutingRequest, rules: Rules) -> bool:
    """True when all deadlines of the request have passed: the next time it is due, it is dropped."""
    return request.facts is None or request.passed_ms == window_end_ms(request.facts, rules)


def is_seated(request: RoutingRequest) -> bool:
    """True when someone joined after its last success."""
    return any(moment.event == RoutingEvent.SEATED for moment in request.moments)


def refreshed(request: RoutingRequest, rules: Rules) -> RoutingRequest:
    """The request with `state`, `outcome`, `settled_at_ms`, `passed_ms` and `due_at_ms` computed from its facts."""
    facts = request.facts
    if facts is None:
        times = [each.decided_at_ms for each in request.decisions[:1]] + [each.at_ms for each in request.calls]
        return replace(request, due_at_ms=max(times) + rules.retention_ms if times else None)
    passed = _last_passed(request, facts, rules)
    request = replace(request, passed_ms=passed)
    folded = folding(request, rules)
    return replace(
        request,
        due_at_ms=_due_ms(request, facts, passed, rules),
        state=folded.state.value,
        outcome=None if folded.outcome is None else folded.outcome.value,
        settled_at_ms=None if folded.settled_by is None else settled_at_ms(facts, folded.settled_by),
    )


def settled_at_ms(facts: RequestFacts, settled_by: Happening) -> int:
    """Event time of what settled a request, epoch ms. A request that came too late is settled when it is received."""
    return facts.received_at_ms if settled_by.event is RoutingEvent.REQUESTED_LATE else settled_by.at_ms


def folding(request: RoutingRequest, rules: Rules) -> Folded:
    """The history of the request folded over the transition table."""
    start = RoutingState.ORPHAN if request.result_came_first else RoutingState.NEW
    return fold(_history(request, rules), start)


def _history(request: RoutingRequest, rules: Rules) -> list[Happening]:
    """The facts and passed deadlines. None is dated before the request, for the clocks of others may be behind."""
    facts = request.facts
    if facts is None:
        return []
    created = facts.created_at_ms
    late = facts.received_at_ms - created >= rules.answer_by_ms
    history = [Happening(created, _REQUEST, RoutingEvent.REQUESTED_LATE if late else RoutingEvent.REQUESTED)]
    decision = decision_of(request, rules)
    if decision is not None:
        accepted = decision.decision == DecisionKind.ACCEPT
        event = RoutingEvent.ACCEPTED if accepted else RoutingEvent.REFUSED
        history.append(Happening(max(created, decision.decided_at_ms), _DECISION, event, decision.reason))
    for result in request.results:
        at_ms, verdict = max(created, result.created_at_ms), RoutingEvent(result.verdict)
        history.append(Happening(at_ms, _RESULT, verdict, result.reason, result.failure_type, result.event_uuid))
    for moment in request.moments:
        reason = END_USER_ENDED if moment.event == RoutingEvent.SESSION_ENDED else None
        history.append(Happening(max(created, moment.at_ms), _MOMENT, RoutingEvent(moment.event), reason))
    if request.passed_ms is not None:
        history.append(Happening(answer_by_ms(facts, rules), _ANSWER_BY, RoutingEvent.ANSWER_BY_PASSED))
        if request.passed_ms >= window_end_ms(facts, rules):
            history.append(Happening(window_end_ms(facts, rules), _WINDOW, RoutingEvent.WINDOW_PASSED))
    return history


def _last_fact_ms(request: RoutingRequest, facts: RequestFacts) -> int:
    times = [facts.created_at_ms, facts.received_at_ms]
    times += [result.created_at_ms for result in request.results]
    times += [moment.at_ms for moment in request.moments]
    return max(times)


def _last_passed(request: RoutingRequest, facts: RequestFacts, rules: Rules) -> int | None:
    """The later deadline of those that have passed: by `expire`, or because a fact of the request is dated after it."""
    reached = _last_fact_ms(request, facts)
    if request.passed_ms is not None:
        reached = max(reached, request.passed_ms)
    for end in (window_end_ms(facts, rules), answer_by_ms(facts, rules)):
        if reached >= end:
            return end
    return None


def _due_ms(request: RoutingRequest, facts: RequestFacts, passed_ms: int | None, rules: Rules) -> int:
    if passed_ms is None:
        return answer_by_ms(facts, rules)
    if passed_ms < window_end_ms(facts, rules):
        return window_end_ms(facts, rules)
    return max(passed_ms, _last_fact_ms(request, facts)) + rules.retention_ms
