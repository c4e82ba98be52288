"""A BYOC event becomes one `OutboundEvent`, with the conversation as its key. Pure.

The key decides the partition and so which worker reads the event: all events of a conversation must get the same key.
The conversation's identifier sits at a different depth in the two event types, is absent in old events, and comes in
more than one JSON form. The typed decoder below reads the usual forms and skips the rest of the JSON (1 us for 800
bytes). What it does not understand is read again by lenient code before the event is called unreadable.

Where the identifier is:

    Interaction           conversationIdentifier; for a ConsultConversationInfo that of the consultation it announces,
                          so that the announcement is read before anything that is said in it (ADR 0008)
    RoutingRequested      payload.conversationIdentifier, else the one in payload.routingParameters.channelData
    neither of these      channelAddressIdentifier + ":" + recipient.subject
    legacy, three fields  the same two, which are custom fields of the event there
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from connectors.kafka.records import ProducerRecord
from connectors.pubsub.converters.converter import EventHeaders, Unreadable
from connectors.pubsub.converters.payload import WriterSchema
from schemas.codec import Codec
from schemas.dead_letters import Stage
from schemas.proto import pubsub_api_pb2 as pb
from schemas.records import OutboundEvent

ROUTING_REQUESTED: Final = "RoutingRequested"
CONSULT_INFO: Final = "ConsultConversationInfo"
_STANDARD_FIELDS: Final = frozenset({"CreatedDate", "CreatedById"})


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldNames:
    """The names of the custom fields of the org's event. The last two exist in the legacy form only."""

    event_type: str
    payload: str
    channel: str | None = None
    recipient: str | None = None


class _Recipient(msgspec.Struct, frozen=True):
    subject: str | None = None


class _Inner(msgspec.Struct, frozen=True):
    conversation_identifier: str | None = msgspec.field(default=None, name="conversationIdentifier")


class _Envelope(msgspec.Struct, frozen=True):
    conversation_identifier: str | None = msgspec.field(default=None, name="conversationIdentifier")
    channel_address_identifier: str | None = msgspec.field(default=None, name="channelAddressIdentifier")
    recipient: _Recipient | None = None
    payload: _Inner | None = None


_decode_envelope: Final[Callable[[str], _Envelope]] = msgspec.json.Decoder(_Envelope).decode


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What all events of one subscription have in common."""

    topic: str
    org_id: str
    fields: FieldNames


class ByocConverter:
    """Makes the records of BYOC events for one Kafka topic; a `Converter`."""

    def __init__(self, topic: str, mapper: "Mapper", headers: EventHeaders) -> None:
        """`topic` is the Kafka topic."""
        self._topic = topic
        self._map = mapper.event
        self._headers = headers.of
        self._encode: Callable[[OutboundEvent], bytes] = Codec(OutboundEvent).encode

    def convert(
        self, replay_id: bytes, event: pb.ProducerEvent, schema: WriterSchema, received_at_ms: int
    ) -> tuple[ProducerRecord, int | None]:
        """As `Converter.convert`; when the event happened is its CreatedDate."""
        event_uuid, schema_id = event.id, event.schema_id
        found = self._map(event_uuid, schema_id, replay_id, schema.read(event.payload), received_at_ms)
        headers = self._headers(event_uuid, schema_id, replay_id)
        return (self._topic, self._encode(found), found.conversation_id.encode(), headers), found.created_at_ms


class Mapper:
    """Makes `OutboundEvent`s of decoded payloads, for one subscription. It keeps no state between events."""

    def __init__(self, source: Source) -> None:
        """`source` names the fields to read."""
        self._topic = source.topic
        self._org_id = source.org_id
        self._names = source.fields
        self._known = _STANDARD_FIELDS | {source.fields.event_type, source.fields.payload}
        self._field_count = len(self._known)

    def event(
        self, event_uuid: str, schema_id: str, replay_id: bytes, decoded: Mapping[str, Any], received_at_ms: int
    ) -> OutboundEvent:
        """The record for one decoded payload; its `conversation_id` is the Kafka key. Raises `Unreadable`."""
        names = self._names
        payload = decoded.get(names.payload)
        event_type = decoded.get(names.event_type) or ""
        if type(payload) is not str or type(event_type) is not str:
            payload, event_type = _text(payload), _text(event_type) or ""
            if not payload:
                raise Unreadable(Stage.VALUE_CONVERTER, f"the payload field {names.payload} is absent or empty")
        created_at_ms = decoded.get("CreatedDate")
        if type(created_at_ms) is not int:
            raise Unreadable(Stage.VALUE_CONVERTER, "the event has no CreatedDate in epoch milliseconds")
        extra = None if len(decoded) == self._field_count and event_type else self._extra_fields(decoded)
        return OutboundEvent(
            event_uuid=event_uuid,
            replay_id=replay_id,
            schema_id=schema_id,
            topic=self._topic,
            org_id=self._org_id,
            event_type=event_type,
            conversation_id=self._conversation_id(payload, event_type, decoded),
            created_at_ms=created_at_ms,
            received_at_ms=received_at_ms,
            payload=payload,
            extra_fields=extra,
        )

    def _conversation_id(self, payload: str, event_type: str, decoded: Mapping[str, Any]) -> str:
        try:
            envelope = _decode_envelope(payload)
        except msgspec.ValidationError:
            return self._lenient_id(payload, event_type, decoded)  # valid JSON of an unusual shape
        except msgspec.DecodeError as error:
            raise Unreadable(Stage.VALUE_CONVERTER, f"the payload field {self._names.payload} is no JSON") from error
        if event_type == ROUTING_REQUESTED and envelope.payload is not None:
            found = envelope.payload.conversation_identifier or envelope.conversation_identifier
        else:
            found = envelope.conversation_identifier
            if CONSULT_INFO in payload:
                found = _consultation(payload) or found
        return found or self._lenient_id(payload, event_type, decoded)

    def _lenient_id(self, payload: str, event_type: str, decoded: Mapping[str, Any]) -> str:
        envelope = _json_object(payload)
        if envelope is None:
            raise Unreadable(Stage.VALUE_CONVERTER, f"the payload field {self._names.payload} is no JSON object")
        return (
            _consultation(payload)
            or _identifier(envelope, event_type)
            or _channel_and_subject(envelope.get("channelAddressIdentifier"), envelope.get("recipient"))
            or _channel_and_subject(*self._legacy_fields(decoded))
            or _no_key()
        )

    def _legacy_fields(self, decoded: Mapping[str, Any]) -> tuple[Any, Any]:
        """Channel address and recipient of the three-field form: by name, else the one that looks like it."""
        names = self._names
        if names.channel is not None and names.recipient is not None:
            return decoded.get(names.channel), decoded.get(names.recipient)
        others = [_text(value) for name, value in decoded.items() if name not in self._known]
        recipients = [text for text in others if text and "subject" in (_json_object(text) or {})]
        channels = [text for text in others if text and _json_object(text) is None]
        if len(recipients) != 1 or len(channels) != 1:
            return None, None
        return channels[0], recipients[0]

    def _extra_fields(self, decoded: Mapping[str, Any]) -> str | None:
        others = {name: value for name, value in decoded.items() if name not in self._known}
        return msgspec.json.encode(others).decode() if others else None


def _identifier(envelope: Mapping[str, Any], event_type: str) -> str | None:
    inner = _json_object(envelope.get("payload")) or {}
    top, nested = _text(envelope.get("conversationIdentifier")), _text(inner.get("conversationIdentifier"))
    if event_type != ROUTING_REQUESTED:
        return top or None
    parameters = _json_object(inner.get("routingParameters")) or {}
    channel_data = _json_object(parameters.get("channelData")) or {}
    return nested or top or _text(channel_data.get("conversationId")) or None


def _consultation(payload: str) -> str | None:
    """The conversation that a ConsultConversationInfo announces; None for any other entry. Rare: read leniently."""
    envelope = _json_object(payload) or {}
    entry = _json_object(envelope.get("payload")) or envelope
    body = _json_object(entry.get("entryPayload")) or {}
    if CONSULT_INFO not in (_text(entry.get("entryType")), _text(body.get("entryType"))):
        return None
    return _text(body.get("conversationIdentifier")) or None


def _channel_and_subject(channel: Any, recipient: Any) -> str | None:
    address, subject = _text(channel), _text((_json_object(recipient) or {}).get("subject"))
    # without the subject all end users of a channel would become one conversation
    return f"{address}:{subject}" if address and subject else None


def _no_key() -> str:
    raise Unreadable(
        Stage.KEY_CONVERTER,
        "the event names no conversation: no conversationIdentifier, no channel address with subject",
    )


def _text(value: Any) -> str | None:
    """A string, in the plain form or in the union form of avro-js, `{"string": "…"}`; numbers become strings."""
    if isinstance(value, dict) and len(value) == 1:
        value = next(iter(value.values()))
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None


def _json_object(value: Any) -> dict[str, Any] | None:
    """A JSON object, as such or as JSON text; None for anything else."""
    if isinstance(value, dict) and set(value) == {"string"}:
        value = value["string"]
    if isinstance(value, str):
        try:
            value = msgspec.json.decode(value)
        except msgspec.DecodeError:
            return None
    return value if isinstance(value, dict) else None
