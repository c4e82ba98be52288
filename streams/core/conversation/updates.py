"""Entries that change the state and reach nobody: one handler for each type of the class STATE."""

from collections.abc import Callable

from msgspec.structs import replace

from schemas.records import OutboundEvent
from streams.core.conversation.participants import (
    SERVING_ROLES,
    ParticipantOperation,
    participant_changes,
    with_participants,
)
from streams.core.conversation.routing_updates import seat, take_result, take_work_result
from streams.core.model.details import (
    Details,
    uploads_of,
    with_acknowledgement,
    with_consult,
    with_failure,
    with_queue,
    with_uploads,
)
from streams.core.model.entries import Entry
from streams.core.model.entry_types import (
    CONSENT_UPDATED,
    CONSULT_INFO,
    DELIVERY_ACKNOWLEDGEMENT,
    MESSAGE_DELIVERY_FAILED,
    MESSAGE_UPDATED,
    PARTICIPANT_CHANGED,
    PARTICIPANTS_CONFERENCED,
    QUEUE_POSITION,
    READ_ACKNOWLEDGEMENT,
    ROUTING_RESULT,
    ROUTING_WORK_RESULT,
    SESSION_STATUS_CHANGED,
    TRANSFER_PROGRESS,
)
from streams.core.model.keys import record_id
from streams.core.model.lenient import as_id, as_text, as_word
from streams.core.model.routing_states import RoutingEvent
from streams.core.model.session import OVER, with_named_work_item, with_status, work_item_id
from streams.core.model.state import RoutingRequest
from streams.core.model.turn import Turn
from streams.core.routing.requests import with_moment, with_work_item


def apply_state_entry(turn: Turn, event: OutboundEvent, entry: Entry) -> None:
    """Apply an entry of the class STATE to the conversation that the turn has, and to its open requests."""
    session = turn.conversation.session
    STATE_HANDLERS[entry.entry_type](turn, event, entry)
    if turn.conversation.session is not session:
        _spread_work_item(turn)


def _spread_work_item(turn: Turn) -> None:
    """Give the session's work item to the open requests that wait for one: their answers can leave now."""
    known = work_item_id(turn.conversation)
    if known is not None:
        for request in turn.open_requests():
            turn.put_request(with_work_item(request, known))


def _participants(turn: Turn, event: OutboundEvent, entry: Entry) -> None:
    made = participant_changes(entry.body or {})
    turn.put_conversation(with_participants(turn.conversation, made, event.created_at_ms))
    for each in made:
        if each.operation is ParticipantOperation.ADD and each.role in SERVING_ROLES:
            seat(turn, event, each.subject)


def _session(turn: Turn, event: OutboundEvent, entry: Entry) -> None:
    body = entry.body or {}
    at_ms = event.created_at_ms
    turn.put_conversation(with_status(turn.conversation, body, at_ms))
    if as_text(body.get("sessionStatus")) not in OVER:
        return
    session_id = record_id(as_text(body.get("sessionId")))
    for request in turn.open_requests():
        if _belongs_to(request, session_id, at_ms) and not _has_ended(request):
            turn.put_request(with_moment(request, RoutingEvent.SESSION_ENDED, at_ms, turn.rules))


def _belongs_to(request: RoutingRequest, session_id: str | None, ended_at_ms: int) -> bool:
    """True when the session that ended is the request's: it names its work item, or nothing says otherwise."""
    if session_id is not None and request.work_item_id is not None:
        return request.work_item_id == session_id
    return request.facts is not None and request.facts.created_at_ms <= ended_at_ms


def _has_ended(request: RoutingRequest) -> bool:
    return any(moment.event == RoutingEvent.SESSION_ENDED for moment in request.moments)


def _consent(turn: Turn, _: OutboundEvent, entry: Entry) -> None:
    status = as_word((entry.body or {}).get("consentStatus"))
    if status is not None:
        turn.put_conversation(replace(turn.conversation, consent=status))


def _queue_position(turn: Turn, event: OutboundEvent, entry: Entry) -> None:
    body = entry.body or {}
    named = record_id(as_text(body.get("workItemId")))
    turn.put_conversation(with_named_work_item(turn.conversation, named, event.created_at_ms))
    _put_details(turn, with_queue(turn.conversation.details, body, event.created_at_ms))


def _put_details(turn: Turn, details: Details | None) -> None:
    if details is not turn.conversation.details:
        turn.put_conversation(replace(turn.conversation, details=details))


def _acknowledged(turn: Turn, event: OutboundEvent, entry: Entry) -> None:
    read = entry.entry_type == READ_ACKNOWLEDGEMENT
    body, details = entry.body or {}, turn.conversation.details
    _put_details(turn, with_acknowledgement(details, body, event.created_at_ms, read=read))


def _message_updated(turn: Turn, event: OutboundEvent, entry: Entry) -> None:
    results = uploads_of(entry.body or {}, event.created_at_ms)
    for upload in results:
        turn.count("upload", upload.status)
    _put_details(turn, with_uploads(turn.conversation.details, results))


def _not_delivered(turn: Turn, event: OutboundEvent, entry: Entry) -> None:
    turn.count("not_delivered", "told_by_salesforce")
    _put_details(turn, with_failure(turn.conversation.details, entry.body or {}, event.created_at_ms))


def _consult(turn: Turn, _: OutboundEvent, entry: Entry) -> None:
    """A rep-to-rep consultation: when it is this very conversation, nothing of it may reach an end user."""
    named = as_id((entry.body or {}).get("conversationIdentifier"), "conversationIdentifier")
    if named == turn.conversation.conversation_id:
        turn.put_conversation(replace(turn.conversation, no_delivery=True))
    elif named:
        _put_details(turn, with_consult(turn.conversation.details, named))


def _counted_only(_turn: Turn, _event: OutboundEvent, _entry: Entry) -> None:
    """The type is in Salesforce's enumeration, but no source says what its payload holds: it is counted, no more."""


STATE_HANDLERS: dict[str, Callable[[Turn, OutboundEvent, Entry], None]] = {
    PARTICIPANT_CHANGED: _participants,
    SESSION_STATUS_CHANGED: _session,
    CONSENT_UPDATED: _consent,
    QUEUE_POSITION: _queue_position,
    CONSULT_INFO: _consult,
    ROUTING_RESULT: take_result,
    ROUTING_WORK_RESULT: take_work_result,
    DELIVERY_ACKNOWLEDGEMENT: _acknowledged,
    READ_ACKNOWLEDGEMENT: _acknowledged,
    MESSAGE_UPDATED: _message_updated,
    MESSAGE_DELIVERY_FAILED: _not_delivered,
    TRANSFER_PROGRESS: _counted_only,
    PARTICIPANTS_CONFERENCED: _counted_only,
}
"""The handler of each entry type of the class STATE. The turn has the conversation when it is called."""
