"""The two dictionaries of Faust's store, kept in step."""

from dataclasses import dataclass

import pytest

from streams.state.store import TableStore
from tests.support.faust_store import MemoryStore


@dataclass(frozen=True, slots=True)
class Record:
    key: bytes
    value: bytes | None


def test_a_value_is_kept_with_its_partition_where_faust_prunes_by_it() -> None:
    faust = MemoryStore()
    store = TableStore(faust)
    store.put(b"a", b"1", 3)
    store.put(b"a", b"2", 3)
    assert (faust.data, faust._key_partition) == ({b"a": b"2"}, {b"a": 3})
    assert (b"a" in store, store.get(b"a"), b"b" in store, store.get(b"b")) == (True, b"2", False, None)


def test_what_is_dropped_is_told_and_leaves_nothing_behind() -> None:
    faust = MemoryStore()
    store = TableStore(faust)
    store.put(b"a", b"1", 3)
    assert (store.drop(b"a"), store.drop(b"a")) == (b"1", None)
    assert (faust.data, faust._key_partition) == ({}, {})


def test_keys_and_values_name_their_partition() -> None:
    store = TableStore(MemoryStore())
    store.put(b"a", b"1", 3)
    store.put(b"b", b"2", 0)
    assert list(store.keys_by_partition()) == [(3, b"a"), (0, b"b")]
    assert list(store.items_by_partition()) == [(3, b"a", b"1"), (0, b"b", b"2")]


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        pytest.param([(b"a", b"1"), (b"a", b"2")], {b"old": b"0", b"a": b"2"}, id="the last value wins"),
        pytest.param([(b"old", None)], {}, id="no value deletes"),
        pytest.param([(b"a", None)], {b"old": b"0"}, id="deleting what is not there"),
        pytest.param([(b"old", None), (b"old", b"")], {b"old": b""}, id="an empty value is a value"),
    ],
)
def test_changelog_records_are_applied_in_order(
    records: list[tuple[bytes, bytes | None]], expected: dict[bytes, bytes]
) -> None:
    faust = MemoryStore()
    store = TableStore(faust)
    store.put(b"old", b"0", 1)
    store.load([Record(*each) for each in records], 1)
    assert faust.data == expected
    assert faust._key_partition == dict.fromkeys(faust.data, 1)
