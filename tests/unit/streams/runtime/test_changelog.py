"""Changelog records into a store, and when a recovery is over."""

import asyncio
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from streams.runtime.changelog import apply_records, end_by_position
from streams.runtime.records import TopicPartition

P = TopicPartition("app-t-changelog", 1)


@dataclass
class Books:
    """The books of Faust's recovery service that are kept here, under its names."""

    highwater: int | None = None
    offset: int | None = None
    in_recovery: bool = True
    signal_recovery_end: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.store = SimpleNamespace(data={}, _key_partition={})
        self.active_tps = {P}
        self.tp_to_table = {P: SimpleNamespace(data=self.store)}
        self.active_offsets: dict[Any, int | None] = {P: self.offset}
        self.active_highwaters: dict[Any, int | None] = {P: self.highwater}

    def need_recovery(self) -> bool:
        return any(
            high is not None and (self.active_offsets[tp] or 0) < high for tp, high in self.active_highwaters.items()
        )

    def flush_buffers(self) -> None: ...

    def _set_recovery_ended(self) -> None:
        self.in_recovery = False


def record(offset: int, key: bytes, value: bytes | None) -> SimpleNamespace:
    return SimpleNamespace(offset=offset, key=key, value=value)


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        pytest.param([(0, b"a", b"1"), (1, b"a", b"2")], {b"a": b"2"}, id="the last value wins"),
        pytest.param([(0, b"a", b"1"), (1, b"a", None)], {}, id="no value deletes"),
        pytest.param([(0, b"a", None)], {}, id="deleting what is not there"),
        pytest.param([(0, b"a", b"1"), (1, b"a", None), (2, b"a", b"")], {b"a": b""}, id="an empty value is a value"),
    ],
)
def test_records_make_the_store(records: list[Any], expected: dict[bytes, bytes]) -> None:
    books = Books()
    apply_records(books, P, [record(*each) for each in records])
    assert books.store.data == expected
    assert books.store._key_partition == dict.fromkeys(expected, 1)
    assert books.active_offsets[P] == records[-1][0]


def test_records_before_the_position_are_skipped() -> None:
    books = Books(offset=5)
    apply_records(books, P, [record(4, b"a", b"old"), record(5, b"a", b"old"), record(6, b"b", b"new")])
    assert books.store.data == {b"b": b"new"}
    apply_records(books, P, [record(3, b"b", b"old")])
    assert (books.store.data, books.active_offsets[P]) == ({b"b": b"new"}, 6)


def test_records_of_a_partition_that_is_not_ours_are_dropped() -> None:
    books = Books()
    books.active_tps.clear()
    apply_records(books, P, [record(0, b"a", b"1")])
    assert books.store.data == {}


@pytest.mark.parametrize(
    ("offset", "position", "ends"),
    [
        pytest.param(9, None, True, id="the last record was applied"),
        pytest.param(7, 10, True, id="markers after the last record: only the position passes them"),
        pytest.param(None, 10, True, id="markers only"),
        pytest.param(7, 9, False, id="the highwater is still to be read"),
        pytest.param(7, None, False, id="no position yet"),
    ],
)
def test_a_recovery_ends_by_position(offset: int | None, position: int | None, ends: bool) -> None:
    books = Books(highwater=9, offset=offset)
    end_by_position(books, lambda tp: position)
    assert (books.signal_recovery_end.is_set(), books.in_recovery) == (ends, not ends)


def test_nothing_ends_outside_a_recovery() -> None:
    books = Books(highwater=9, offset=9, in_recovery=False)
    end_by_position(books, lambda tp: 10)
    assert not books.signal_recovery_end.is_set()
