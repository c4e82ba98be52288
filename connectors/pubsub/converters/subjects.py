"""How the schemas of raw events are named in a registry, and the frame before a payload whose schema is there. Pure."""

from enum import StrEnum
from typing import Final, assert_never

_MAGIC: Final = b"\x00"


class SubjectStrategy(StrEnum):
    """How subjects are named, by the class names of Confluent's serializers.

    With TOPIC all events of a Kafka topic must have schemas that are compatible with each other.
    """

    TOPIC = "TopicNameStrategy"
    RECORD = "RecordNameStrategy"
    TOPIC_RECORD = "TopicRecordNameStrategy"

    def subject(self, topic: str, record: str) -> str:
        """The subject for the values of a Kafka topic; `record` is the full name of their Avro record."""
        match self:
            case SubjectStrategy.TOPIC:
                return f"{topic}-value"
            case SubjectStrategy.RECORD:
                return record
            case SubjectStrategy.TOPIC_RECORD:
                return f"{topic}-{record}"
            case _:
                assert_never(self)


def confluent_frame(schema_id: int) -> bytes:
    """What stands before a value in the Confluent wire format: a zero byte and the registered id of its schema."""
    return _MAGIC + schema_id.to_bytes(4, "big")
