"""The transactional producer of one partition, in memory: same contract as the real one, and it tells overlaps."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from streams.runtime.errors import TransactionLost

Record = tuple[str, bytes | None, bytes | None]


class Overlap(Exception):
    """Two calls were under way at once; the real producer loses its transaction then."""


class MemoryCluster:
    """What is committed, and who owns each partition. Producers share it as they share a Kafka."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.offsets: dict[tuple[str, int], int] = {}
        self.owners: dict[int, object] = {}


class MemoryTransactions:
    """One producer. Calls on the cluster wait while `answers` is cleared; `failure` is raised by the next of them."""

    def __init__(self, partition: int = 0, cluster: MemoryCluster | None = None) -> None:
        self.partition = partition
        self.cluster = cluster or MemoryCluster()
        self.answers = threading.Event()
        self.answers.set()
        self.asked = threading.Event()
        self.failure: Exception | None = None
        self.open: list[Record] = []
        self._busy = threading.Lock()

    def initialise(self) -> None:
        """Fence the previous owner."""
        with self._call():
            self.cluster.owners[self.partition] = self

    def produce(
        self,
        topic: str,
        value: bytes | None,
        key: bytes | None = None,
        partition: int = -1,
        headers: list[tuple[str, bytes]] | None = None,
    ) -> None:
        """Into the open transaction."""
        with self._alone():
            self.open.append((topic, key, value))

    def commit(self, offsets: Mapping[tuple[str, int], int]) -> None:
        """Make what was produced visible, with the offsets."""
        with self._call():
            self._check_owner()
            self.cluster.records += self.open
            self.cluster.offsets.update(offsets)
            self.open = []

    def abort(self) -> None:
        """Drop what was produced."""
        with self._call():
            self._check_owner()
            self.open = []

    def poll(self) -> None:
        """Nothing to serve."""
        with self._alone():
            pass

    def make_room(self) -> None:
        """The queue is never full."""

    def _check_owner(self) -> None:
        if self.cluster.owners.setdefault(self.partition, self) is not self:
            raise TransactionLost(self.partition, "another producer has this transactional id", fenced=True)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        if not self._busy.acquire(blocking=False):
            raise Overlap
        try:
            yield
        finally:
            self._busy.release()

    @contextmanager
    def _call(self) -> Iterator[None]:
        with self._alone():
            self.asked.set()
            assert self.answers.wait(30), "nobody let the call go on"
            failure, self.failure = self.failure, None
            if failure is not None:
                raise failure
            yield
