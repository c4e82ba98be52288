"""The dead letter of a rejected record: the original bytes, and headers that say why. Pure.

Header names, stages and their text form are Kafka Connect's (KIP-298), so its tools read them.
"""

from connectors.kafka.consumed import ConsumedRecord, OutputRecord
from connectors.sinks.engine.port import Rejected

_PREFIX = "__connect.errors."


def dead_letter(
    record: ConsumedRecord, rejected: Rejected, *, topic: str, connector: str, task_id: int, class_name: str
) -> OutputRecord:
    """The record for `topic`: key, value, headers and timestamp of the original, and nine headers about the error.

    Headers of an earlier rejection are replaced: the newest reason is the one that counts.
    """
    reasons = {
        "topic": record.topic,
        "partition": str(record.partition),
        "offset": str(record.offset),
        "connector.name": connector,
        "task.id": str(task_id),
        "stage": rejected.stage.value,
        "class.name": class_name,
        "exception.class.name": rejected.error,
        "exception.message": rejected.message,
    }
    kept = tuple(header for header in record.headers if not header[0].startswith(_PREFIX))
    added = tuple((_PREFIX + name, value.encode()) for name, value in reasons.items())
    return OutputRecord(
        topic=topic, key=record.key, value=record.value, headers=kept + added, timestamp_ms=record.timestamp_ms
    )
