"""The state tables: Faust tables of raw bytes, one `PartitionState` for each partition number.

All of a conversation's values live in the partition of the conversation, also those under other keys, so changelog
records name their partition explicitly.
"""

from collections.abc import Iterator
from typing import Any, Protocol

from schemas.topics import STATE_TABLES
from streams.core.model.state import RoutingRequest
from streams.core.model.step import ROUTING, SEEN
from streams.state.partition import PartitionState
from streams.state.store import TableStore


class TableMaker(Protocol):
    """The Faust app, for its tables."""

    def Table(self, name: str, *, partitions: int, key_type: type, value_type: type) -> Any:  # noqa: N802  Faust's name
        """A table whose changelog has `partitions` partitions."""


class Tables:
    """The tables of one app, named in `STATE_TABLES`.

    Reads see every write of this process at once; Kafka sees them when their transaction commits.
    """

    def __init__(self, app: TableMaker, partitions: int) -> None:
        """`partitions` is the partition count of the inputs. Adds the tables to `app`."""
        tables = {
            name: app.Table(name, partitions=partitions, key_type=bytes, value_type=bytes) for name in STATE_TABLES
        }
        self.changelogs: dict[str, str] = {
            name: table.changelog_topic.get_topic_name() for name, table in tables.items()
        }
        self._stores = {name: TableStore(table.data) for name, table in tables.items()}
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
        for number, key, segment in self._stores[SEEN].items_by_partition():
            self.partition(number).load_seen(key, segment)

    def due_times(self) -> Iterator[tuple[int, int, str, str]]:
        """(partition number, due time in epoch ms, table, key) of every committed value that wants to be looked at."""
        for table, store in self._stores.items():
            for number, raw in store.keys_by_partition():
                key = raw.decode()
                due_ms = self.partition(number).due_at_ms(table, key)
                if due_ms is not None:
                    yield number, due_ms, table, key

    def routing_requests(self) -> Iterator[RoutingRequest]:
        """Every owned routing request, those of open transactions as these have changed them.

        State may change while it is iterated: which keys there are is taken at the first step, values are as they are
        when it is their turn, and a value that is gone by then is left out.
        """
        dirty = {value.key: value for state in self._partitions.values() for value in state.dirty_requests()}
        keys = list(self._stores[ROUTING].keys_by_partition())
        yield from dirty.values()
        for number, raw in keys:
            key = raw.decode()
            committed = self.partition(number).get(ROUTING, key) if key not in dirty else None
            if isinstance(committed, RoutingRequest):
                yield committed
