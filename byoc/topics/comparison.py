"""The differences between topics that exist and the catalogue, in words. Pure."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from schemas.topics import TopicSpec


class Found(Protocol):
    """A topic as a cluster describes it."""

    @property
    def partitions(self) -> int:
        """The number of partitions."""

    @property
    def cleanup_policy(self) -> str:
        """The value of `cleanup.policy`."""

    @property
    def max_message_bytes(self) -> int:
        """The value of `max.message.bytes`."""


def missing(wanted: Sequence[TopicSpec], found: Mapping[str, Found]) -> list[TopicSpec]:
    """Return the topics of the catalogue that do not exist."""
    return [spec for spec in wanted if spec.name not in found]


def mismatches(wanted: Sequence[TopicSpec], found: Mapping[str, Found]) -> list[str]:
    """Return one clause per difference between an existing topic and the catalogue: found and expected.

    Partition counts are exact: co-partitioned topics of different counts would put one conversation on two workers.
    Retention is the owner's to change and is not compared.
    """
    clauses = []
    for spec in wanted:
        topic = found.get(spec.name)
        if topic is None:
            continue
        if topic.partitions != spec.partitions:
            clauses.append(f"{spec.name} has {topic.partitions} partitions, expected {spec.partitions}")
        expected = spec.config.get("cleanup.policy", "delete")
        if _policies(topic.cleanup_policy) != _policies(expected):
            clauses.append(f"{spec.name} has cleanup.policy={topic.cleanup_policy}, expected {expected}")
    return clauses


def too_small(wanted: Sequence[TopicSpec], found: Mapping[str, Found]) -> dict[str, int]:
    """The topics that take smaller records than the catalogue asks for, and what each has to take, in bytes.

    A record that its topic refuses ends the transaction that it is in. A topic that takes more is its owner's to keep.
    """
    needed = {spec.name: int(spec.config.get("max.message.bytes", 0)) for spec in wanted}
    return {name: size for name, size in needed.items() if name in found and found[name].max_message_bytes < size}


def too_small_clauses(small: Mapping[str, int], found: Mapping[str, Found]) -> list[str]:
    """One clause for each of `too_small`: what it takes and what it has to."""
    return [
        f"{name} has max.message.bytes={found[name].max_message_bytes}, at least {size} are needed"
        for name, size in small.items()
    ]


def _policies(text: str) -> frozenset[str]:
    """The policies in a value: `delete,compact` and `compact,delete` are the same."""
    return frozenset(part.strip() for part in text.split(","))
