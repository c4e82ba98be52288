"""The state tables: Faust tables of raw bytes, seen by the core as typed values.

Values are msgpack of the core's structs. All of a conversation's values live in the partition of the conversation,
also those under other keys, so changelog records name their partition explicitly.
"""

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from schemas.topics import STATE_TABLES
from streams.core.state import Conversation, RoutingRequest, Seen, Value
from streams.core.step import CONVERSATIONS, ROUTING, SEEN, Step

_encode = msgspec.msgpack.Encoder().encode
_DECODERS: dict[str, Callable[[bytes], Any]] = {
    CONVERSATIONS: msgspec.msgpack.Decoder(Conversation).decode,
    ROUTING: msgspec.msgpack.Decoder(RoutingRequest).decode,
    SEEN: msgspec.msgpack.Decoder(Seen).decode,
}

Change = tuple[str, bytes, bytes | None]


class Tables:
    """The three tables of one app. Reads see every write of this process at once; Kafka sees them at commit."""

    def __init__(self, app: Any, partitions: int) -> None:
        self._tables = {
            name: app.Table(name, partitions=partitions, key_type=bytes, value_type=bytes) for name in STATE_TABLES
        }
        self.changelogs = {name: table.changelog_topic.get_topic_name() for name, table in self._tables.items()}

    # -- what a step may read (streams.core.state.State)
    def conversation(self, conversation_id: str) -> Conversation | None:
        found: Conversation | None = self.get(CONVERSATIONS, conversation_id)
        return found

    def request(self, conversation_id: str, request_id: str) -> RoutingRequest | None:
        found: RoutingRequest | None = self.get(ROUTING, f"{conversation_id}|{request_id}")
        return found

    def seen(self, key: str) -> Seen | None:
        found: Seen | None = self.get(SEEN, key)
        return found

    def get(self, table: str, key: str) -> Any:
        """The value under `key`, or None."""
        data = self._values(table).get(key.encode())
        return None if data is None else _DECODERS[table](data)

    # -- what a step changes
    def write(self, step: Step, partition: int) -> Iterator[tuple[str, bytes, Value | None]]:
        """Apply the changes of a step in memory; yields (table, key, value or None) of each, for the changelog."""
        if step.conversation is not None:
            yield self._put(CONVERSATIONS, step.conversation.key, step.conversation, partition)
        for request in step.requests:
            yield self._put(ROUTING, request.key, request, partition)
        for key, seen in step.seen:
            yield self._put(SEEN, key, seen, partition)
        for table, key in step.dropped:
            yield self._drop(table, key)

    def _put(self, table: str, key: str, value: Value, partition: int) -> tuple[str, bytes, Value]:
        store, raw = self._tables[table].data, key.encode()
        store.data[raw] = _encode(value)
        store._key_partition[raw] = partition  # noqa: SLF001  the store prunes lost partitions by it
        return table, raw, value

    def _drop(self, table: str, key: str) -> tuple[str, bytes, None]:
        store, raw = self._tables[table].data, key.encode()
        store.data.pop(raw, None)
        store._key_partition.pop(raw, None)  # noqa: SLF001
        return table, raw, None

    def bytes_of(self, table: str, key: bytes) -> bytes | None:
        """The stored form, as it goes into the changelog; None when the key was dropped."""
        found: bytes | None = self._values(table).get(key)
        return found

    # -- for recovery and queries
    def items(self, table: str) -> Iterator[tuple[int, str, Any]]:
        """(partition, key, value) of every owned key."""
        decode, owners = _DECODERS[table], self._tables[table].data._key_partition  # noqa: SLF001
        for key, data in self._values(table).items():
            yield owners[key], key.decode(), decode(data)

    def size(self, table: str) -> int:
        """Number of owned keys."""
        return len(self._values(table))

    def _values(self, table: str) -> Any:
        return self._tables[table].data.data
