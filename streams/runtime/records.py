"""Topic partitions and fetched records, typed once for everything that handles them. Pure."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol


class TopicPartition(NamedTuple):
    """A topic and a partition number.

    Faust's `TP` and aiokafka's `TopicPartition` are named tuples of the same two fields: all three are equal, and find
    each other's entries in sets and dictionaries.
    """

    topic: str
    partition: int


class FetchedRecord(Protocol):
    """A record as aiokafka hands it out (`aiokafka.ConsumerRecord`): bytes, not decoded. `timestamp` is epoch ms."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    timestamp_type: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]
