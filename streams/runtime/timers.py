"""Due times of one partition's state, in memory; the state itself is the truth.

A heap entry is a hint: when it comes up, the state value says whether it is really due. Rebuilt from the tables after
recovery, so no timer topic is needed.
"""

import heapq
from collections.abc import Iterator


class DueHeap:
    """State keys by the time they want to be looked at."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, str, str]] = []

    def __len__(self) -> int:
        return len(self._heap)

    def add(self, due_ms: int, table: str, key: str) -> None:
        """`key` of `table` wants a look at `due_ms` (epoch ms)."""
        heapq.heappush(self._heap, (due_ms, table, key))

    def next_due_ms(self) -> int | None:
        """The earliest due time, or None."""
        return self._heap[0][0] if self._heap else None

    def pop_due(self, until_ms: int, limit: int) -> Iterator[tuple[str, str]]:
        """Take out up to `limit` (table, key) whose time is not after `until_ms`, earliest first."""
        taken = 0
        while taken < limit and self._heap and self._heap[0][0] <= until_ms:
            _, table, key = heapq.heappop(self._heap)
            taken += 1
            yield table, key

    def clear(self) -> None:
        """Forget all hints, before they are rebuilt."""
        self._heap.clear()
