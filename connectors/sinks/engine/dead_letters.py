"""The dead letter of a rejected record: the original bytes, and headers that say why it was rejected. Pure."""

from connectors.kafka.consumed import ConsumedRecord, OutputRecord
from connectors.sinks.engine.port import Rejected
from schemas import dead_letters


def dead_letter(
    record: ConsumedRecord, rejected: Rejected, *, topic: str, connector: str, task_id: int, class_name: str
) -> OutputRecord:
    """The record for `topic`: key, value, headers and timestamp of the original, and nine headers about the error.

    What would be too large points to the original instead.
    """
    value, key, headers = dead_letters.dead_letter(
        record.value,
        record.key,
        record.headers,
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        connector=connector,
        task_id=task_id,
        stage=rejected.stage,
        class_name=class_name,
        error=rejected.error,
        message=rejected.message,
    )
    return OutputRecord(topic=topic, key=key, value=value, headers=tuple(headers), timestamp_ms=record.timestamp_ms)
