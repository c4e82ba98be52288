"""What a routing request tells the world: its task, its answer to Salesforce, its outcome.

`tell` compares what the facts ask for with what has been told, and adds the difference. The wall clock only holds
outputs back here: nothing leaves whose time is over.
"""

from collections.abc import Sequence

from msgspec.structs import replace

from schemas.records import DecisionKind, RoutingOutcome, RoutingTask
from streams.core.model.rules import Rules
from streams.core.model.state import RequestFacts, RoutingRequest
from streams.core.model.step import Step
from streams.core.routing.attempts import attempts_of, declined_user_ids
from streams.core.routing.calls import REFUSED_TEXT, SILENT_TEXT, routing_result
from streams.core.routing.machine import Event, Happening, State
from streams.core.routing.requests import answer_by_ms, deadline_ms, decision_of, folding, settled_at_ms
from streams.core.routing.work import offer, offer_again, release, undo

_UNCONFIRMED = "accepted, but Salesforce reported neither success nor failure"
_EXPIRED = "read after its time was over"


def tell(request: RoutingRequest, now_ms: int, rules: Rules, step: Step, *, first_sight: bool = False) -> None:
    """Put the request into the step, with the outputs that are due and have not left yet.

    `first_sight` is true when its event has just been read: only then may its first `RoutingTask` leave.
    """
    facts = request.facts
    if facts is not None:
        if first_sight:
            request = _tell_task(request, facts, now_ms, rules, step)
        request = _tell_answer(request, facts, now_ms, rules, step)
        if request.moments:
            request = _ask_again(request, facts, now_ms, rules, step)
            request = offer_again(request, facts, now_ms, rules, step)
            request = release(request, facts, now_ms, rules, step)
        request = _tell_outcome(request, facts, rules, step)
        request = undo(request, facts, now_ms, rules, step)
    step.requests.append(request)


def _tell_task(request: RoutingRequest, facts: RequestFacts, now_ms: int, rules: Rules, step: Step) -> RoutingRequest:
    """Hand an open request to the partner's router, while there is time for an answer."""
    if request.state != State.OPEN or now_ms >= answer_by_ms(facts, rules):
        return request
    step.outputs.append(_task(request, facts, rules))
    step.counts.append(("task", facts.target_kind))
    return replace(request, told=replace(request.told, task=True))


def _ask_again(request: RoutingRequest, facts: RequestFacts, now_ms: int, rules: Rules, step: Step) -> RoutingRequest:
    """Ask the router once more when its offer was declined, while there is time for an answer."""
    attempts = attempts_of(request, rules)
    again = len(attempts) - 1
    if again <= request.told.asked_again or attempts[-1].decision is not None:
        return request
    if request.state != State.CLAIMED or now_ms >= answer_by_ms(facts, rules):
        return request
    step.outputs.append(_task(request, facts, rules, declined_by=declined_user_ids(attempts), again=again))
    step.counts.append(("task_again", facts.target_kind))
    return replace(request, told=replace(request.told, asked_again=again))


def _task(
    request: RoutingRequest, facts: RequestFacts, rules: Rules, *, declined_by: Sequence[str] = (), again: int = 0
) -> RoutingTask:
    return RoutingTask(
        request_id=request.request_id,
        conversation_id=request.conversation_id,
        org_id=facts.org_id,
        routing_type=facts.routing_type,
        target_kind=facts.target_kind,
        target_id=facts.target_id,
        skills=list(facts.skills),
        channel_address_id=facts.channel_address_id,
        end_user_subject=facts.end_user_subject,
        work_item_id=request.work_item_id,
        channel_data=facts.channel_data,
        attempt=facts.attempt + again,
        created_at_ms=facts.created_at_ms,
        answer_by_ms=answer_by_ms(facts, rules),
        deadline_ms=deadline_ms(facts, rules),
        event_uuid=facts.event_uuid,
        declined_user_ids=list(declined_by),
    )


def _tell_answer(request: RoutingRequest, facts: RequestFacts, now_ms: int, rules: Rules, step: Step) -> RoutingRequest:
    """Answer Salesforce once: the router's decision, or a refusal when it stayed silent. Never at or after 60 s."""
    told = request.told
    if told.answer is not None or request.state not in _ANSWERED or now_ms >= deadline_ms(facts, rules):
        return request
    decision = decision_of(request, rules)
    success = decision is not None and decision.decision == DecisionKind.ACCEPT
    if (request.state == State.CLAIMED) is not success:
        return request  # claimed again after a decline, without a decision of ours: nothing to answer
    call = routing_result(
        request,
        facts,
        success=success,
        externally_routed=decision is not None and success and decision.externally_routed,
        error_message=SILENT_TEXT if decision is None else decision.reason or REFUSED_TEXT,
        caused_at_ms=answer_by_ms(facts, rules) if decision is None else decision.decided_at_ms,
        rules=rules,
    )
    if call is None:
        if told.answer_waits:
            return request
        step.counts.append(("answer_waits", "work_item_unknown"))
        return replace(request, told=replace(told, answer_waits=True))
    if success:
        request = offer(request, facts, decision, rules, step)
        told = request.told
    step.outputs.append(call)
    answer = DecisionKind.ACCEPT if success else DecisionKind.REFUSE
    step.counts.append(("answer", answer.value))
    return replace(request, told=replace(told, answer=answer.value))


_ANSWERED = (State.CLAIMED, State.REFUSED, State.TIMED_OUT)


def _tell_outcome(request: RoutingRequest, facts: RequestFacts, rules: Rules, step: Step) -> RoutingRequest:
    """Publish the outcome when it is new, with the next revision when it corrects one."""
    told = request.told
    if request.outcome is None or request.outcome == told.outcome:
        return request
    settled_by = folding(request, rules).settled_by
    if settled_by is None:
        return request
    step.outputs.append(
        RoutingOutcome(
            request_id=request.request_id,
            revision=told.revision,
            conversation_id=request.conversation_id,
            org_id=facts.org_id,
            outcome=request.outcome,
            routing_type=facts.routing_type,
            target_kind=facts.target_kind,
            target_id=facts.target_id,
            work_item_id=request.work_item_id,
            failure_type=settled_by.failure_type,
            reason=_reason(settled_by),
            ambiguous=request.ambiguous,
            created_at_ms=facts.created_at_ms,
            settled_at_ms=settled_at_ms(facts, settled_by),
            request_event_uuid=facts.event_uuid,
            result_event_uuid=settled_by.result_event_uuid,
        )
    )
    step.counts.append(("outcome", request.outcome))
    return replace(request, told=replace(told, outcome=request.outcome, revision=told.revision + 1))


def _reason(settled_by: Happening) -> str | None:
    match settled_by.event:
        case Event.REQUESTED_LATE:
            return _EXPIRED
        case Event.ANSWER_BY_PASSED:
            return SILENT_TEXT
        case Event.WINDOW_PASSED:
            return _UNCONFIRMED
        case _:
            return settled_by.reason
