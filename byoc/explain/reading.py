"""Reads the JSON of one event, in any form that people have it in, as the source connector would mirror it.

Accepted are: the payload field's value; the platform event with its custom fields, bare or under `payload` or
`data.payload` as subscribers print it; a record of the events topic; each also as a JSON string. The names of custom
fields differ from org to org, so fields are found by their content.
"""

from collections.abc import Mapping
from typing import Any

from connectors.pubsub.converters.byoc import ROUTING_REQUESTED, FieldNames, Mapper, Source
from connectors.pubsub.converters.converter import Unreadable
from schemas.records import OutboundEvent
from streams.core.model.lenient import compact_json, json_value

_PAYLOAD_FIELDS = frozenset({"payload", "entryType", "entryPayload", "conversationIdentifier", "routingParameters"})
_TYPE, _PAYLOAD = "type", "payload"
_UNNAMED = "unknown"


class NotReadable(Exception):
    """The text is no event in any accepted form; the message says why, without repeating it."""


def read_event(text: str, now_ms: int) -> OutboundEvent:
    """One event from JSON text. Times it does not tell are `now_ms`. Raises `NotReadable`."""
    value = _object(text)
    if value is None:
        raise NotReadable("it is no JSON object")
    if isinstance(value.get("event_type"), str) and "payload" in value:
        return _record(value, now_ms)
    value = _unwrapped(value)
    if _is_payload(value):
        return _mapped(_event_type(value), value, {"CreatedDate": now_ms}, now_ms)
    fields = {name: _plain(field) for name, field in value.items()}
    payload_name = next((name for name, field in fields.items() if _is_payload(_object(field))), None)
    if payload_name is None:
        raise NotReadable("no field of it holds an event payload; pass the payload field's value, or the whole event")
    type_name = next((name for name, field in fields.items() if _names_the_type(name, field)), None)
    others = {name: field for name, field in fields.items() if name not in (payload_name, type_name)}
    return _mapped(fields.get(type_name or ""), fields[payload_name], others, now_ms)


def _record(value: Mapping[str, Any], now_ms: int) -> OutboundEvent:
    created_at_ms = _number(value.get("created_at_ms"), now_ms)
    defaults = {"event_uuid": "", "schema_id": "", "topic": "", "org_id": "", "conversation_id": _UNNAMED}
    texts = {name: str(value.get(name) or default) for name, default in defaults.items()}
    payload, extra = value["payload"], value.get("extra_fields")
    return OutboundEvent(
        **texts,
        replay_id=b"",
        event_type=value["event_type"],
        created_at_ms=created_at_ms,
        received_at_ms=_number(value.get("received_at_ms"), created_at_ms),
        payload=payload if isinstance(payload, str) else compact_json(payload),
        extra_fields=extra if extra is None or isinstance(extra, str) else compact_json(extra),
    )


def _mapped(event_type: Any, payload: Any, others: Mapping[str, Any], now_ms: int) -> OutboundEvent:
    """The event as the source connector maps it. One that has no Kafka key is read too, as conversation `unknown`."""
    created_at_ms = _number(others.get("CreatedDate"), now_ms)
    text = payload if isinstance(payload, str) else compact_json(payload)
    kind = event_type if isinstance(event_type, str) else ""
    decoded = {_TYPE: kind, _PAYLOAD: text, **others, "CreatedDate": created_at_ms}
    mapper = Mapper(Source(topic="", org_id="", fields=FieldNames(event_type=_TYPE, payload=_PAYLOAD)))
    try:
        return mapper.event("", "", b"", decoded, created_at_ms)
    except Unreadable as error:
        if error.stage != "KEY_CONVERTER":
            raise NotReadable(str(error)) from error
    return OutboundEvent(
        event_uuid="",
        replay_id=b"",
        schema_id="",
        topic="",
        org_id="",
        event_type=kind,
        conversation_id=_UNNAMED,
        created_at_ms=created_at_ms,
        received_at_ms=created_at_ms,
        payload=text,
    )


def _unwrapped(value: dict[str, Any]) -> dict[str, Any]:
    """The platform event, without the `data` and `payload` that subscribers print around it."""
    for name in ("data", "payload"):
        inner = value.get(name)
        if isinstance(inner, dict) and ("CreatedDate" in inner or isinstance(inner.get("payload"), dict)):
            value = inner
    return value


def _is_payload(value: Mapping[str, Any] | None) -> bool:
    return value is not None and "CreatedDate" not in value and not _PAYLOAD_FIELDS.isdisjoint(value)


def _event_type(payload: Mapping[str, Any]) -> str:
    """The event type of a payload that comes without one: only requests have routing parameters and no entry."""
    inner = _object(payload.get("payload")) or payload
    if "entryType" in inner or "entryPayload" in inner:
        return "Interaction"
    return ROUTING_REQUESTED if "routingParameters" in inner or "routingType" in inner else "Interaction"


def _names_the_type(name: str, value: Any) -> bool:
    return value in ("Interaction", ROUTING_REQUESTED) or ("type" in name.lower() and isinstance(value, str))


def _plain(value: Any) -> Any:
    """The value of a field; avro-js writes a nullable one as `{"string": "…"}`."""
    return next(iter(value.values())) if isinstance(value, dict) and set(value) in ({"string"}, {"long"}) else value


def _object(value: Any) -> dict[str, Any] | None:
    """The JSON object; also when it comes as JSON text, or as a JSON string that holds JSON text."""
    for _ in range(2):
        if isinstance(value, str):
            try:
                value = json_value(value)
            except ValueError:
                return None
    return value if isinstance(value, dict) else None


def _number(value: Any, default: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else default
