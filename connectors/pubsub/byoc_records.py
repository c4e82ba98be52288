"""Events of the BYOC types as `OutboundEvent` records, keyed by conversation."""

from collections.abc import Callable
from typing import Any

from connectors.kafka.records import ProducerRecord
from connectors.pubsub.converters.byoc import Mapper
from connectors.pubsub.converters.headers import EventHeaders
from connectors.pubsub.converters.payload import WriterSchema
from schemas.codec import Codec
from schemas.records import OutboundEvent


class ByocRecords:
    """Makes the records of one subscription for one Kafka topic."""

    def __init__(self, topic: str, mapper: Mapper, headers: EventHeaders) -> None:
        self._topic = topic
        self._map = mapper.event
        self._headers = headers.of
        self._encode: Callable[[OutboundEvent], bytes] = Codec(OutboundEvent).encode

    def record(
        self, replay_id: bytes, event: Any, schema: WriterSchema, received_at_ms: int
    ) -> tuple[ProducerRecord, int | None]:
        """The record of one event and its CreatedDate. Raises `Unreadable`, `PayloadError`."""
        event_uuid, schema_id = event.id, event.schema_id
        found = self._map(event_uuid, schema_id, replay_id, schema.read(event.payload), received_at_ms)
        headers = self._headers(event_uuid, schema_id, replay_id)
        return (self._topic, self._encode(found), found.conversation_id.encode(), headers), found.created_at_ms
