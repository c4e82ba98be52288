"""Due times of one partition's state, in memory; the state itself is the truth.

A heap entry is a hint: when it comes up, the state value says whether it is really due. Rebuilt from the tables after
recovery, so no timer topic is needed. Each key has one hint, however often its value changes: a conversation of 5,000
messages moves its due time 5,000 times and must not leave 5,000 hints behind.
"""

import heapq
from collections.abc import Iterator


class DueHeap:
    """State keys by the time they want to be looked at."""

    def __init__(self) -> None:
        """Empty."""
        self._heap: list[tuple[int, tuple[str, str]]] = []
        self._hints: dict[tuple[str, str], int] = {}

    def __len__(self) -> int:
        """How many keys have a hint."""
        return len(self._hints)

    def add(self, due_ms: int, table: str, key: str) -> None:
        """`key` of `table` wants a look at `due_ms` (epoch ms). An earlier hint stays, and the look finds the rest."""
        name = (table, key)
        known = self._hints.get(name)
        if known is None or due_ms < known:
            self._hints[name] = due_ms
            heapq.heappush(self._heap, (due_ms, name))

    def next_due_ms(self) -> int | None:
        """The earliest due time, or None."""
        return self._heap[0][0] if self._heap else None

    def pop_due(self, until_ms: int, limit: int) -> Iterator[tuple[str, str]]:
        """Take out up to `limit` (table, key) whose time is not after `until_ms`, earliest first.

        The caller looks at the value, and adds the key again when it is due later.
        """
        taken = 0
        while taken < limit and self._heap and self._heap[0][0] <= until_ms:
            due_ms, name = heapq.heappop(self._heap)
            if self._hints.get(name) != due_ms:  # an earlier hint replaced it and has been taken
                continue
            del self._hints[name]
            taken += 1
            yield name

    def clear(self) -> None:
        """Forget all hints, before they are rebuilt."""
        self._heap.clear()
        self._hints.clear()
