"""Events of any type, mirrored as they came: the Avro payload untouched, a key, and headers that describe it. Pure.

    value    the payload; with a registry, in front of it the Confluent frame of its own schema
    key      the field that is configured; else the first record id of a change event, the UUID of another event
    headers  sf.*, sf.event_name, and sf.change.* for change events

The payload is decoded, too, although it is written as it came: a payload that does not fit its schema would break
every reader of the topic, so it goes to the dead letters.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from connectors.kafka.records import Headers, ProducerRecord
from connectors.pubsub.converters.bitmaps import BitmapError, names_of
from connectors.pubsub.converters.converter import EventHeaders, Unreadable
from connectors.pubsub.converters.payload import WriterSchema
from schemas.dead_letters import Stage, content_bytes
from schemas.proto import pubsub_api_pb2 as pb

CHANGE_HEADER: Final = "ChangeEventHeader"
_LONGEST_DESCRIPTION: Final = 1024 * 1024
_PLAIN: Final = {
    "sf.change.entity": "entityName",
    "sf.change.type": "changeType",
    "sf.change.origin": "changeOrigin",
    "sf.change.transaction_key": "transactionKey",
    "sf.change.sequence_number": "sequenceNumber",
    "sf.change.commit_timestamp": "commitTimestamp",
    "sf.change.commit_number": "commitNumber",
}
_BITMAPS: Final = {
    "sf.change.changed_fields": "changedFields",
    "sf.change.nulled_fields": "nulledFields",
    "sf.change.diff_fields": "diffFields",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RawOptions:
    """Which Kafka topic raw records go to, their key and their headers. `key_field` may name a nested field, `A.B`."""

    topic: str
    key_field: str | None = None
    change_headers: bool = True


class RawConverter:
    """Makes the records of events that are mirrored as they came; a `Converter`."""

    def __init__(self, options: RawOptions, headers: EventHeaders) -> None:
        """`headers` makes the `sf.*` headers of the subscription."""
        self._options = options
        self._headers = headers

    def convert(
        self, replay_id: bytes, event: pb.ProducerEvent, schema: WriterSchema, _received_at_ms: int
    ) -> tuple[ProducerRecord, int | None]:
        """As `Converter.convert`; when a change happened is its commit, for other events their CreatedDate."""
        decoded = schema.read(event.payload)
        change = _change_of(decoded)
        headers = self._headers.of(event.id, event.schema_id, replay_id)
        headers.append(("sf.event_name", schema.name.encode()))
        if change is not None and self._options.change_headers:
            described = _change_headers(change, schema)
            size = content_bytes(None, None, described)
            if size > _LONGEST_DESCRIPTION:
                raise Unreadable(
                    Stage.VALUE_CONVERTER,
                    f"the headers that describe the change would have {size} bytes, and {_LONGEST_DESCRIPTION} are the"
                    " limit; raw.change.headers=false leaves them out",
                )
            headers += described
        key = self._key(decoded, change, event.id)
        happened = (change or {}).get("commitTimestamp", decoded.get("CreatedDate"))
        record = (self._options.topic, schema.frame + event.payload, key.encode(), headers)
        return record, happened if type(happened) is int else None

    def _key(self, decoded: Mapping[str, Any], change: Mapping[str, Any] | None, event_uuid: str) -> str:
        if self._options.key_field is not None:
            return _field(decoded, self._options.key_field)
        record_ids = (change or {}).get("recordIds")
        if isinstance(record_ids, list) and record_ids and isinstance(record_ids[0], str):
            return record_ids[0]
        return event_uuid


def _change_of(decoded: Mapping[str, Any]) -> Mapping[str, Any] | None:
    change = decoded.get(CHANGE_HEADER)
    return change if isinstance(change, dict) else None


def _change_headers(change: Mapping[str, Any], schema: WriterSchema) -> Headers:
    found = [(name, str(change[key]).encode()) for name, key in _PLAIN.items() if change.get(key) is not None]
    if isinstance(change.get("recordIds"), list):
        found.append(("sf.change.record_ids", _listed(change["recordIds"])))
    for name, key in _BITMAPS.items():
        if isinstance(change.get(key), list):
            found.append((name, _listed(_field_names(change[key], schema))))
    return found


def _field_names(bitmaps: list[str], schema: WriterSchema) -> Iterable[str]:
    """The names of the fields. Bitmaps that do not fit the schema stay as they are, for a reader who can use them."""
    try:
        return names_of(bitmaps, schema.fields)
    except BitmapError:
        return bitmaps


def _listed(values: Iterable[str]) -> bytes:
    return json.dumps(list(values), separators=(",", ":"), ensure_ascii=False).encode()


def _field(decoded: Mapping[str, Any], path: str) -> str:
    value: Any = decoded
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        raise Unreadable(Stage.KEY_CONVERTER, f"the key field {path} is absent, empty, or no text or whole number")
    return str(value)
