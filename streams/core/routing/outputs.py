"""What a routing request makes the processor send: tasks for the router, answers and calls to Salesforce, outcomes.

`Told` keeps what a request has sent. `send_due_outputs` compares it with what the request's facts ask for, sends the
difference, and stores the request. Each `with_…_sent` returns the request with its output noted in `Told`; it returns
the same object when there was nothing to send. The wall clock only holds outputs back here: nothing is sent when its
time is over.
"""

from collections.abc import Sequence

from msgspec.structs import replace

from schemas.records import DecisionKind, RoutingOutcome, RoutingTask
from streams.core.model.routing_states import RoutingEvent, RoutingState
from streams.core.model.rules import Rules
from streams.core.model.state import RequestFacts, RoutingRequest
from streams.core.model.turn import Turn
from streams.core.routing.attempts import attempts_of, declined_user_ids
from streams.core.routing.bodies import REFUSED_TEXT, SILENT_TEXT, routing_result_body
from streams.core.routing.join import is_closed
from streams.core.routing.machine import Happening
from streams.core.routing.operations import CallKind, call_name, request_call
from streams.core.routing.requests import answer_by_ms, deadline_ms, decision_of, folding, settled_at_ms
from streams.core.routing.work import (
    with_declined_reps_removed,
    with_work_offered,
    with_work_offered_again,
    with_work_taken_back,
)

_UNCONFIRMED = "accepted, but Salesforce reported neither success nor failure"
_EXPIRED = "read after its time was over"


def send_due_outputs(turn: Turn) -> None:
    """Send what the changed requests of this turn make due and have not sent yet, and store these requests.

    Called once, at the end of the turn. Requests that no result can be bound to any more leave `open_request_ids`.
    """
    closed = set()
    for request in turn.changed_requests():
        turn.requests.append(_with_due_outputs_sent(turn, request))
        if turn.is_open(request) and is_closed(request):
            closed.add(request.request_id)
    if closed:
        turn.close_requests(closed)


def _with_due_outputs_sent(turn: Turn, request: RoutingRequest) -> RoutingRequest:
    """The request with all its due outputs sent, in the order in which Salesforce and the partner must see them."""
    facts = request.facts
    if facts is None:
        return request
    request = _with_answer_sent(turn, request, facts)
    if request.moments:
        request = _with_task_sent_again(turn, request, facts)
        request = with_work_offered_again(turn, request, facts)
        request = with_declined_reps_removed(turn, request, facts)
    request = _with_outcome_sent(turn, request, facts)
    return with_work_taken_back(turn, request, facts)


def with_task_sent(turn: Turn, request: RoutingRequest, facts: RequestFacts) -> RoutingRequest:
    """Hand an open request to the partner's router, while there is time for an answer.

    Only when the request's event has just been read: a router that was not asked then is not asked by a timer later.
    """
    if request.state != RoutingState.OPEN or turn.now_ms >= answer_by_ms(facts, turn.rules):
        return request
    turn.emit(_task(request, facts, turn.rules))
    turn.count("task", facts.target_kind)
    return replace(request, told=replace(request.told, task=True))


def _with_task_sent_again(turn: Turn, request: RoutingRequest, facts: RequestFacts) -> RoutingRequest:
    """Ask the router once more when its offer was declined, while there is time for an answer."""
    attempts = attempts_of(request, turn.rules)
    again = len(attempts) - 1
    if again <= request.told.asked_again or attempts[-1].decision is not None:
        return request
    if request.state != RoutingState.CLAIMED or turn.now_ms >= answer_by_ms(facts, turn.rules):
        return request
    turn.emit(_task(request, facts, turn.rules, declined_by=declined_user_ids(attempts), again=again))
    turn.count("task_again", facts.target_kind)
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


def _with_answer_sent(turn: Turn, request: RoutingRequest, facts: RequestFacts) -> RoutingRequest:
    """Answer Salesforce once: the router's decision, or a refusal when it stayed silent. Never at or after 60 s.

    For an acceptance the calls that bring the work to the rep go first.
    """
    told, rules = request.told, turn.rules
    if told.answer is not None or request.state not in _ANSWERED or turn.now_ms >= deadline_ms(facts, rules):
        return request
    decision = decision_of(request, rules)
    success = decision is not None and decision.decision == DecisionKind.ACCEPT
    if (request.state == RoutingState.CLAIMED) is not success:
        return request  # claimed again after a decline, without a decision of ours: nothing to answer
    body = routing_result_body(
        request,
        facts,
        success=success,
        externally_routed=decision is not None and success and decision.externally_routed,
        error_message=SILENT_TEXT if decision is None else decision.reason or REFUSED_TEXT,
    )
    if body is None:
        if told.answer_waits:
            return request
        turn.count("answer_waits", "work_item_unknown")
        return replace(request, told=replace(told, answer_waits=True))
    if success:
        request = with_work_offered(turn, request, facts, decision)
        told = request.told
    caused_at_ms = answer_by_ms(facts, rules) if decision is None else decision.decided_at_ms
    turn.emit(request_call(call_name(CallKind.ROUTING_RESULT), request, facts, body, caused_at_ms, rules))
    answer = DecisionKind.ACCEPT if success else DecisionKind.REFUSE
    turn.count("answer", answer.value)
    return replace(request, told=replace(told, answer=answer.value))


_ANSWERED = (RoutingState.CLAIMED, RoutingState.REFUSED, RoutingState.TIMED_OUT)


def _with_outcome_sent(turn: Turn, request: RoutingRequest, facts: RequestFacts) -> RoutingRequest:
    """Publish the outcome when it is new, with the next revision when it corrects one."""
    told = request.told
    if request.outcome is None or request.outcome == told.outcome:
        return request
    settled_by = folding(request, turn.rules).settled_by
    if settled_by is None:
        return request
    turn.emit(
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
    turn.count("outcome", request.outcome)
    return replace(request, told=replace(told, outcome=request.outcome, revision=told.revision + 1))


def _reason(settled_by: Happening) -> str | None:
    match settled_by.event:
        case RoutingEvent.REQUESTED_LATE:
            return _EXPIRED
        case RoutingEvent.ANSWER_BY_PASSED:
            return SILENT_TEXT
        case RoutingEvent.WINDOW_PASSED:
            return _UNCONFIRMED
        case _:
            return settled_by.reason
