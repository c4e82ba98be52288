"""The messaging session of a conversation, and the work item that routing answers must name.

One conversation lives through many sessions; each has its own MessagingSession record, which is the work item.
"""

from msgspec.structs import replace

from streams.core.model.keys import record_id
from streams.core.model.lenient import Object, as_id, as_time_ms, as_word
from streams.core.model.state import Conversation, Session

# Routing requests do not outlive these; a session that is only inactive may go on later.
OVER = frozenset({"Ended", "Error", "Inactive"})
_ENDED = frozenset({"Ended", "Error"})


def with_status(conversation: Conversation, body: Object, at_ms: int) -> Conversation:
    """The conversation after a `SessionStatusChanged`; the same object when it is older than what is known."""
    known = conversation.session
    if known.changed_at_ms is not None and at_ms < known.changed_at_ms:
        return conversation
    status = as_word(body.get("sessionStatus"))
    named = as_id(body.get("sessionId"), "sessionId")
    session = Session(
        id=record_id(named) or named or known.id,
        status=status or known.status,
        changed_at_ms=at_ms,
        started_at_ms=as_time_ms(body.get("sessionStartTime")),
        ended_by=as_word(body.get("sessionEndedByRole")),
    )
    return replace(conversation, session=session, ended_at_ms=at_ms if session.status in _ENDED else None)


def with_named_work_item(conversation: Conversation, work_item_id: str | None, at_ms: int) -> Conversation:
    """The conversation after an entry named a work item: it fills a gap, or starts the next session after an end.

    The same object when the entry named none, or the work item is known.
    """
    known = conversation.session
    if work_item_id is None or work_item_id == known.id:
        return conversation
    after_end = known.status in _ENDED and at_ms > (known.changed_at_ms or 0)
    if record_id(known.id) is not None and not after_end:
        return conversation
    status = None if after_end else known.status
    return replace(conversation, session=Session(id=work_item_id, status=status, changed_at_ms=at_ms))


def is_session_over(session: Session) -> bool:
    """True once Salesforce has ended the session."""
    return session.status in _ENDED


def work_item_id(conversation: Conversation) -> str | None:
    """The work item of the session that is going on; None when it is over or unknown."""
    session = conversation.session
    return None if is_session_over(session) else record_id(session.id)
