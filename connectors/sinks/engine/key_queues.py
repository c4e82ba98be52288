"""Queues by key: in order within a key, beside each other across keys. Pure.

The head of a queue either waits for its turn or is in progress; the second item of a key starts only after the first
has finished. At most `max_in_progress` heads are in progress. Keys get their turn in the order in which they asked,
and a key with more to do goes to the back as long as others wait, so that neither a busy nor a stuck conversation
keeps the others out.
"""

from collections import deque
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Item = TypeVar("Item")


class KeyQueues(Generic[Key, Item]):
    """Items queued by key. How many are queued is not bounded here: whoever offers them bounds it."""

    def __init__(self, max_in_progress: int) -> None:
        """Raises `ValueError` when `max_in_progress` is below 1."""
        if max_in_progress < 1:
            raise ValueError(f"max_in_progress is {max_in_progress}: at least one key must be able to go on")
        self._max_in_progress = max_in_progress
        self._queues: dict[Key, deque[Item]] = {}
        self._turns: deque[Key] = deque()
        self._in_progress: set[Key] = set()

    def offer(self, key: Key, item: Item) -> None:
        """Put an item at the end of its key's queue."""
        queue = self._queues.get(key)
        if queue is None:
            self._queues[key] = queue = deque()
            self._turns.append(key)
        queue.append(item)

    def start(self) -> tuple[Key, Item] | None:
        """The next key and its head, now in progress; None when no key waits or `max_in_progress` are in progress."""
        if not self._turns or len(self._in_progress) >= self._max_in_progress:
            return None
        key = self._turns.popleft()
        self._in_progress.add(key)
        return key, self._queues[key][0]

    def finish(self, key: Key) -> Item | None:
        """The head of a key in progress is finished; returns the next item of that key, now in progress, or None.

        None means that the queue is empty, or that the key waits for its turn behind others. Raises `KeyError` for a
        key that is not in progress.
        """
        self._in_progress.remove(key)
        queue = self._queues[key]
        queue.popleft()
        if not queue:
            del self._queues[key]
            return None
        if self._turns:
            self._turns.append(key)
            return None
        self._in_progress.add(key)
        return queue[0]

    def drop_waiting(self, lost: Callable[[Key], bool]) -> list[Item]:
        """Forget what has not started of the keys for which `lost` is true; returns it. Heads in progress stay."""
        dropped: list[Item] = []
        for key in [key for key in self._queues if lost(key)]:
            queue = self._queues[key]
            if key in self._in_progress:
                head = queue.popleft()
                dropped.extend(queue)
                self._queues[key] = deque([head])
            else:
                dropped.extend(queue)
                del self._queues[key]
        self._turns = deque(key for key in self._turns if key in self._queues)
        return dropped

    def drop(self, lost: Callable[[Key], bool]) -> list[Item]:
        """Forget the keys for which `lost` is true, heads in progress included; returns all their items.

        `finish` must not be called for them any more.
        """
        dropped: list[Item] = []
        for key in [key for key in self._queues if lost(key)]:
            dropped.extend(self._queues.pop(key))
            self._in_progress.discard(key)
        self._turns = deque(key for key in self._turns if key in self._queues)
        return dropped

    @property
    def in_progress(self) -> int:
        """How many keys have a head in progress."""
        return len(self._in_progress)

    def __len__(self) -> int:
        """How many items are queued or in progress."""
        return sum(map(len, self._queues.values()))
