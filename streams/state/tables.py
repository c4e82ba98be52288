"""The state tables: Faust tables of raw bytes, one `PartitionState` for each partition number.

All of a conversation's values live in the partition of the conversation, also those under other keys, so changelog
records name their partition explicitly.
"""

from collections.abc import Iterator
from typing import Any

from schemas.topics import STATE_TABLES
from streams.core.model.state import RoutingRequest
from streams.core.model.step import ROUTING, SEEN
from streams.state.partition import PartitionState


class Tables:
    """The three tables of one app. Reads see every write of this process at once; Kafka sees them at commit."""

    def __init__(self, app: Any, partitions: int) -> None:
        self._tables = {
            name: app.Table(name, partitions=partitions, key_type=bytes, value_type=bytes) for name in STATE_TABLES
        }
        self.changelogs = {name: table.changelog_topic.get_topic_name() for name, table in self._tables.items()}
        self._stores = {name: table.data for name, table in self._tables.items()}
        self._partitions: dict[int, PartitionState] = {}

    def partition(self, number: int) -> PartitionState:
        """The state of one partition number."""
        found = self._partitions.get(number)
        if found is None:
            found = self._partitions[number] = PartitionState(number, self._stores)
        return found

    def recover(self) -> None:
        """After recovery: forget what was decoded before, and read all segments of seen entries into the indexes."""
        self._partitions.clear()
        owners = self._stores[SEEN]._key_partition  # noqa: SLF001  Faust shows it nowhere else
        for key, segment in self._stores[SEEN].data.items():
            self.partition(owners[key]).load_seen(key, segment)

    def keys(self, table: str) -> Iterator[tuple[int, str]]:
        """(partition, key) of everything that is owned and was committed."""
        for key, partition in self._stores[table]._key_partition.items():  # noqa: SLF001
            yield partition, key.decode()

    def routing_requests(self) -> Iterator[RoutingRequest]:
        """Every owned routing request."""
        fresh = set[str]()
        for state in self._partitions.values():
            for value in state.uncommitted(ROUTING):
                fresh.add(value.key)
                yield value
        for number, key in self.keys(ROUTING):
            value = self.partition(number).look(ROUTING, key) if key not in fresh else None
            if isinstance(value, RoutingRequest):
                yield value
