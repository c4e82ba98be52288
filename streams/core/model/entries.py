"""What a platform event says: a conversation entry with its message content, or a request for routing.

The JSON comes in several shapes and spellings, with explicit nulls; `streams.core.parsing` turns all into these.
"""

import msgspec

from streams.core.model.lenient import Object

ROUTING_REQUESTED = "RoutingRequested"
"""The `event_type` of a platform event that holds a `RoutingAsk`; all others hold an `Entry`."""


class Content(msgspec.Struct, frozen=True, gc=False):
    """The content of a Message.

    `text` is what every channel can show; None when there is nothing to say in words. `content` is the whole content as
    JSON in our own shape (`docs/deliveries.md`); None when `text` is all of it, and for a format that is not known.
    """

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
