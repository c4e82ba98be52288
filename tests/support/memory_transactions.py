"""The transactional producer of one partition, in memory: same contract as the real one, and overlaps are errors."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from streams.runtime.errors import TransactionLost

Record = tuple[str, bytes | str | None, bytes | None]


class Overlap(Exception):
    """Two calls were under way at once; the real producer loses its transaction then."""


class MemoryCluster:
    """What is committed, in how many transactions, and who owns each partition. Producers share it as they do Kafka."""

    def __init__(self) -> None:
        self.commits = 0
        self.records: list[Record] = []
        self.offsets: dict[tuple[str, int], int] = {}
        self.owners: dict[int, object] = {}


class MemoryTransactions:
    """One producer. Calls on the cluster wait while `answers` is cleared; `failure` is raised by the next of them.

    Its queue takes `queue_size` records. Each `make_room` brings `drained_at_once` of them to the cluster.
    """

    def __init__(
        self,
        partition: int = 0,
        cluster: MemoryCluster | None = None,
        *,
        queue_size: int = 1_000_000,
        drained_at_once: int = 0,
    ) -> None:
        self.partition = partition
        self.cluster = cluster or MemoryCluster()
        self.answers = threading.Event()
        self.answers.set()
        self.asked = threading.Event()
        self.failure: Exception | None = None
        self.open: list[Record] = []
        self.headers: list[list[tuple[str, bytes]]] = []  # of each record in `open`
        self._offsets: dict[tuple[str, int], int] = {}
        self._is_begun = True
        self._queue_size = queue_size
        self._drained_at_once = drained_at_once
        self._queued = 0
        self._busy = threading.Lock()

    def initialise(self) -> None:
        """Fence the previous owner."""
        with self._call():
            self.cluster.owners[self.partition] = self

    def produce(
        self,
        topic: str,
        value: bytes | None,
        key: bytes | str | None = None,
        partition: int = -1,
        headers: list[tuple[str, bytes]] | None = None,
    ) -> None:
        """Into the open transaction."""
        with self._alone():
            assert self._is_begun, "no transaction is open"
            if self._queued >= self._queue_size:
                raise BufferError
            self._queued += 1
            self.open.append((topic, key, value))
            self.headers.append(headers or [])

    def send_offsets(self, offsets: Mapping[tuple[str, int], int]) -> None:
        """Into the open transaction."""
        with self._call():
            self._check_owner()
            self._offsets.update(offsets)

    def commit(self) -> None:
        """Make what was produced visible, with the offsets."""
        with self._call():
            self._check_owner()
            assert self._is_begun, "no transaction is open"
            self.cluster.records += self.open
            self.cluster.offsets.update(self._offsets)
            self.cluster.commits += 1
            self.open, self.headers, self._offsets, self._queued = [], [], {}, 0
            self._is_begun = False

    def begin(self) -> None:
        """Begin the next transaction."""
        with self._call():
            assert not self._is_begun, "the transaction before is not committed"
            self._is_begun = True

    def abort(self) -> None:
        """Drop what was produced."""
        with self._call():
            self._check_owner()
            self.open, self.headers, self._offsets, self._queued = [], [], {}, 0
            self._is_begun = False

    def poll(self) -> None:
        """Nothing to serve."""
        with self._alone():
            pass

    def is_nearly_full(self) -> bool:
        """True when a fifth of the queue is left."""
        return self._queued > self._queue_size * 0.8

    def make_room(self) -> None:
        """Bring some of what is queued to the cluster."""
        with self._alone():
            self._queued = max(0, self._queued - self._drained_at_once)

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
