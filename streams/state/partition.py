"""The state of one partition number: what the core reads, and what its steps change."""

from collections.abc import Iterator, Mapping

from streams.core.model.keys import routing_key
from streams.core.model.state import Conversation, RoutingRequest, Seen
from streams.core.model.step import CONVERSATIONS, ROUTING, SEEN, Step
from streams.state.cached import CachedTable, ChangelogRecord
from streams.state.seen import SeenIndex, expiry_of
from streams.state.store import TableStore

Stored = Conversation | RoutingRequest


class PartitionState:
    """What `streams.core` reads of one partition, and where its steps go. Used on the event loop only.

    A new table is a `CachedTable` here, a line in `write` and a method that reads it.
    """

    def __init__(self, number: int, stores: Mapping[str, TableStore]) -> None:
        """`stores` are the tables' stores by name, shared by all partitions."""
        self._number = number
        self._conversations = CachedTable(CONVERSATIONS, Conversation, stores[CONVERSATIONS], number)
        self._requests = CachedTable(ROUTING, RoutingRequest, stores[ROUTING], number)
        self._tables: dict[str, CachedTable[Conversation] | CachedTable[RoutingRequest]] = {
            CONVERSATIONS: self._conversations,
            ROUTING: self._requests,
        }
        self._seen = SeenIndex()
        self._seen_store = stores[SEEN]
        self._dropped_segments: list[str] = []

    # -- what a step may read
    def conversation(self, conversation_id: str) -> Conversation | None:
        """The conversation, or None; sees what earlier steps of the open transaction wrote."""
        return self._conversations.get_and_keep(conversation_id)

    def request(self, conversation_id: str, request_id: str) -> RoutingRequest | None:
        """The routing request, or None; sees what earlier steps of the open transaction wrote."""
        return self._requests.get_and_keep(routing_key(conversation_id, request_id))

    def seen(self, key: str) -> Seen | None:
        """The entry, or None when it was never applied or has been forgotten."""
        return self._seen.get(key)

    # -- what a step changes
    def write(self, step: Step) -> None:
        """Keep everything that `step` changes. It reaches the stores and the changelogs with `take_changes`."""
        if step.conversation is not None:
            self._conversations.put(step.conversation.conversation_id, step.conversation)
        for request in step.requests:
            self._requests.put(request.key, request)
        for key, seen in step.seen:
            self._seen.mark_seen(key, seen)
        for table, key in step.dropped:
            self.drop(table, key)

    def drop(self, table: str, key: str) -> None:
        """Forget a value, or a whole segment of seen entries."""
        if table == SEEN:
            segment = self._seen_store.drop(key.encode())
            if segment is not None:
                self._seen.forget(segment)
            self._dropped_segments.append(key)
        else:
            self._tables[table].drop(key)

    def take_changes(self) -> Iterator[ChangelogRecord]:
        """Bring what has changed since the last call into the stores; yields each change for its changelog.

        Called inside a transaction, to its end, at the latest when it commits. A crash before the commit loses both.
        """
        for table in self._tables.values():
            yield from table.take_changes()
        for key in self._dropped_segments:
            yield ChangelogRecord(SEEN, key, None)
        self._dropped_segments.clear()
        for raw, segment in self._seen.take_segments():
            self._seen_store.put(raw, segment, self._number)
            key = raw.decode()
            yield ChangelogRecord(SEEN, key, segment, expiry_of(key))

    # -- for recovery, timers and queries
    def due_at_ms(self, table: str, key: str) -> int | None:
        """When the value under `key` wants to be looked at, epoch ms; None for never, and for a key that is gone."""
        if table == SEEN:
            return expiry_of(key) if key.encode() in self._seen_store else None
        value = self.get(table, key)
        return None if value is None else value.due_at_ms

    def get(self, table: str, key: str) -> Stored | None:
        """The value under `key` of a table other than `seen`, or None. One that is read from the store is not kept."""
        return self._tables[table].get(key)

    def dirty_requests(self) -> list[RoutingRequest]:
        """Routing requests that the open transaction has changed."""
        return self._requests.dirty_values()

    def load_seen(self, key: bytes, segment: bytes) -> None:
        """Take a recovered segment of seen entries into the index."""
        self._seen.load(key, segment)
