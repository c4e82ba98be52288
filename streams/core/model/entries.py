"""What an event says, in our words: a conversation entry, its message content, or a request for routing.

The JSON has its own spelling, several shapes and explicit nulls; parse.py turns all of them into these.
"""

import msgspec

from streams.core.model.lenient import Object

MESSAGE = "Message"
NOTE = "Note"
FLAG_RAISE = "FlagRaise"
FLAG_LOWER = "FlagLower"
TYPING_STARTED = "TypingStartedIndicator"
TYPING_STOPPED = "TypingStoppedIndicator"
PROGRESS = "ProgressIndicator"
PARTICIPANT_CHANGED = "ParticipantChanged"
SESSION_STATUS_CHANGED = "SessionStatusChanged"
CONSENT_UPDATED = "EndUserConsentUpdated"
QUEUE_POSITION = "QueuePosition"
ROUTING_RESULT = "RoutingResult"
ROUTING_WORK_RESULT = "RoutingWorkResult"
CONSULT_INFO = "ConsultConversationInfo"
DELIVERY_ACKNOWLEDGEMENT = "DeliveryAcknowledgement"
READ_ACKNOWLEDGEMENT = "ReadAcknowledgement"
MESSAGE_UPDATED = "MessageUpdated"
MESSAGE_DELIVERY_FAILED = "MessageDeliveryFailed"

EPHEMERAL = frozenset({TYPING_STARTED, TYPING_STOPPED, "TypingStarted", "TypingStopped", PROGRESS})
NEVER = frozenset({NOTE, FLAG_RAISE, FLAG_LOWER})
STATE = frozenset(
    {
        PARTICIPANT_CHANGED,
        SESSION_STATUS_CHANGED,
        CONSENT_UPDATED,
        QUEUE_POSITION,
        ROUTING_RESULT,
        ROUTING_WORK_RESULT,
        CONSULT_INFO,
        DELIVERY_ACKNOWLEDGEMENT,
        READ_ACKNOWLEDGEMENT,
        MESSAGE_UPDATED,
        MESSAGE_DELIVERY_FAILED,
        "TransferProgress",
        "ParticipantsConferenced",
    }
)
# Those whose payload is looked at, beside Message.
WITH_BODY = frozenset(
    {
        PROGRESS,
        PARTICIPANT_CHANGED,
        SESSION_STATUS_CHANGED,
        CONSENT_UPDATED,
        QUEUE_POSITION,
        ROUTING_RESULT,
        ROUTING_WORK_RESULT,
        CONSULT_INFO,
        DELIVERY_ACKNOWLEDGEMENT,
        READ_ACKNOWLEDGEMENT,
        MESSAGE_UPDATED,
        MESSAGE_DELIVERY_FAILED,
    }
)
KNOWN = STATE | EPHEMERAL | NEVER | {MESSAGE}


def label(entry_type: str) -> str:
    """The entry type as a metric label: unknown ones share one, for they are the sender's to invent."""
    return entry_type if entry_type in KNOWN else "unknown"


class Content(msgspec.Struct, frozen=True, gc=False):
    """The content of a Message. `content` is all of it as JSON in our shape, None when `text` says it all."""

    message_type: str | None
    format_type: str | None
    text: str | None
    content: str | None = None
    message_reason: str | None = None


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One conversation entry with its envelope.

    `entry_type` is empty when the event names none; `type_matches` is false when the entry and its payload name
    different types. `recipients` are the ids of primary and secondary recipients, None when the entry names none.
    `body` is the entryPayload; None when nothing of it is needed.
    """

    entry_type: str
    type_matches: bool
    entry_id: str | None
    channel_address_id: str | None
    recipient_subject: str | None
    recipient_role: str | None
    sender_subject: str | None
    sender_role: str | None
    sender_name: str | None
    visibility: str | None
    recipients: tuple[str, ...] | None = None
    message: Content | None = None
    body: Object | None = None


class RoutingAsk(msgspec.Struct, frozen=True, gc=False):
    """One `RoutingRequested` event. `event_id` and `router_subject` come from its channelData."""

    routing_type: str
    target_kind: str
    target_id: str | None = None
    skills: tuple[str, ...] = ()
    conversation_identifier: str | None = None
    channel_address_id: str | None = None
    recipient_subject: str | None = None
    recipient_role: str | None = None
    work_record_id: str | None = None
    channel_data: str | None = None
    event_id: str | None = None
    router_subject: str | None = None
    fallback_queue_id: str | None = None
