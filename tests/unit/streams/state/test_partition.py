"""The state of one partition: what a step reads, and what reaches the changelog."""

from types import SimpleNamespace
from typing import Any

import pytest
from msgspec.structs import replace

from schemas.topics import STATE_TABLES
from streams.core.model.state import Conversation, RoutingRequest, Seen
from streams.core.model.step import CONVERSATIONS, ROUTING, SEEN
from streams.state import partition as partition_state
from streams.state.partition import Change, PartitionState

KNOWN = Conversation("cv-1", "00D", started_at_ms=1_000, due_at_ms=9_000)
REQUEST = RoutingRequest("cv-1", "r-1")


@pytest.fixture
def stores() -> dict[str, Any]:
    return {table: SimpleNamespace(data={}, _key_partition={}) for table in STATE_TABLES}


@pytest.fixture
def state(stores: dict[str, Any]) -> PartitionState:
    return PartitionState(3, stores)


def taken(state: PartitionState) -> list[tuple[str, str, bool]]:
    """Table, key and whether there is a value, of each change."""
    return [(change.table, change.key, change.value is not None) for change in state.take_changes()]


def test_a_value_changed_ten_times_is_written_once_as_it_is_at_the_end(state: PartitionState, stores: Any) -> None:
    for number in range(10):
        state.put_conversation(replace(KNOWN, last_activity_ms=number))
    changes = list(state.take_changes())
    assert [(change.table, change.key, change.due_at_ms) for change in changes] == [(CONVERSATIONS, "cv-1", 9_000)]
    assert stores[CONVERSATIONS].data == {b"cv-1": changes[0].value}
    found = PartitionState(3, stores).conversation("cv-1")
    assert found == replace(KNOWN, last_activity_ms=9)


def test_what_was_taken_is_not_taken_again(state: PartitionState) -> None:
    state.put_conversation(KNOWN)
    state.put_request(REQUEST)
    state.see("a", Seen(60_000))
    assert len(taken(state)) == 3
    assert taken(state) == []


def test_a_step_reads_what_the_steps_before_it_wrote(state: PartitionState) -> None:
    state.put_conversation(KNOWN)
    state.put_request(REQUEST)
    state.see("a", Seen(60_000))
    assert (state.conversation("cv-1"), state.request("cv-1", "r-1")) == (KNOWN, REQUEST)
    assert (state.seen("a"), state.seen("b")) == (Seen(60_000), None)


def test_a_stored_key_belongs_to_the_partition(state: PartitionState, stores: Any) -> None:
    state.put_request(REQUEST)
    list(state.take_changes())
    assert stores[ROUTING]._key_partition == {b"cv-1|r-1": 3}


@pytest.mark.parametrize("committed", [pytest.param(True, id="committed"), pytest.param(False, id="in the same one")])
def test_what_is_dropped_is_gone_at_once_and_leaves_a_tombstone(
    state: PartitionState, stores: Any, committed: bool
) -> None:
    state.put_conversation(KNOWN)
    if committed:
        list(state.take_changes())
    state.drop(CONVERSATIONS, "cv-1")
    assert (state.conversation("cv-1"), state.due_at_ms(CONVERSATIONS, "cv-1")) == (None, None)
    assert list(state.take_changes()) == [Change(CONVERSATIONS, "cv-1", None)]
    assert (stores[CONVERSATIONS].data, stores[CONVERSATIONS]._key_partition) == ({}, {})


def test_what_comes_back_after_it_was_dropped_is_written(state: PartitionState) -> None:
    state.put_conversation(KNOWN)
    list(state.take_changes())
    state.drop(CONVERSATIONS, "cv-1")
    state.put_conversation(KNOWN)
    assert taken(state) == [(CONVERSATIONS, "cv-1", True)]


def test_seen_entries_become_a_segment_that_is_forgotten_as_a_whole(state: PartitionState, stores: Any) -> None:
    state.see("a", Seen(60_000))
    state.see("b", Seen(60_000))
    (change,) = state.take_changes()
    assert (change.table, change.due_at_ms, stores[SEEN].data) == (SEEN, 60_000, {change.key.encode(): change.value})
    restored = PartitionState(3, stores)
    restored.load_seen(change.key.encode(), change.value or b"")
    assert (restored.seen("a"), restored.seen("b")) == (Seen(60_000), Seen(60_000))
    restored.drop(SEEN, change.key)
    assert (restored.seen("a"), restored.seen("b")) == (None, None)
    assert list(restored.take_changes()) == [Change(SEEN, change.key, None)]


def test_an_uncommitted_value_is_known_to_queries_and_timers(state: PartitionState) -> None:
    state.put_request(replace(REQUEST, due_at_ms=5))
    assert [value.key for value in state.uncommitted(ROUTING)] == ["cv-1|r-1"]
    assert state.due_at_ms(ROUTING, "cv-1|r-1") == 5


def test_few_values_stay_decoded(state: PartitionState, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partition_state, "MAX_RECENT", 2)
    for number in range(3):
        state.put_conversation(replace(KNOWN, conversation_id=f"cv-{number}"))
    list(state.take_changes())
    assert state._conversations == {}
    assert state.conversation("cv-1") == replace(KNOWN, conversation_id="cv-1")
