"""One owned source partition: its transaction, its lock, its timers, and when it commits.

The partition *number* owns the transaction: all co-partitioned input topics of that number share it, and so do the
changelogs and the outputs.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor
from contextlib import asynccontextmanager
from dataclasses import dataclass

from streams.runtime.due_heap import DueHeap
from streams.runtime.errors import TransactionLost
from streams.runtime.kafka_client import TransactionalProducer

ANY_PARTITION = -1  # the partitioner chooses by the key
Headers = list[tuple[str, bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitTimes:
    """When transactions are committed.

    A drained partition commits `linger_s` after its batch, any other at the latest `max_open_s` after the first record
    of the transaction. One that is not settled in `settle_timeout_s` is lost.
    """

    linger_s: float
    max_open_s: float
    settle_timeout_s: float


class OwnedPartition:
    """Everything a worker holds for one partition number, from assignment to revocation. Used on the event loop only.

    Crash: nothing to do. The next owner's `initialise` fences this producer and settles its open transaction before
    it reads offsets or changelogs.
    """

    def __init__(
        self,
        number: int,
        producer: TransactionalProducer,
        executor: Executor,
        on_lost: Callable[[TransactionLost], None],
        before_commit: "Callable[[OwnedPartition], None]",
        times: CommitTimes,
    ) -> None:
        """`before_commit` produces the changelog records of a transaction that is about to be committed.

        It may be called more than once for a transaction. `on_lost` must end the process: see `TransactionLost`.
        """
        self.number = number
        self.producer = producer
        self.timers = DueHeap()
        self._executor = executor
        self._on_lost = on_lost
        self._before_commit = before_commit
        self._times = times
        # Produce and commit must never overlap: a timer and an agent committing one transaction at once get
        # _PREV_IN_PROGRESS, and the transaction is lost.
        self._lock = asyncio.Lock()
        self._next_offsets: dict[tuple[str, int], int] = {}
        self._opened_at = 0.0
        self._is_open = False
        self._is_whole = True
        self._waited_for_room_s = 0.0
        self._commit_timer: asyncio.Handle | None = None
        self._commits_at = 0.0  # when the timer is due, on the clock of `time.monotonic`
        self._commits: set[asyncio.Task[None]] = set()
        self.commits = 0  # how many succeeded

    # -- what a batch does
    @asynccontextmanager
    async def batch(self) -> AsyncIterator[TransactionalProducer]:
        """Produce inside the partition's transaction, alone.

        When the body raises, is cancelled or is closed, the transaction is half a batch and can only be aborted, also
        by an orderly stop: a commit would carry the outputs with the previous batch's offset, and the restart would
        send them again. Raises `TransactionLost` when an earlier batch was left so.
        """
        async with self._lock:
            if not self._is_whole:
                raise TransactionLost(self.number, "an earlier batch was left half applied")
            if not self._is_open:
                self._is_open, self._opened_at = True, time.monotonic()
            self._is_whole = False
            yield self.producer
            self._is_whole = True

    def advance(self, topic: str, next_offset: int) -> None:
        """The open batch consumed `topic` up to, not including, `next_offset`. Call inside `batch()`."""
        self._next_offsets[topic, self.number] = next_offset

    def write_changelog(self) -> None:
        """Produce the changelog records of what has changed until now. Call inside `batch()`."""
        self._before_commit(self)

    def produce_when_room(
        self,
        topic: str,
        value: bytes | None,
        key: bytes | str | None,
        partition: int = ANY_PARTITION,
        headers: Headers | None = None,
    ) -> None:
        """`producer.produce` as soon as the client's queue has room. Call inside `batch()`; blocks the event loop.

        For a record that met `BufferError`: every record would pay a third more for passing here. While the broker is
        away no room comes. When the waits of one transaction have taken the settle time-out in sum, this calls
        `on_lost` and raises `TransactionLost`.
        """
        more = {} if headers is None else {"headers": headers}
        while True:
            try:
                self.producer.produce(topic, value, key, partition, **more)
            except BufferError:
                self._wait_for_room()
            else:
                return

    def _wait_for_room(self) -> None:
        began = time.monotonic()
        self.producer.make_room()
        self._waited_for_room_s += time.monotonic() - began
        if self._waited_for_room_s >= self._times.settle_timeout_s:
            waited = f"the client's queue was full; it waited {self._times.settle_timeout_s:g} s for Kafka to take some"
            raise self._lost(TransactionLost(self.number, waited))

    def must_commit_first(self) -> bool:
        """True when the open transaction fills most of the client's queue: commit it before the next batch."""
        return self._is_open and self.producer.is_nearly_full()

    def has_uncommitted_input(self) -> bool:
        """True while input was taken that is not committed yet."""
        return bool(self._next_offsets) or not self._is_whole

    def numbers(self) -> str:
        """What is open, for the log."""
        offsets = ",".join(f"{topic}:{offset}" for (topic, _), offset in sorted(self._next_offsets.items()))
        return (
            f"uncommitted={offsets or '-'} is_whole={self._is_whole} is_locked={self._lock.locked()}"
            f" has_timer={self._commit_timer is not None} commits_begun={len(self._commits)} commits={self.commits}"
        )

    # -- when to commit
    def commit_soon(self, *, drained: bool) -> None:
        """Have the open transaction committed; batches that come in the meantime go into the same one.

        `drained` says that no more input waits: see `CommitTimes`.
        """
        now = time.monotonic()
        rest_s = max(0.0, self._opened_at + self._times.max_open_s - now)
        wait_s = min(self._times.linger_s, rest_s) if drained else rest_s
        # The due time is kept here: for a delay that rounds to 0 ms uvloop returns a handle that cannot tell its own,
        # and a process that stood still for longer than `max_open_s` arrives here with no rest left.
        commits_at = now + wait_s
        if self._commit_timer is not None:
            if self._commits_at <= commits_at:
                return
            self._commit_timer.cancel()
        self._commits_at = commits_at
        self._commit_timer = asyncio.get_running_loop().call_later(wait_s, self._commit_now)

    def _commit_now(self) -> None:
        self._commit_timer = None
        self._begin_commit()

    async def commit(self) -> None:
        """Commit what is open, or abort it when it is half a batch.

        Calls `on_lost` and raises `TransactionLost` when it was not committed, whatever the reason. A caller that is
        cancelled leaves it to finish alone: the lock must be held for as long as the client is at work.
        """
        await asyncio.shield(self._begin_commit())

    def _begin_commit(self) -> asyncio.Task[None]:
        commit = asyncio.get_running_loop().create_task(self._commit())
        self._commits.add(commit)
        commit.add_done_callback(self._end_commit)
        return commit

    def _end_commit(self, commit: asyncio.Task[None]) -> None:
        self._commits.discard(commit)
        if not commit.cancelled():
            commit.exception()  # `on_lost` was called with it

    # -- the commit
    async def _commit(self) -> None:
        async with self._lock:
            if not self._is_open:
                return
            try:
                await self._settle()
            except Exception as failure:
                lost = failure if isinstance(failure, TransactionLost) else TransactionLost(self.number, repr(failure))
                raise self._lost(lost) from failure

    async def _settle(self) -> None:
        """The steps of a commit, in this order.

        1. Nothing of half a batch is committed: its transaction is aborted, and the process ends.
        2. Write the changelog records of what has changed since the last call of `before_commit`.
        3. Send the offsets of the inputs that were consumed: they become part of the transaction.
        4. Commit. The client sends all that waits in its queue first. Outputs, changelogs and offsets become visible
           together; a crash before this leaves none of them.
        5. Begin the next transaction at once, so that a batch need not wait for it.
        6. Forget the offsets. The partition has nothing open until its next batch.

        Steps 3 to 5 wait for Kafka, so they run in the executor, in one call: each hop there and back costs the event
        loop a turn. The lock is held from the first step to the last.
        """
        if not self._is_whole:
            await self._in_executor(self.producer.abort)
            raise TransactionLost(self.number, "a batch was half applied; its transaction is aborted")
        self.write_changelog()
        await self._in_executor(self._commit_in_kafka)
        self._next_offsets.clear()
        self._waited_for_room_s = 0.0
        self._is_open = False
        self.commits += 1

    def _commit_in_kafka(self) -> None:
        self.producer.send_offsets(self._next_offsets)
        self.producer.commit()
        self.producer.begin()

    async def _in_executor(self, call: Callable[[], None]) -> None:
        # The client's own time-outs do not hold: while a broker restarts its coordinator can vanish from the cluster's
        # metadata, and `send_offsets_to_transaction` then waits for it for ever (librdkafka issues 5456 and 5511, seen
        # with 2.16.0 at every restart of a single broker).
        try:
            async with asyncio.timeout(self._times.settle_timeout_s):
                await asyncio.get_running_loop().run_in_executor(self._executor, call)
        except TimeoutError as failure:
            waited = f"Kafka did not settle it in {self._times.settle_timeout_s:g} s"
            raise TransactionLost(self.number, waited) from failure

    def _lost(self, lost: TransactionLost) -> TransactionLost:
        self._on_lost(lost)
        return lost
