"""Reads the payload of a platform event: an `Entry` or a `RoutingAsk`. Any shape will do; `Unparsable` for no object.

Two ways lead to an `Entry`: a typed one for today's form, which decodes no more than is needed (plain text costs a
third of the lenient way), and a lenient one for everything else. Where both can read a payload they agree; a property
test compares them. Plain text means that nothing but `formatType` and `text` is in the content.
"""

from typing import Annotated, Any

import msgspec
from msgspec import convert

from schemas.records import OutboundEvent, TargetKind
from streams.core.content.read import content_of
from streams.core.model.bounds import DEEPEST, LONGEST_CHANNEL_DATA, LONGEST_ID, LONGEST_WORD, MOST_SKILLS, checked_id
from streams.core.model.entries import Content, Entry, RoutingAsk
from streams.core.model.entry_types import MESSAGE, NEEDS_BODY, ROUTING_RESULT
from streams.core.model.errors import OutOfBounds, Unparsable
from streams.core.model.keys import record_id
from streams.core.model.lenient import (
    TOO_DEEP,
    Object,
    as_filled_text,
    as_id,
    as_object,
    as_objects,
    as_text,
    compact_json,
    cut,
    is_too_deep,
    json_value,
)

# A longer id leads to the lenient way, which refuses it.
_Id = Annotated[str, msgspec.Meta(max_length=LONGEST_ID)]


class _Party(msgspec.Struct, gc=False, rename="camel"):
    subject: _Id | None = None
    role: str | None = None


class _StaticText(msgspec.Struct, gc=False, rename="camel", forbid_unknown_fields=True):
    format_type: str | None = None
    text: str | None = None


class _TextMessage(msgspec.Struct, gc=False, rename="camel", forbid_unknown_fields=True):
    """An abstractMessage with a static text and nothing else. Its optional fields must be null here."""

    message_type: str | None = None
    id: str | None = None
    static_content: _StaticText | None = None
    in_reply_to_message_id: None = None
    custom_handling_type: None = None
    references: None = None
    content_category: None = None


class _Head(msgspec.Struct, gc=False, rename="camel"):
    """What every entryPayload may say about itself."""

    entry_type: str | None = None
    visibility_strategy: str | None = None


class _TextPayload(_Head, gc=False, rename="camel"):
    message_reason: str | None = None
    abstract_message: _TextMessage | None = None


class _Entry(msgspec.Struct, gc=False, rename="camel"):
    entry_type: str
    entry_payload: msgspec.Raw
    identifier: _Id | None = None
    sender: _Party | None = None
    sender_display_name: str | None = None
    visibility_strategy: str | None = None
    recipients: None = None


class _Envelope(msgspec.Struct, gc=False, rename="camel"):
    payload: _Entry
    channel_address_identifier: _Id | None = None
    recipient: _Party | None = None


_decode_envelope = msgspec.json.Decoder(_Envelope).decode
_decode_text_payload = msgspec.json.Decoder(_TextPayload).decode
_decode_head = msgspec.json.Decoder(_Head).decode
_decode_body = msgspec.json.Decoder(dict[str, Any]).decode
_NOBODY = _Party()
_SHALLOW = 1_600  # characters: 800 arrays in one another, and Python 3.11 reads 900
_CHANNEL = "channelAddressIdentifier"
_UNREADABLE = "unreadable"  # a visibility that is there and is no word: not `Default`


def parse_entry(event: OutboundEvent) -> Entry:
    """The conversation entry of an event, in any of its shapes. Raises `Unparsable`."""
    return typed_entry(event.payload) or lenient_entry(event)


def typed_entry(payload: str) -> Entry | None:
    """The entry of a payload in today's form; None for any other form, which `lenient_entry` reads.

    None also for what might be nested too deeply, be it in a field that is not read here: the decoder's own limit
    differs between versions of Python. The brackets of short payloads are not counted (3 us a KB): nothing that is too
    deep for a decoder fits into them.
    """
    if len(payload) > _SHALLOW and payload.count("{") + payload.count("[") > DEEPEST:
        return None
    try:
        envelope = _decode_envelope(payload)
        entry = envelope.payload
        head, message, body = _inside(entry.entry_type, entry.entry_payload)
    except (msgspec.DecodeError, RecursionError):
        return None
    entry_type = entry.entry_type
    if not entry_type:
        return None
    recipient = envelope.recipient or _NOBODY
    sender = entry.sender or _NOBODY
    return Entry(
        entry_type,
        entry_type == (head.entry_type or entry_type),
        entry.identifier or None,
        envelope.channel_address_identifier or None,
        recipient.subject or None,
        recipient.role or None,
        sender.subject or None,
        sender.role or None,
        entry.sender_display_name or None,
        _strictest(entry.visibility_strategy, head.visibility_strategy),
        None,
        message,
        body,
    )


def _inside(entry_type: str, payload: msgspec.Raw) -> tuple[_Head, Content | None, Object | None]:
    """What an entryPayload says about itself, its content when it is a Message, and its body when that is needed.

    Raises `msgspec.DecodeError` for a payload that is no object.
    """
    if entry_type == MESSAGE:
        try:
            text = _decode_text_payload(payload)
            content = _plain_text(text)
        except msgspec.DecodeError:
            content = None
        if content is not None:
            return text, content, None
    elif entry_type not in NEEDS_BODY:
        return _decode_head(payload), None, None
    body = _decode_body(payload)
    if _is_deep(body, payload):
        raise msgspec.DecodeError(TOO_DEEP)
    head = convert(body, _Head)
    return head, content_of(body) if entry_type == MESSAGE else None, body


def _is_deep(body: Object, payload: msgspec.Raw) -> bool:
    """True when the body of an entry, which was decoded from `payload`, is nested too deeply."""
    if memoryview(payload).nbytes < 2 * DEEPEST:  # each level has two brackets
        return False
    text = bytes(payload)
    return text.count(b"{") + text.count(b"[") > DEEPEST and is_too_deep(body)


def _plain_text(body: _TextPayload) -> Content | None:
    message = body.abstract_message
    if message is None or message.message_type != "StaticContentMessage":
        return None
    static = message.static_content
    if static is None or static.format_type != "Text" or not static.text or static.text.isspace():
        return None
    return Content(message.message_type, "Text", static.text, None, body.message_reason or None)


def _strictest(outer: str | None, inner: str | None) -> str | None:
    """Of the two places for visibilityStrategy, the one that is not `Default`. An empty one is not `Default` either."""
    if inner is None and (outer is None or outer == "Default"):
        return outer  # so it is in nearly every event
    for strategy in (outer, inner):
        if strategy is not None and strategy != "Default":
            return strategy or _UNREADABLE
    return outer or inner


def parse_object(event: OutboundEvent) -> Object:
    """The payload as a JSON object, also when it is a JSON string that holds one. Raises `Unparsable`."""
    try:
        value = json_value(event.payload)
        if isinstance(value, str):
            value = json_value(value)
    except ValueError as error:
        raise Unparsable(f"it is no JSON: {error}", event.event_uuid, event.topic) from error
    if not isinstance(value, dict):
        raise Unparsable(f"it is JSON, but no object: {type(value).__name__}", event.event_uuid, event.topic)
    return value


def lenient_entry(event: OutboundEvent) -> Entry:
    """The entry of any shape: wrapped, flat (no `payload`), or legacy (channel and recipient in other fields)."""
    root = parse_object(event)
    wrapped = as_object(root.get("payload"))
    outer = root if wrapped is None else wrapped
    body = as_object(outer.get("entryPayload")) or {}
    channel_address_id = as_id(root.get("channelAddressIdentifier"), _CHANNEL)
    recipient = as_object(root.get("recipient"))
    if event.extra_fields is not None and (channel_address_id is None or recipient is None):
        legacy_channel, legacy_recipient = _legacy_fields(event.extra_fields)
        channel_address_id = channel_address_id or legacy_channel
        recipient = recipient or legacy_recipient
    recipient = recipient or {}
    sender = as_object(outer.get("sender")) or {}
    outer_type, inner_type = as_text(outer.get("entryType")) or None, as_text(body.get("entryType")) or None
    named = ROUTING_RESULT if event.event_type == ROUTING_RESULT else ""
    entry_type = outer_type or inner_type or named
    return Entry(
        entry_type=entry_type,
        type_matches=entry_type == (inner_type or entry_type),
        entry_id=checked_id(as_text(outer.get("identifier")) or None, "identifier"),
        channel_address_id=channel_address_id,
        recipient_subject=checked_id(as_text(recipient.get("subject")) or None, "recipient.subject"),
        recipient_role=as_text(recipient.get("role")) or None,
        sender_subject=checked_id(as_text(sender.get("subject")) or None, "sender.subject"),
        sender_role=as_text(sender.get("role")) or None,
        sender_name=as_text(outer.get("senderDisplayName")) or None,
        visibility=_strictest(_visibility(outer), _visibility(body)),
        recipients=_recipients(as_object(outer.get("recipients"))),
        message=content_of(body) if entry_type == MESSAGE else None,
        body=body if entry_type in NEEDS_BODY else None,
    )


def _visibility(part: Object) -> str | None:
    value = part.get("visibilityStrategy")
    if value is None:
        return None
    text = as_text(value)
    return _UNREADABLE if text is None else text


def _legacy_fields(extra_fields: str) -> tuple[str | None, Object | None]:
    """Channel address and recipient of the three-field form. The names are the org's; the shapes tell them apart."""
    channel: str | None = None
    recipient: Object | None = None
    for name, value in (as_object(extra_fields) or {}).items():
        plain = value.get("string") if isinstance(value, dict) and set(value) == {"string"} else value
        found = as_object(plain)
        if found is not None and "subject" in found:
            recipient = recipient or found
        elif found is None and (channel is None or "chan" in name.lower() or "chnl" in name.lower()):
            channel = as_id(plain, name) or channel
    return channel, recipient


def _recipients(recipients: Object | None) -> tuple[str, ...] | None:
    """Every id of the primary and secondary recipients; `hidden` ones are not addressed."""
    if recipients is None:
        return None
    named = as_objects(recipients.get("primary")) + as_objects(recipients.get("secondary"))
    if not named:
        return None
    ids = (as_text(each.get(key)) for each in named for key in ("identifier", "subject", "contact"))
    return tuple(each for each in ids if each)


def parse_routing(event: OutboundEvent) -> RoutingAsk:
    """The request of a `RoutingRequested` event. Raises `Unparsable`."""
    root = parse_object(event)
    inner = as_object(root.get("payload")) or root
    parameters = as_object(inner.get("routingParameters")) or {}
    raw_data = parameters.get("channelData")
    channel_data = raw_data if isinstance(raw_data, str) else None if raw_data is None else compact_json(raw_data)
    if channel_data is not None and len(channel_data) > LONGEST_CHANNEL_DATA:
        raise OutOfBounds(f"channelData has {len(channel_data)} characters, and may have {LONGEST_CHANNEL_DATA}")
    data = as_object(raw_data) or {}
    recipient = as_object(root.get("recipient")) or {}
    skills = _skills(parameters.get("skillsList"))
    kind, target_id = _target(parameters, has_skills=bool(skills))
    conversation = inner.get("conversationIdentifier") or root.get("conversationIdentifier")
    routing_type = inner.get("routingType") or data.get("routingType")
    if routing_type is None and parameters.get("isTransfer") is True:
        routing_type = "Transfer"
    return RoutingAsk(
        routing_type=cut(as_text(routing_type), LONGEST_WORD) or "",
        target_kind=kind.value,
        target_id=target_id,
        skills=skills,
        conversation_identifier=checked_id(
            as_text(conversation or data.get("conversationId")) or None, "conversationIdentifier"
        ),
        channel_address_id=as_id(root.get("channelAddressIdentifier"), _CHANNEL),
        recipient_subject=checked_id(as_text(recipient.get("subject")) or None, "recipient.subject"),
        recipient_role=as_text(recipient.get("role")) or None,
        work_record_id=as_filled_text(inner.get("workRecordId")),
        channel_data=channel_data,
        event_id=as_id(data.get("eventId"), "eventId"),
        router_subject=as_id(data.get("routerParticipantSubject"), "routerParticipantSubject"),
        fallback_queue_id=as_id(parameters.get("queueId"), "queueId") if kind is TargetKind.FLOW else None,
    )


def _skills(items: object) -> tuple[str, ...]:
    """Ids of the skills, as objects with an id or as bare strings."""
    if not isinstance(items, list):
        return ()
    ids = (as_id(item.get("id") if isinstance(item, dict) else item, "an id of skillsList") for item in items)
    found = tuple(skill for skill in ids if skill)
    if len(found) > MOST_SKILLS:
        raise OutOfBounds(f"skillsList names {len(found)} skills, and may name {MOST_SKILLS}")
    return found


_TARGETS = (
    ("userId", TargetKind.REP),
    ("flowId", TargetKind.FLOW),  # a flow names a queue too: its fallback
    ("botId", TargetKind.BOT),
    ("queueId", TargetKind.QUEUE),
)


def _target(parameters: Object, *, has_skills: bool) -> tuple[TargetKind, str | None]:
    """Who is asked for. No source names the field of an external contact: any field with such a name is taken.

    A user id that is no Salesforce record id names someone outside, too.
    """
    for field, kind in _TARGETS:
        found = as_id(parameters.get(field), field)
        if found is not None:
            return (TargetKind.EXTERNAL if kind is TargetKind.REP and record_id(found) is None else kind), found
    for name, value in parameters.items():
        if _names_a_contact(name, value):
            return TargetKind.EXTERNAL, as_id(value, name[:LONGEST_WORD])
    return (TargetKind.SKILLS if has_skills else TargetKind.UNKNOWN), None


def _names_a_contact(name: str, value: Any) -> bool:
    word = name.lower()
    return ("external" in word or "contact" in word) and as_filled_text(value) is not None
