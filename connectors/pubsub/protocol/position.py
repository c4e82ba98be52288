"""The positions of a subscription: up to where events are received, and up to where they are committed. Pure.

There are two, because they answer two questions. `resume` is where the next stream of this process goes on: everything
up to it is in memory and on its way to Kafka. `durable` is where another process would go on: everything up to it is
committed. Batches become durable in order, so a durable batch means that all batches before it are.
"""

from collections import deque
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class InFlight:
    """A batch that was received and is not durable yet. `replay_id` becomes the durable position with it."""

    sequence: int
    replay_id: bytes | None
    event_count: int
    size_bytes: int


class Position:
    """The positions of one subscription. Batches get consecutive sequence numbers, in the order they were received."""

    def __init__(self, committed: bytes | None) -> None:
        """`committed` is the stored replay id, None when there is none."""
        self.durable: bytes | None = committed
        self.resume: bytes | None = committed
        self.inflight_events = 0
        self.inflight_bytes = 0
        self._batches: deque[InFlight] = deque()
        self._next_sequence = 0

    @property
    def inflight_batches(self) -> int:
        """How many batches are received and not durable."""
        return len(self._batches)

    def received(self, replay_id: bytes | None, event_count: int = 0, size_bytes: int = 0) -> InFlight:
        """Number a batch that came in. `replay_id` None: it has no position of its own, the one before stays."""
        if replay_id:
            self.resume = replay_id
        batch = InFlight(self._next_sequence, self.resume, event_count, size_bytes)
        self._next_sequence += 1
        self._batches.append(batch)
        self.inflight_events += event_count
        self.inflight_bytes += size_bytes
        return batch

    def made_durable(self, sequence: int) -> None:
        """All batches up to and including `sequence` are durable.

        Raises `ValueError` for a sequence that was never received or is durable already: positions would be wrong.
        """
        if not self._batches or not self._batches[0].sequence <= sequence < self._next_sequence:
            raise ValueError(f"marking batch {sequence} durable: {len(self._batches)} in flight, this one is not")
        while self._batches and self._batches[0].sequence <= sequence:
            batch = self._batches.popleft()
            self.inflight_events -= batch.event_count
            self.inflight_bytes -= batch.size_bytes
            self.durable = batch.replay_id

    def forget(self) -> None:
        """Salesforce no longer has the position: the next stream starts from a preset."""
        self.resume = None
