"""What every converter of events takes, gives and raises. Pure.

An event goes through one converter, which makes one Kafka record of it. Which one, `choice.py` decides by the event's
schema. Every record of an event has the `sf.*` headers, with which a reader finds the event again at Salesforce.
"""

from typing import Protocol

from connectors.kafka.records import Headers, ProducerRecord
from connectors.pubsub.converters.payload import WriterSchema
from schemas.dead_letters import Stage
from schemas.proto import pubsub_api_pb2 as pb


class Unreadable(Exception):
    """The event cannot become a record. `stage` says where that showed; the reason holds nothing of the payload."""

    def __init__(self, stage: Stage, reason: str) -> None:
        """`reason` is a sentence for the headers of the dead letter."""
        super().__init__(reason)
        self.stage = stage


class Converter(Protocol):
    """Makes the record of one event."""

    def convert(
        self, replay_id: bytes, event: pb.ProducerEvent, schema: WriterSchema, received_at_ms: int
    ) -> tuple[ProducerRecord, int | None]:
        """The record of the event, and when the event happened (epoch ms), None when it does not say.

        `schema` is the one that the event names; `received_at_ms` is epoch ms. Raises `Unreadable`, and `PayloadError`
        for a payload that does not fit its schema.
        """
        ...


class EventHeaders:
    """Makes the `sf.*` headers for the events of one subscription."""

    def __init__(self, topic: str, org_id: str) -> None:
        """`topic` is the Salesforce topic."""
        self._fixed = [("sf.topic", topic.encode()), ("sf.org_id", org_id.encode())]

    def of(self, event_uuid: str, schema_id: str, replay_id: bytes) -> Headers:
        """The headers of one event, in a new list: the caller may add to it."""
        return [
            ("sf.replay_id", replay_id),
            ("sf.schema_id", schema_id.encode()),
            ("sf.event_uuid", event_uuid.encode()),
            *self._fixed,
        ]
