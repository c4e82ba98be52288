"""The state of one partition: what a step reads, and what reaches the changelog."""

import pytest
from msgspec.structs import replace

from schemas.topics import STATE_TABLES
from streams.core.model.state import Conversation, RoutingRequest, Seen
from streams.core.model.step import CONVERSATIONS, ROUTING, SEEN, Step
from streams.state.cached import ChangelogRecord
from streams.state.partition import PartitionState
from streams.state.seen import DIGEST_BYTES, MOST_DIGESTS
from streams.state.store import TableStore
from tests.support.faust_store import MemoryStore

KNOWN = Conversation("cv-1", "00D", started_at_ms=1_000, due_at_ms=9_000)
REQUEST = RoutingRequest("cv-1", "r-1")


Stores = dict[str, TableStore]


@pytest.fixture
def stores() -> Stores:
    return {table: TableStore(MemoryStore()) for table in STATE_TABLES}


def stored(store: TableStore) -> dict[bytes, tuple[int, bytes]]:
    """Partition number and value by key."""
    return {key: (partition, value) for partition, key, value in store.items_by_partition()}


@pytest.fixture
def state(stores: Stores) -> PartitionState:
    return PartitionState(3, stores)


def taken(state: PartitionState) -> list[tuple[str, str, bool]]:
    """Table, key and whether there is a value, of each change."""
    return [(change.table, change.key, change.value is not None) for change in state.take_changes()]


def test_a_value_changed_ten_times_is_written_once_as_it_is_at_the_end(state: PartitionState, stores: Stores) -> None:
    for number in range(10):
        state.write(Step(conversation=replace(KNOWN, last_activity_ms=number)))
    changes = list(state.take_changes())
    assert [(change.table, change.key, change.due_at_ms) for change in changes] == [(CONVERSATIONS, "cv-1", 9_000)]
    assert stored(stores[CONVERSATIONS]) == {b"cv-1": (3, changes[0].value)}
    found = PartitionState(3, stores).conversation("cv-1")
    assert found == replace(KNOWN, last_activity_ms=9)


def test_what_was_taken_is_not_taken_again(state: PartitionState) -> None:
    state.write(Step(conversation=KNOWN, requests=[REQUEST], seen=[("a", Seen(60_000))]))
    assert len(taken(state)) == 3
    assert taken(state) == []


def test_a_step_reads_what_the_steps_before_it_wrote(state: PartitionState) -> None:
    state.write(Step(conversation=KNOWN, requests=[REQUEST], seen=[("a", Seen(60_000))]))
    assert (state.conversation("cv-1"), state.request("cv-1", "r-1")) == (KNOWN, REQUEST)
    assert (state.seen("a"), state.seen("b")) == (Seen(60_000), None)


def test_a_stored_key_belongs_to_the_partition(state: PartitionState, stores: Stores) -> None:
    state.write(Step(requests=[REQUEST]))
    list(state.take_changes())
    assert list(stores[ROUTING].keys_by_partition()) == [(3, b"cv-1|r-1")]


@pytest.mark.parametrize("committed", [pytest.param(True, id="committed"), pytest.param(False, id="in the same one")])
def test_what_is_dropped_is_gone_at_once_and_leaves_a_tombstone(
    state: PartitionState, stores: Stores, committed: bool
) -> None:
    state.write(Step(conversation=KNOWN))
    if committed:
        list(state.take_changes())
    state.write(Step(dropped=[(CONVERSATIONS, "cv-1")]))
    assert (state.conversation("cv-1"), state.due_at_ms(CONVERSATIONS, "cv-1")) == (None, None)
    assert list(state.take_changes()) == [ChangelogRecord(CONVERSATIONS, "cv-1", None)]
    assert stored(stores[CONVERSATIONS]) == {}
    assert list(stores[CONVERSATIONS].keys_by_partition()) == []


def test_what_comes_back_after_it_was_dropped_is_written(state: PartitionState) -> None:
    state.write(Step(conversation=KNOWN))
    list(state.take_changes())
    state.write(Step(dropped=[(CONVERSATIONS, "cv-1")]))
    state.write(Step(conversation=KNOWN))
    assert taken(state) == [(CONVERSATIONS, "cv-1", True)]


def test_seen_entries_become_a_segment_that_is_forgotten_as_a_whole(state: PartitionState, stores: Stores) -> None:
    state.write(Step(seen=[("a", Seen(60_000)), ("b", Seen(60_000))]))
    (change,) = state.take_changes()
    assert (change.table, change.due_at_ms) == (SEEN, 60_000)
    assert stored(stores[SEEN]) == {change.key.encode(): (3, change.value)}
    restored = PartitionState(3, stores)
    restored.load_seen(change.key.encode(), change.value or b"")
    assert (restored.seen("a"), restored.seen("b")) == (Seen(60_000), Seen(60_000))
    restored.drop(SEEN, change.key)
    assert (restored.seen("a"), restored.seen("b")) == (None, None)
    assert list(restored.take_changes()) == [ChangelogRecord(SEEN, change.key, None)]


def test_an_uncommitted_value_is_known_to_queries_and_timers(state: PartitionState) -> None:
    state.write(Step(requests=[replace(REQUEST, due_at_ms=5)]))
    assert [value.key for value in state.dirty_requests()] == ["cv-1|r-1"]
    assert state.due_at_ms(ROUTING, "cv-1|r-1") == 5


def test_many_entries_of_one_minute_become_several_segments_that_are_all_known_again(
    state: PartitionState, stores: Stores
) -> None:
    keys = [f"key-{number}" for number in range(2 * MOST_DIGESTS + 1)]
    state.write(Step(seen=[(key, Seen(60_000)) for key in keys]))
    changes = list(state.take_changes())
    assert [len(change.value or b"") // DIGEST_BYTES for change in changes] == [MOST_DIGESTS, MOST_DIGESTS, 1]
    assert len({change.key for change in changes}) == 3
    restored = PartitionState(3, stores)
    for change in changes:
        restored.load_seen(change.key.encode(), change.value or b"")
    assert all(restored.seen(key) == Seen(60_000) for key in keys)
    for change in changes:
        restored.drop(SEEN, change.key)
    assert not any(restored.seen(key) for key in keys)
