"""The headers of a dead letter: where its record stood, and why it could not be processed. Pure.

Names, stages and their text form are Kafka Connect's (KIP-298), so its tools read them. Every part of this project
that writes dead letters makes them here.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import Final, TypeVar

HeaderValue = TypeVar("HeaderValue", bytes, bytes | None)  # Kafka allows a header without a value

PREFIX: Final = "__connect.errors."
# A header must not make the letter larger than its topic takes; a reason with its remedy has at most 400 characters.
LONGEST_MESSAGE: Final = 1_000


class Stage(StrEnum):
    """Where a record failed, in Kafka Connect's words."""

    KEY_CONVERTER = "KEY_CONVERTER"
    VALUE_CONVERTER = "VALUE_CONVERTER"
    TRANSFORMATION = "TRANSFORMATION"
    TASK_POLL = "TASK_POLL"
    TASK_PUT = "TASK_PUT"


def error_headers(
    own: Iterable[tuple[str, HeaderValue]],
    *,
    topic: str,
    connector: str,
    task_id: int,
    stage: Stage,
    class_name: str,
    error: str,
    message: str,
    partition: int | None = None,
    offset: int | None = None,
) -> list[tuple[str, HeaderValue]]:
    """The record's `own` headers and those about its error.

    `topic`, `partition` and `offset` say where the record stood; a record that comes from Salesforce has no partition
    and no offset. `connector` is the connector's name or the application id, `error` the name of the exception's class.
    Headers of an earlier error are replaced: the newest reason counts. `message` is cut after `LONGEST_MESSAGE`
    characters; half a surrogate pair in it is escaped.
    """
    reasons = {
        "topic": topic,
        "partition": partition,
        "offset": offset,
        "connector.name": connector,
        "task.id": task_id,
        "stage": stage.value,
        "class.name": class_name,
        "exception.class.name": error,
        "exception.message": message[:LONGEST_MESSAGE],
    }
    kept = [header for header in own if not header[0].startswith(PREFIX)]
    added = [
        (PREFIX + name, str(value).encode(errors="backslashreplace"))
        for name, value in reasons.items()
        if value is not None
    ]
    return kept + added
