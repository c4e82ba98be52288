"""Lanes: in order within a conversation, beside each other across conversations. Pure.

A lane is a queue with one key. Its head is either waiting for its turn or in progress; the second record of a lane
starts only after the first has finished. At most `max_lanes` heads are in progress. Lanes get their turn in the order
in which they asked, and a lane with more to do goes to the back of the queue as long as others wait, so that neither
a busy nor a stuck conversation keeps the others out.
"""

from collections import deque
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Lane = TypeVar("Lane", bound=Hashable)
Item = TypeVar("Item")


class Lanes(Generic[Lane, Item]):
    """Queues of items by lane. It does not bound how much is queued: whoever offers does."""

    def __init__(self, max_lanes: int) -> None:
        if max_lanes < 1:
            raise ValueError(f"max_lanes is {max_lanes}: at least one lane must be able to move")
        self._max_lanes = max_lanes
        self._queues: dict[Lane, deque[Item]] = {}
        self._turns: deque[Lane] = deque()
        self._in_progress: set[Lane] = set()

    def offer(self, lane: Lane, item: Item) -> None:
        """Put an item at the end of its lane."""
        queue = self._queues.get(lane)
        if queue is None:
            self._queues[lane] = queue = deque()
            self._turns.append(lane)
        queue.append(item)

    def start(self) -> tuple[Lane, Item] | None:
        """The next lane to move and its head, now in progress; None when none waits or `max_lanes` are moving."""
        if not self._turns or len(self._in_progress) >= self._max_lanes:
            return None
        lane = self._turns.popleft()
        self._in_progress.add(lane)
        return lane, self._queues[lane][0]

    def finish(self, lane: Lane) -> Item | None:
        """The head of a lane in progress is finished; the next one of that lane, now in progress, or None.

        None means that the lane is empty, or that it waits for its turn behind others. Raises `KeyError` for a lane
        that is not in progress.
        """
        self._in_progress.remove(lane)
        queue = self._queues[lane]
        queue.popleft()
        if not queue:
            del self._queues[lane]
            return None
        if self._turns:
            self._turns.append(lane)
            return None
        self._in_progress.add(lane)
        return queue[0]

    def trim(self, lost: Callable[[Lane], bool]) -> list[Item]:
        """Forget what has not started in the lanes for which `lost` is true; returns it. Heads in progress stay."""
        trimmed: list[Item] = []
        for lane in [lane for lane in self._queues if lost(lane)]:
            queue = self._queues[lane]
            if lane in self._in_progress:
                head = queue.popleft()
                trimmed.extend(queue)
                self._queues[lane] = deque([head])
            else:
                trimmed.extend(queue)
                del self._queues[lane]
        self._turns = deque(lane for lane in self._turns if lane in self._queues)
        return trimmed

    def drop(self, lost: Callable[[Lane], bool]) -> list[Item]:
        """Forget the lanes for which `lost` is true, heads in progress included; returns all their items.

        `finish` must not be called for them any more.
        """
        dropped: list[Item] = []
        for lane in [lane for lane in self._queues if lost(lane)]:
            dropped.extend(self._queues.pop(lane))
            self._in_progress.discard(lane)
        self._turns = deque(lane for lane in self._turns if lane in self._queues)
        return dropped

    @property
    def in_progress(self) -> int:
        """How many lanes are moving."""
        return len(self._in_progress)

    def __len__(self) -> int:
        """How many items are queued or in progress."""
        return sum(map(len, self._queues.values()))
