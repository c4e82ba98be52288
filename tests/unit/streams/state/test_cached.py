"""One table decoded: what is kept, what is read again, and what has changed."""

import pytest

from streams.core.model.state import Conversation
from streams.state import cached
from streams.state.cached import CachedTable, ChangelogRecord
from streams.state.store import TableStore
from tests.support.faust_store import MemoryStore

KNOWN = Conversation("cv-1", "00D", due_at_ms=9_000)


@pytest.fixture
def store() -> TableStore:
    return TableStore(MemoryStore())


@pytest.fixture
def table(store: TableStore) -> CachedTable[Conversation]:
    return CachedTable("conversations", Conversation, store, 3)


def test_a_change_reaches_the_store_with_its_changelog_record(
    store: TableStore, table: CachedTable[Conversation]
) -> None:
    table.put("cv-1", KNOWN)
    assert store.get(b"cv-1") is None
    (record,) = table.take_changes()
    assert record == ChangelogRecord("conversations", "cv-1", store.get(b"cv-1"), 9_000)
    assert CachedTable("conversations", Conversation, store, 3).get("cv-1") == KNOWN


def test_a_dropped_value_is_gone_from_the_store_and_from_what_is_dirty(
    store: TableStore, table: CachedTable[Conversation]
) -> None:
    table.put("cv-1", KNOWN)
    list(table.take_changes())
    table.put("cv-1", KNOWN)
    table.drop("cv-1")
    assert (table.get("cv-1"), store.get(b"cv-1"), table.dirty_values()) == (None, None, [])
    assert list(table.take_changes()) == [ChangelogRecord("conversations", "cv-1", None)]


@pytest.mark.parametrize(
    ("read", "stays"),
    [
        pytest.param(CachedTable.get, False, id="get"),
        pytest.param(CachedTable.get_and_keep, True, id="get_and_keep"),
    ],
)
def test_a_value_that_is_read_stays_decoded_when_it_is_asked_for_again(store: TableStore, read, stays: bool) -> None:
    writer = CachedTable("conversations", Conversation, store, 3)
    writer.put("cv-1", KNOWN)
    list(writer.take_changes())
    table = CachedTable("conversations", Conversation, store, 3)
    assert (read(table, "cv-1"), read(table, "cv-2")) == (KNOWN, None)
    assert (read(table, "cv-1") is read(table, "cv-1")) is stays


def test_few_values_stay_decoded(table: CachedTable[Conversation], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cached, "MAX_RECENT", 2)
    for number in range(2):
        table.put(f"cv-{number}", KNOWN)
    list(table.take_changes())
    assert table.get("cv-1") is KNOWN
    table.put("cv-2", KNOWN)
    list(table.take_changes())
    assert table.get("cv-1") is not KNOWN
    assert table.get("cv-1") == KNOWN
