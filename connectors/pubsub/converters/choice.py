"""Which converter an event goes to: decided by the name of its Avro record, never by the topic that carried it. Pure.

A channel carries events of several types. One that is not a BYOC event must never be read as one: the key
`foreign.event.policy` says whether it is mirrored as it came or goes to the dead letters.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from connectors.kafka.records import ProducerRecord
from connectors.pubsub.converters.byoc import ByocConverter, FieldNames, Mapper, Source
from connectors.pubsub.converters.converter import Converter, EventHeaders, Unreadable
from connectors.pubsub.converters.payload import WriterSchema
from connectors.pubsub.converters.raw import RawConverter, RawOptions
from schemas.dead_letters import Stage
from schemas.proto import pubsub_api_pb2 as pb


class Mode(StrEnum):
    """What a connector does with events: the values of the key `mode`."""

    BYOC = "byoc"
    RAW = "raw"


class ForeignPolicy(StrEnum):
    """What is done in mode byoc with an event of another type: the values of the key `foreign.event.policy`."""

    DEAD_LETTER = "dead-letter"
    RAW = "raw"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversionSettings:
    """How the events of one Salesforce topic are converted, and to which Kafka topics they go.

    `events_topic`: Kafka topic for BYOC events. `event_types`: names of the BYOC events; empty when all events of the
    Salesforce topic are.
    """

    mode: Mode
    events_topic: str
    fields: FieldNames
    raw: RawOptions
    event_types: frozenset[str] = frozenset()
    foreign: ForeignPolicy = ForeignPolicy.DEAD_LETTER

    def is_raw(self, schema: WriterSchema) -> bool:
        """Whether events of this schema are mirrored as they came."""
        return self.mode is Mode.RAW or (self.is_foreign(schema) and self.foreign is ForeignPolicy.RAW)

    def is_foreign(self, schema: WriterSchema) -> bool:
        """Whether events of this schema are no BYOC events."""
        return bool(self.event_types) and schema.name not in self.event_types

    @property
    def kafka_topics(self) -> tuple[str, ...]:
        """Every Kafka topic that records of events may go to."""
        if self.mode is Mode.RAW:
            return (self.raw.topic,)
        return (self.events_topic, self.raw.topic) if self.foreign is ForeignPolicy.RAW else (self.events_topic,)


def converter_for(settings: ConversionSettings, topic: str, org_id: str) -> Callable[[WriterSchema], Converter]:
    """A function from a schema to the converter for its events, for one subscription to `topic`."""
    headers = EventHeaders(topic, org_id)
    mapper = Mapper(Source(topic=topic, org_id=org_id, fields=settings.fields))
    byoc = ByocConverter(settings.events_topic, mapper, headers)
    raw, foreign = RawConverter(settings.raw, headers), _ForeignConverter(settings.event_types)

    def choose(schema: WriterSchema) -> Converter:
        if settings.is_raw(schema):
            return raw
        return foreign if settings.is_foreign(schema) else byoc

    return choose


class _ForeignConverter:
    """Refuses every event, with the reason for its dead letter."""

    def __init__(self, wanted: frozenset[str]) -> None:
        self._wanted = ", ".join(sorted(wanted))

    def convert(
        self, _replay_id: bytes, _event: pb.ProducerEvent, schema: WriterSchema, _received_at_ms: int
    ) -> tuple[ProducerRecord, int | None]:
        raise Unreadable(
            Stage.VALUE_CONVERTER,
            f"the event is a {schema.name} and not one of salesforce.event.types ({self._wanted}); with"
            " foreign.event.policy=raw such events are mirrored as they come",
        )
