"""Which events become which records: by the name of the Avro record, never by the topic that carried them.

A channel carries events of several types. One that is not a BYOC event must never be read as one: it is mirrored as it
came, or goes to the dead letters with that reason, as `foreign.event.policy` says.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from connectors.kafka.records import ProducerRecord
from connectors.pubsub.byoc_records import ByocRecords
from connectors.pubsub.converters.byoc import FieldNames, Mapper, Source, Unreadable
from connectors.pubsub.converters.headers import EventHeaders
from connectors.pubsub.converters.payload import WriterSchema
from connectors.pubsub.converters.raw import RawOptions, RawRecords


class Mode(StrEnum):
    """What a connector makes of events."""

    BYOC = "byoc"
    RAW = "raw"


class ForeignPolicy(StrEnum):
    """What becomes of an event of another type, in mode byoc."""

    DEAD_LETTER = "dead-letter"
    RAW = "raw"


class RecordMaker(Protocol):
    """Makes the record of one event."""

    def record(
        self, replay_id: bytes, event: Any, schema: WriterSchema, received_at_ms: int
    ) -> tuple[ProducerRecord, int | None]:
        """The record, and when the event happened (epoch ms) if it says so. Raises `Unreadable`, `PayloadError`."""
        ...


class _Foreign:
    """Takes no event."""

    def __init__(self, wanted: frozenset[str]) -> None:
        self._wanted = ", ".join(sorted(wanted))

    def record(
        self, _replay_id: bytes, _event: Any, schema: WriterSchema, _received_at_ms: int
    ) -> tuple[ProducerRecord, int | None]:
        raise Unreadable(
            "VALUE_CONVERTER",
            f"the event is a {schema.name} and not one of salesforce.event.types ({self._wanted}); with"
            " foreign.event.policy=raw such events are mirrored as they come",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Making:
    """What becomes of the events of one topic. `event_types`: the BYOC ones; empty: all that the topic carries."""

    mode: Mode
    events_topic: str
    fields: FieldNames
    raw: RawOptions
    event_types: frozenset[str] = frozenset()
    foreign: ForeignPolicy = ForeignPolicy.DEAD_LETTER

    def is_raw(self, schema: WriterSchema) -> bool:
        """Whether events of this schema are mirrored as they come."""
        return self.mode is Mode.RAW or (self._is_foreign(schema) and self.foreign is ForeignPolicy.RAW)

    @property
    def kafka_topics(self) -> tuple[str, ...]:
        """Where records may go."""
        if self.mode is Mode.RAW:
            return (self.raw.topic,)
        return (self.events_topic, self.raw.topic) if self.foreign is ForeignPolicy.RAW else (self.events_topic,)

    def _is_foreign(self, schema: WriterSchema) -> bool:
        return bool(self.event_types) and schema.name not in self.event_types

    def makers(self, topic: str, org_id: str) -> Callable[[WriterSchema], RecordMaker]:
        """A function that says who makes the records of a schema's events."""
        headers = EventHeaders(topic, org_id)
        byoc = ByocRecords(self.events_topic, Mapper(Source(topic=topic, org_id=org_id, fields=self.fields)), headers)
        raw, foreign = RawRecords(self.raw, headers), _Foreign(self.event_types)

        def choose(schema: WriterSchema) -> RecordMaker:
            if self.is_raw(schema):
                return raw
            return foreign if self._is_foreign(schema) else byoc

        return choose
