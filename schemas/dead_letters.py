"""The headers of a dead letter: where its record stood, and why it could not be processed. Pure.

Names, stages and their text form are Kafka Connect's (KIP-298), so its tools read them. Every part of this project
that writes dead letters makes them here.
"""

import json
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Final, TypeVar

from schemas.kafka_settings import LARGEST_CONTENT_BYTES

HeaderValue = TypeVar("HeaderValue", bytes, bytes | None)  # Kafka allows a header without a value

PREFIX: Final = "__connect.errors."
# A header must not make the letter larger than its topic takes; a reason with its remedy has at most 400 characters.
LONGEST_MESSAGE: Final = 1_000
POINTER_HEADER: Final = "byoc.dead-letter.pointer"
LONGEST_KEY_BYTES: Final = 4_104  # of a conversation id; a pointer has no longer key
_LONGEST_KEY: Final = 1_000  # bytes of a key that a pointer repeats in its value
_LONGEST_FOUND_BY: Final = 1_000  # bytes of a header by which the record is found


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


def fits(value: bytes | None, key: bytes | None, headers: Iterable[tuple[str, bytes | None]]) -> bool:
    """True when a record of these parts is small enough for every topic of the catalogue."""
    return content_bytes(value, key, headers) <= LARGEST_CONTENT_BYTES


def content_bytes(value: bytes | None, key: bytes | None, headers: Iterable[tuple[str, bytes | None]]) -> int:
    """What value, key and headers have in sum. A header's two lengths take at most ten bytes more."""
    return (
        len(value or b"")
        + len(key or b"")
        + sum(len(name.encode()) + len(header or b"") + 10 for name, header in headers)
    )


def dead_letter(
    value: bytes | None,
    key: bytes | None,
    own: Sequence[tuple[str, HeaderValue]],
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
    found_by_own: bool = False,
) -> tuple[bytes | None, bytes | None, list[tuple[str, HeaderValue]]]:
    """Value, key and headers of the dead letter of a record; those of a `pointer` when the record does not fit.

    `own` are the record's headers; the others are those of `error_headers`. A pointer keeps the key when it is an id,
    and the `own` headers, each cut, when the record is `found_by_own`.
    """
    headers = error_headers(
        own,
        topic=topic,
        partition=partition,
        offset=offset,
        connector=connector,
        task_id=task_id,
        stage=stage,
        class_name=class_name,
        error=error,
        message=message,
    )
    if fits(value, key, headers):
        return value, key, headers
    said, about = pointer(
        topic=topic,
        partition=partition,
        offset=offset,
        key=key,
        size=content_bytes(value, key, own),
        headers=headers,
        reason=message,
    )
    kept: list[tuple[str, HeaderValue]] = []
    for name, header in own if found_by_own else ():
        kept.append((name, header[:_LONGEST_FOUND_BY] if header else header))
    return said, key if key is None or len(key) <= LONGEST_KEY_BYTES else None, kept + about


def pointer(
    *,
    topic: str,
    partition: int | None,
    offset: int | None,
    key: bytes | None,
    size: int,
    headers: Sequence[tuple[str, HeaderValue]],
    reason: str,
) -> tuple[bytes, list[tuple[str, HeaderValue]]]:
    """Value and headers of a dead letter that says where its record stands, for one that is too large to be copied.

    The value is a JSON object of these fields; `size` is what value, key and headers of the record have in sum, and a
    long key is cut. Of the `headers` (`error_headers`) those about the error are kept; `POINTER_HEADER` is added.
    """
    value = {
        "topic": topic,
        "partition": partition,
        "offset": offset,
        "key": None if key is None else key[:_LONGEST_KEY].decode(errors="replace"),
        "size": size,
        "reason": reason[:LONGEST_MESSAGE],
    }
    about = [header for header in headers if header[0].startswith(PREFIX)]
    about.append((POINTER_HEADER, b"true"))
    return json.dumps(value).encode(), about
