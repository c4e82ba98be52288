"""What stands before a payload in the Confluent wire format: a zero byte and the registered id of its schema.

The payload is Avro of that schema already, so nothing is encoded again.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from connectors.kafka.schema_registry import RegistrySettings, SchemaRegistry
from connectors.pubsub.converters.payload import WriterSchema

_MAGIC: Final = b"\x00"


class SubjectStrategy(StrEnum):
    """How subjects are named. With the first, all events of a Kafka topic must have schemas that fit each other."""

    TOPIC = "TopicNameStrategy"
    RECORD = "RecordNameStrategy"
    TOPIC_RECORD = "TopicRecordNameStrategy"

    def subject(self, topic: str, record: str) -> str:
        """The subject of the values of a topic that are records of this full name."""
        match self:
            case SubjectStrategy.TOPIC:
                return f"{topic}-value"
            case SubjectStrategy.RECORD:
                return record
            case SubjectStrategy.TOPIC_RECORD:
                return f"{topic}-{record}"


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameSettings:
    """Which registry gives the ids. `register`: schemas that it does not have are registered."""

    registry: RegistrySettings
    strategy: SubjectStrategy = SubjectStrategy.TOPIC
    register: bool = True


class SchemaFrames:
    """Frames by a registry. Whoever asks keeps the answer: the id of a schema under a subject never changes."""

    def __init__(self, settings: FrameSettings) -> None:
        self._settings = settings
        self._registry: SchemaRegistry | None = None

    async def frame(self, topic: str, schema: WriterSchema) -> bytes:
        """The frame for values of a Kafka topic. Raises as `SchemaRegistry.id_of`."""
        if self._registry is None:
            self._registry = SchemaRegistry(self._settings.registry)
        subject = self._settings.strategy.subject(topic, schema.full_name)
        schema_id = await self._registry.id_of(subject, schema.text, register=self._settings.register)
        return _MAGIC + schema_id.to_bytes(4, "big")

    def close(self) -> None:
        """Release the connections to the registry."""
        if self._registry is not None:
            self._registry.close()
