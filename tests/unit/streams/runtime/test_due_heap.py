"""Due times: earliest first, never before their time."""

import pytest

from streams.runtime.due_heap import DueHeap


def heap_of(*entries: tuple[int, str, str]) -> DueHeap:
    heap = DueHeap()
    for entry in entries:
        heap.add(*entry)
    return heap


@pytest.mark.parametrize(
    ("until_ms", "expected"),
    [
        pytest.param(9, [], id="one before"),
        pytest.param(10, [("t", "b")], id="exactly at its time"),
        pytest.param(30, [("t", "b"), ("t", "c"), ("t", "a")], id="earliest first"),
    ],
)
def test_entries_come_up_at_their_time(until_ms: int, expected: list[tuple[str, str]]) -> None:
    heap = heap_of((30, "t", "a"), (10, "t", "b"), (20, "t", "c"))
    assert list(heap.pop_due(until_ms, limit=10)) == expected
    assert len(heap) == 3 - len(expected)


def test_no_more_than_the_limit_come_up_at_once() -> None:
    heap = heap_of((1, "t", "a"), (2, "t", "b"), (3, "t", "c"))
    assert list(heap.pop_due(9, limit=2)) == [("t", "a"), ("t", "b")]
    assert heap.next_due_ms() == 3


def test_an_entry_due_at_zero_counts() -> None:
    assert heap_of((0, "t", "a")).next_due_ms() == 0


def test_an_empty_heap_is_never_due() -> None:
    heap = heap_of((1, "t", "a"))
    heap.clear()
    assert (heap.next_due_ms(), list(heap.pop_due(9, limit=1))) == (None, [])


def test_a_key_whose_due_time_moves_on_has_one_hint() -> None:
    heap = heap_of(*((due_ms, "t", "a") for due_ms in range(1, 5_001)))
    assert (len(heap), len(heap._heap)) == (1, 1)
    assert list(heap.pop_due(9_999, limit=10)) == [("t", "a")]


def test_an_earlier_due_time_comes_up_first_and_the_later_one_not_again() -> None:
    heap = heap_of((20, "t", "a"), (10, "t", "a"))
    assert list(heap.pop_due(10, limit=10)) == [("t", "a")]
    assert list(heap.pop_due(30, limit=10)) == []
    heap.add(40, "t", "a")
    assert list(heap.pop_due(40, limit=10)) == [("t", "a")]
