"""Faust's tables without Faust: their store has two dictionaries, and that is all that the processor uses of them."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class MemoryStore:
    """`streams.state.store.FaustStore`."""

    data: dict[bytes, bytes] = field(default_factory=dict)
    _key_partition: dict[bytes, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MemoryTopic:
    """A changelog topic, as far as its name."""

    name: str

    def get_topic_name(self) -> str:
        """Faust's name for it."""
        return self.name


@dataclass(slots=True)
class MemoryTable:
    """`faust.Table`."""

    changelog_topic: MemoryTopic
    data: MemoryStore = field(default_factory=MemoryStore)


class MemoryTables:
    """`streams.state.tables.TableMaker`."""

    def Table(self, name: str, *, partitions: int, key_type: type, value_type: type) -> Any:  # noqa: N802  Faust's name
        """A table whose changelog is named as Faust names it."""
        return MemoryTable(MemoryTopic(f"app-{name}-changelog"))
