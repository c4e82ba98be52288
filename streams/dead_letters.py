"""Records that cannot be processed: original bytes, reason in Kafka Connect's headers."""

from typing import Any

STAGE_DECODE = "VALUE_CONVERTER"
STAGE_APPLY = "TRANSFORMATION"


def headers_for(record: Any, *, app_id: str, stage: str, error: Exception) -> list[tuple[str, bytes]]:
    """The record's own headers and the `__connect.errors.*` ones (names and stages as Kafka Connect writes them)."""
    reason = {
        "topic": record.topic,
        "partition": str(record.partition),
        "offset": str(record.offset),
        "connector.name": app_id,
        "task.id": str(record.partition),
        "stage": stage,
        "class.name": "streams.processor",
        "exception.class.name": type(error).__name__,
        "exception.message": str(error),
    }
    own = [(name, value) for name, value in (record.headers or ())]
    return own + [(f"__connect.errors.{name}", value.encode()) for name, value in reason.items()]
