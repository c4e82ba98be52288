"""Frames of the Confluent wire format, with the ids that a schema registry gives.

The payload is Avro of its schema already, so nothing is encoded again: the frame is put in front.
"""

from dataclasses import dataclass

from connectors.kafka.schema_registry import RegistrySettings, SchemaRegistry
from connectors.pubsub.converters.payload import WriterSchema
from connectors.pubsub.converters.subjects import SubjectStrategy, confluent_frame


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameSettings:
    """Which registry gives the ids. `register`: schemas that the registry does not have are registered."""

    registry: RegistrySettings
    strategy: SubjectStrategy = SubjectStrategy.TOPIC
    register: bool = True


class SchemaFrames:
    """Asks a registry for frames. The caller keeps the answer: the id of a schema under a subject never changes."""

    def __init__(self, settings: FrameSettings) -> None:
        """Connects when the first frame is asked for."""
        self._settings = settings
        self._registry: SchemaRegistry | None = None

    async def frame(self, topic: str, schema: WriterSchema) -> bytes:
        """The frame for values of a Kafka topic. Raises as `SchemaRegistry.id_of`."""
        if self._registry is None:
            self._registry = SchemaRegistry(self._settings.registry)
        subject = self._settings.strategy.subject(topic, schema.full_name)
        return confluent_frame(await self._registry.id_of(subject, schema.text, register=self._settings.register))

    def close(self) -> None:
        """Release the connections to the registry."""
        if self._registry is not None:
            self._registry.close()
