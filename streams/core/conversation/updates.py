"""Entries that change the state and reach nobody: each type has its function."""

from collections.abc import Callable

from msgspec.structs import replace

from schemas.records import OutboundEvent
from streams.core.conversation.change import Change
from streams.core.conversation.participants import SERVING_ROLES, Operation, changes, with_changes
from streams.core.model.details import (
    Details,
    uploads_of,
    with_acknowledgement,
    with_consult,
    with_failure,
    with_queue,
    with_uploads,
)
from streams.core.model.entries import (
    CONSENT_UPDATED,
    CONSULT_INFO,
    DELIVERY_ACKNOWLEDGEMENT,
    MESSAGE_DELIVERY_FAILED,
    MESSAGE_UPDATED,
    PARTICIPANT_CHANGED,
    QUEUE_POSITION,
    READ_ACKNOWLEDGEMENT,
    ROUTING_RESULT,
    ROUTING_WORK_RESULT,
    SESSION_STATUS_CHANGED,
    Entry,
)
from streams.core.model.keys import record_id
from streams.core.model.lenient import as_filled_text, as_text
from streams.core.model.rules import Rules
from streams.core.model.session import OVER, with_status, work_item_id
from streams.core.model.session import with_work_item as with_session
from streams.core.model.state import MAX_ORPHANS, Conversation, RoutingRequest, RoutingResult, State
from streams.core.model.step import Step
from streams.core.parsing.results import routing_result, work_result
from streams.core.routing.join import choose, declined_by, of_type, seated_by
from streams.core.routing.machine import Event, advance
from streams.core.routing.machine import State as RoutingState
from streams.core.routing.requests import with_moment, with_result, with_work_item


def update(
    state: State,
    event: OutboundEvent,
    entry: Entry,
    conversation: Conversation,
    now_ms: int,
    rules: Rules,
    step: Step,
) -> Conversation:
    """Apply an entry of the class STATE; return the conversation. Types that are only counted change nothing more."""
    apply_one = _BY_TYPE.get(entry.entry_type)
    if apply_one is None:
        return conversation
    change = Change(state, event, entry, conversation, rules, step)
    apply_one(change)
    if change.conversation.session is not conversation.session:
        _spread_work_item(change)
    return change.finish(now_ms)


def _spread_work_item(change: Change) -> None:
    """Give the session's work item to the open requests that wait for one: their answers can leave now."""
    known = work_item_id(change.conversation)
    if known is not None:
        for request in change.open_requests():
            change.put(with_work_item(request, known))


def _participants(change: Change) -> None:
    made = changes(change.entry.body or {})
    at_ms = change.event.created_at_ms
    change.conversation = with_changes(change.conversation, made, at_ms)
    for each in made:
        if each.operation is Operation.ADD and each.role in SERVING_ROLES:
            _seat(change, each.subject)


def _seat(change: Change, subject: str | None, routing_type: str | None = None) -> None:
    at_ms = change.event.created_at_ms
    request = seated_by(of_type(change.open_requests(), routing_type), subject, at_ms)
    if request is not None:
        # clocks differ: who joins on a success has not joined before it
        after_ms = max(at_ms, *(result.created_at_ms for result in request.results))
        change.put(with_moment(request, Event.SEATED, after_ms, change.rules, subject))


def _session(change: Change) -> None:
    body = change.entry.body or {}
    at_ms = change.event.created_at_ms
    change.conversation = with_status(change.conversation, body, at_ms)
    if as_text(body.get("sessionStatus")) not in OVER:
        return
    session_id = record_id(as_text(body.get("sessionId")))
    for request in change.open_requests():
        if _belongs_to(request, session_id, at_ms) and not _has_ended(request):
            change.put(with_moment(request, Event.SESSION_ENDED, at_ms, change.rules))


def _belongs_to(request: RoutingRequest, session_id: str | None, ended_at_ms: int) -> bool:
    """True when the session that ended is the request's: it names its work item, or nothing says otherwise."""
    if session_id is not None and request.work_item_id is not None:
        return request.work_item_id == session_id
    return request.facts is not None and request.facts.created_at_ms <= ended_at_ms


def _has_ended(request: RoutingRequest) -> bool:
    return any(moment.event == Event.SESSION_ENDED for moment in request.moments)


def _consent(change: Change) -> None:
    status = as_filled_text((change.entry.body or {}).get("consentStatus"))
    if status is not None:
        change.conversation = replace(change.conversation, consent=status)


def _queue_position(change: Change) -> None:
    body = change.entry.body or {}
    _learn_work_item(change, record_id(as_text(body.get("workItemId"))))
    _keep(change, with_queue(change.conversation.details, body, change.event.created_at_ms))


def _keep(change: Change, details: Details | None) -> None:
    if details is not change.conversation.details:
        change.conversation = replace(change.conversation, details=details)


def _acknowledged(change: Change) -> None:
    body, at_ms = change.entry.body or {}, change.event.created_at_ms
    read = change.entry.entry_type == READ_ACKNOWLEDGEMENT
    _keep(change, with_acknowledgement(change.conversation.details, body, at_ms, read=read))


def _message_updated(change: Change) -> None:
    told = uploads_of(change.entry.body or {}, change.event.created_at_ms)
    for upload in told:
        change.step.counts.append(("upload", upload.status))
    _keep(change, with_uploads(change.conversation.details, told))


def _not_delivered(change: Change) -> None:
    change.step.counts.append(("not_delivered", "told_by_salesforce"))
    _keep(change, with_failure(change.conversation.details, change.entry.body or {}, change.event.created_at_ms))


def _learn_work_item(change: Change, named: str | None) -> None:
    change.conversation = with_session(change.conversation, named, change.event.created_at_ms)


def _consult(change: Change) -> None:
    """A rep-to-rep consultation: when it is this very conversation, nothing of it may reach an end user."""
    named = as_text((change.entry.body or {}).get("conversationIdentifier"))
    if named == change.conversation.conversation_id:
        change.conversation = replace(change.conversation, no_delivery=True)
    elif named:
        _keep(change, with_consult(change.conversation.details, named))


def _result(change: Change) -> None:
    result = routing_result(change.event, change.entry)
    bound = choose(result, change.open_requests(), change.rules)
    if bound is None:
        advance(RoutingState.NEW, Event(result.verdict))
        change.step.counts.append(("orphan", result.verdict))
        change.conversation = _with_orphan(change.conversation, result, change.rules)
    else:
        request = bound.request
        if bound.ambiguous:
            change.step.counts.append(("ambiguous", result.verdict))
            request = replace(request, ambiguous=True)
        change.put(with_result(request, result, change.rules))
    _learn_work_item(change, result.record_id)


def _with_orphan(conversation: Conversation, result: RoutingResult, rules: Rules) -> Conversation:
    """Keep a result for its request; those that have waited too long, by the source's own times, go."""
    fresh = [
        each for each in conversation.orphans if result.received_at_ms - each.received_at_ms <= rules.orphan_window_ms
    ]
    return replace(conversation, orphans=(*fresh, result)[-MAX_ORPHANS:])


def _work(change: Change) -> None:
    work = work_result(change.entry)
    _learn_work_item(change, work.work_item_id)
    if work.work_id is not None:
        _learn_work(change, work.work_id, work.routing_type)
    if work.event is Event.SEATED:
        _seat(change, work.bot_id, work.routing_type)
    elif work.event is Event.WORK_DECLINED:
        request = declined_by(change.open_requests(), work.routing_type)
        if request is not None:
            # that work is over; what is offered next has another id
            over = replace(request, agent_work_id=None)
            change.put(with_moment(over, Event.WORK_DECLINED, change.event.created_at_ms, change.rules))


def _learn_work(change: Change, work_id: str, routing_type: str | None) -> None:
    """Keep the work's id with the only request it can be for: taking back another's work would hit the wrong rep."""
    requests = change.open_requests()
    if len(requests) == 1 and requests[0] is declined_by(requests, routing_type):
        change.put(replace(requests[0], agent_work_id=work_id))


_BY_TYPE: dict[str, Callable[[Change], None]] = {
    PARTICIPANT_CHANGED: _participants,
    SESSION_STATUS_CHANGED: _session,
    CONSENT_UPDATED: _consent,
    QUEUE_POSITION: _queue_position,
    CONSULT_INFO: _consult,
    ROUTING_RESULT: _result,
    ROUTING_WORK_RESULT: _work,
    DELIVERY_ACKNOWLEDGEMENT: _acknowledged,
    READ_ACKNOWLEDGEMENT: _acknowledged,
    MESSAGE_UPDATED: _message_updated,
    MESSAGE_DELIVERY_FAILED: _not_delivered,
}
