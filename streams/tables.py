"""The state tables: Faust tables of raw bytes, seen by the core as typed values.

Values are msgpack of the core's structs. All of a conversation's values live in the partition of the conversation,
also those under other keys, so changelog records name their partition explicitly.
"""

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from schemas.topics import STATE_TABLES
from streams.core.state import Conversation, RoutingRequest, Seen
from streams.core.step import CONVERSATIONS, ROUTING, SEEN
from streams.seen import SeenIndex, expiry_of

_encode = msgspec.msgpack.Encoder().encode
_conversation: Callable[[bytes], Conversation] = msgspec.msgpack.Decoder(Conversation).decode
_request: Callable[[bytes], RoutingRequest] = msgspec.msgpack.Decoder(RoutingRequest).decode

MAX_RECENT = 4_096  # conversations kept decoded, about 2 KB each


class Tables:
    """The three tables of one app. Reads see every write of this process at once; Kafka sees them at commit."""

    def __init__(self, app: Any, partitions: int) -> None:
        self._tables = {
            name: app.Table(name, partitions=partitions, key_type=bytes, value_type=bytes) for name in STATE_TABLES
        }
        self.changelogs = {name: table.changelog_topic.get_topic_name() for name, table in self._tables.items()}
        self._stores = {name: table.data for name, table in self._tables.items()}
        self._conversations = self._stores[CONVERSATIONS]
        self._requests = self._stores[ROUTING]
        self._seen = SeenIndex()
        # Values of `_conversations` as the core knows them: most events follow another of their conversation, and
        # reading the stored form costs 4 us.
        self._recent: dict[str, Conversation] = {}

    # -- what a step may read (streams.core.state.State)
    def conversation(self, conversation_id: str) -> Conversation | None:
        found = self._recent.get(conversation_id)
        if found is None:
            data = self._conversations.data.get(conversation_id.encode())
            if data is not None:
                found = self._remember(_conversation(data))
        return found

    def request(self, conversation_id: str, request_id: str) -> RoutingRequest | None:
        data = self._requests.data.get(f"{conversation_id}|{request_id}".encode())
        return None if data is None else _request(data)

    def seen(self, key: str) -> Seen | None:
        return self._seen.get(key)

    # -- what a step changes; each returns or takes the key as the changelog has it
    def put(self, table: str, value: Conversation | RoutingRequest, partition: int) -> bytes:
        """Write a value in memory; returns its key."""
        store, key = self._stores[table], value.key.encode()
        store.data[key] = _encode(value)
        if isinstance(value, Conversation):
            self._remember(value)
        store._key_partition[key] = partition  # noqa: SLF001  the store prunes lost partitions by it
        return key

    def see(self, key: str, seen: Seen) -> None:
        """Remember an entry; it reaches the changelog with `take_seen`."""
        self._seen.add(key, seen)

    def take_seen(self, partition: int) -> Iterator[bytes]:
        """Write the segments of what was seen since the last call in memory; yields their keys."""
        store = self._stores[SEEN]
        for key, value in self._seen.take_segments():
            store.data[key] = value
            store._key_partition[key] = partition  # noqa: SLF001
            yield key

    def drop(self, table: str, key: str) -> bytes:
        """Delete a value, or a whole segment of seen entries, in memory; returns its key."""
        store, raw = self._stores[table], key.encode()
        value = store.data.pop(raw, None)
        store._key_partition.pop(raw, None)  # noqa: SLF001
        if table == CONVERSATIONS:
            self._recent.pop(key, None)
        elif table == SEEN and value is not None:
            self._seen.forget(value)
        return raw

    def stored(self, table: str, key: bytes) -> bytes | None:
        """The stored form, as it goes into the changelog; None when the key was dropped."""
        found: bytes | None = self._stores[table].data.get(key)
        return found

    def _remember(self, conversation: Conversation) -> Conversation:
        if len(self._recent) >= MAX_RECENT:
            self._recent.clear()
        self._recent[conversation.conversation_id] = conversation
        return conversation

    # -- for recovery, timers and queries
    def due_at_ms(self, table: str, key: str) -> int | None:
        """When the value under `key` wants a look, epoch ms; None for never, and for a key that is gone."""
        if table == SEEN:
            return expiry_of(key) if key.encode() in self._stores[SEEN].data else None
        data = self._stores[table].data.get(key.encode())
        if data is None:
            return None
        return _conversation(data).due_at_ms if table == CONVERSATIONS else _request(data).due_at_ms

    def recover(self) -> None:
        """After recovery: forget what was decoded before, and read all segments of seen entries into the index."""
        self._recent.clear()
        self._seen.clear()
        for key, value in self._stores[SEEN].data.items():
            self._seen.load(key, value)

    def keys(self, table: str) -> Iterator[tuple[int, str]]:
        """(partition, key) of everything that is owned."""
        for key, partition in self._stores[table]._key_partition.items():  # noqa: SLF001
            yield partition, key.decode()

    def routing_requests(self) -> Iterator[RoutingRequest]:
        """Every owned routing request."""
        return map(_request, self._requests.data.values())

    def size(self, table: str) -> int:
        """Number of owned values; for `seen`, of entries."""
        return len(self._seen) if table == SEEN else len(self._stores[table].data)
