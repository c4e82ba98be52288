"""The `SessionStatusChanged` event that follows a `messagingSession` call. Pure."""

from simulator.events import entries
from simulator.events.entries import Json
from simulator.service.request_bodies import SessionBody


def session_status_payload(body: SessionBody, *, session_id: str, entry_id: str, at_ms: int) -> Json:
    """Return the payload of the Interaction event: the session of the call has ended, or is inactive, since `at_ms`."""
    ended = body.operation == "End"
    entry = entries.session_status(
        entry_id,
        session_id=session_id,
        channel_address_id=body.channel_address_id,
        conversation_id=body.conversation_id,
        status="Ended" if ended else "Inactive",
        previous="Active",
        started_at_ms=at_ms,
        ended_at_ms=at_ms if ended else None,
    )
    return entries.interaction(
        channel_address_id=body.channel_address_id,
        conversation_id=body.conversation_id,
        end_user_subject=body.end_user_subject,
        entry_id=entry_id,
        sender=entries.participant("conversation", "automated", "System"),
        sender_name="System",
        entry=entry | ({"sessionEndedByRole": body.operation_by} if body.operation_by else {}),
        at_ms=at_ms,
    )
