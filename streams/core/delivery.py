"""Decides what may reach the end user. An allow-list: an entry is delivered only when every guard lets it pass.

The guards stand in the order of their weight; the first that objects gives the reason. "Not delivered before" is the
guard before all of them: `conversation.events` knows an entry by its key and does nothing for a repeat.
"""

from schemas.records import Delivery, OutboundEvent
from streams.core.content.formats import FORMATS
from streams.core.content.read import CONTAINERS, RESPONSES
from streams.core.model.entries import Entry
from streams.core.model.entry_types import ENTRY_TYPES, MESSAGE
from streams.core.model.keys import digest
from streams.core.model.lenient import as_filled_text, as_object
from streams.core.model.rules import Rules
from streams.core.model.state import Conversation
from streams.core.model.withheld import Withheld

_SENDERS = frozenset({"Agent", "Chatbot", "System", "DigitalWorker"})
_SENDER_REASONS = {
    "EndUser": Withheld.ECHO,
    "Router": Withheld.ROUTER,
    "Supervisor": Withheld.SUPERVISOR,
}
_MESSAGE_KIND = ENTRY_TYPES[MESSAGE].delivery_kind
# EventType of today's form, and of the legacy form that has none.
_DELIVERING_EVENT_TYPES = frozenset({"Interaction", ""})


def objection(event: OutboundEvent, entry: Entry, conversation: Conversation, rules: Rules) -> Withheld | None:
    """The reason of the first guard that objects to the delivery of an entry; None when none does."""
    if event.event_type not in _DELIVERING_EVENT_TYPES:
        return Withheld.UNKNOWN_EVENT_TYPE
    if not entry.type_matches:
        return Withheld.TYPE_MISMATCH
    if entry.visibility is not None and entry.visibility != "Default":
        return Withheld.INTERNAL
    return (
        _recipient_objection(entry, conversation)
        or _sender_objection(entry, rules)
        or _audience_objection(entry, conversation)
        or (_content_objection(entry) if entry.entry_type == MESSAGE else None)
    )


def _recipient_objection(entry: Entry, conversation: Conversation) -> Withheld | None:
    if entry.recipient_subject is None or entry.recipient_role is None:
        return Withheld.RECIPIENT_ABSENT
    if entry.recipient_role != "EndUser":
        return Withheld.RECIPIENT_ROLE
    # the whole subject: the first 15 characters of two end users can be the same
    if entry.recipient_subject != conversation.end_user_subject:
        return Withheld.OTHER_END_USER
    return Withheld.CONSULTATION if conversation.no_delivery else None


def _sender_objection(entry: Entry, rules: Rules) -> Withheld | None:
    role = entry.sender_role or ""
    if role in _SENDERS or (role == "Supervisor" and rules.supervisor_messages):
        return None
    return _SENDER_REASONS.get(role, Withheld.SENDER_ROLE)


def _audience_objection(entry: Entry, conversation: Conversation) -> Withheld | None:
    if entry.recipients is not None and conversation.end_user_subject not in entry.recipients:
        return Withheld.RECIPIENTS
    if conversation.consent == "OptOut" and not _confirms_consent(entry):
        return Withheld.OPTED_OUT
    return None


def _confirms_consent(entry: Entry) -> bool:
    """True for the text that confirms an opt-out: it is delivered after the opt-out."""
    return entry.message is not None and entry.message.message_reason == "Consent"


def _content_objection(entry: Entry) -> Withheld | None:
    message = entry.message
    if message is None:
        return Withheld.NO_CONTENT
    if message.message_type not in CONTAINERS:
        return Withheld.RESPONSE if message.message_type in RESPONSES else Withheld.UNKNOWN_MESSAGE_TYPE
    if message.format_type not in FORMATS:
        return Withheld.NO_CONTENT if message.format_type is None else Withheld.UNKNOWN_FORMAT
    return Withheld.NO_CONTENT if message.text is None and message.content is None else None


def message_delivery(event: OutboundEvent, entry: Entry, conversation: Conversation) -> Delivery:
    """The delivery of a Message that passed the guards. Its id is the same each time the entry is read."""
    message = entry.message
    entry_id = entry.entry_id or event.event_uuid
    return Delivery(
        delivery_id=digest(MESSAGE, conversation.conversation_id, entry_id),
        conversation_id=conversation.conversation_id,
        org_id=event.org_id,
        entry_id=entry_id,
        kind=_MESSAGE_KIND,
        channel_address_id=entry.channel_address_id or conversation.channel_address_id,
        end_user_subject=entry.recipient_subject,
        sender_role=entry.sender_role,
        sender_name=entry.sender_name,
        message_type=None if message is None else message.message_type,
        format_type=None if message is None else message.format_type,
        text=None if message is None else message.text,
        content=None if message is None else message.content,
        created_at_ms=event.created_at_ms,
        event_uuid=event.event_uuid,
    )


def ephemeral_delivery(event: OutboundEvent, entry: Entry, conversation: Conversation, rules: Rules) -> Delivery:
    """The delivery of typing or progress that passed the guards. It is worth nothing from `expires_at_ms` on."""
    entry_id = entry.entry_id or event.event_uuid
    return Delivery(
        delivery_id=digest(entry.entry_type, conversation.conversation_id, entry_id),
        conversation_id=conversation.conversation_id,
        org_id=event.org_id,
        entry_id=entry_id,
        kind=ENTRY_TYPES[entry.entry_type].delivery_kind,
        channel_address_id=entry.channel_address_id or conversation.channel_address_id,
        end_user_subject=entry.recipient_subject,
        sender_role=entry.sender_role,
        sender_name=entry.sender_name,
        text=_progress_text(entry),
        created_at_ms=event.created_at_ms,
        expires_at_ms=event.created_at_ms + rules.ephemeral_ttl_ms,
        event_uuid=event.event_uuid,
    )


def _progress_text(entry: Entry) -> str | None:
    indicator = as_object((entry.body or {}).get("progressIndicator")) or {}
    message = as_object(indicator.get("progressMessage")) or {}
    return as_filled_text(message.get("text"))
