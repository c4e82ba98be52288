"""One owned source partition: its transaction, its lock, its timers, and when it commits.

The partition *number* owns the transaction: all co-partitioned input topics of that number share it, and so do the
changelogs and the outputs.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor
from contextlib import asynccontextmanager

from streams.runtime.errors import TransactionLost
from streams.runtime.kafka_client import TransactionalProducer
from streams.runtime.timers import DueHeap


class OwnedPartition:
    """Everything a worker holds for one partition number, from assignment to revocation.

    Crash: nothing to do. The next owner's `initialise` fences this producer and settles its open transaction before
    it reads offsets or changelogs.
    """

    def __init__(
        self,
        number: int,
        producer: TransactionalProducer,
        executor: Executor,
        on_lost: Callable[[TransactionLost], None],
        before_commit: "Callable[[OwnedPartition], None]" = lambda _: None,
        *,
        commit_linger_s: float,
        max_open_s: float,
        settle_timeout_s: float,
    ) -> None:
        """`before_commit` may produce the last records of a transaction that is about to be committed; `on_lost` must
        end the process.

        A drained partition commits `commit_linger_s` after its batch, any other at the latest `max_open_s` after the
        first record of the transaction. One that is not settled in `settle_timeout_s` is lost.
        """
        self.number = number
        self.producer = producer
        self.timers = DueHeap()
        self.transactions = 0
        self._executor = executor
        self._on_lost = on_lost
        self._before_commit = before_commit
        self._commit_linger_s = commit_linger_s
        self._max_open_s = max_open_s
        self._settle_timeout_s = settle_timeout_s
        # Produce and commit must never overlap: a timer and an agent committing one transaction at once get
        # _PREV_IN_PROGRESS, and the transaction is lost.
        self._lock = asyncio.Lock()
        self._next_offsets: dict[tuple[str, int], int] = {}
        self._opened_at = 0.0
        self._is_open = False
        self._is_whole = True
        self._commit_timer: asyncio.TimerHandle | None = None
        self._commits: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def batch(self) -> AsyncIterator[TransactionalProducer]:
        """Produce inside the partition's transaction, alone.

        When the body raises, the transaction is half a batch and can only be aborted, also by an orderly stop: a
        commit would carry the outputs with the previous batch's offset, and the restart would send them again.
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

    def commit_soon(self, *, drained: bool) -> None:
        """Have the open transaction committed; batches that come in the meantime go into the same one."""
        loop = asyncio.get_running_loop()
        rest_s = max(0.0, self._opened_at + self._max_open_s - time.monotonic())
        wait_s = min(self._commit_linger_s, rest_s) if drained else rest_s
        if self._commit_timer is not None:
            if self._commit_timer.when() <= loop.time() + wait_s:
                return
            self._commit_timer.cancel()
        self._commit_timer = loop.call_later(wait_s, self._commit_now)

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
            commit.exception()  # `on_lost` was told

    async def _commit(self) -> None:
        async with self._lock:
            if not self._is_open:
                return
            try:
                await self._settle()
            except Exception as failure:
                lost = failure if isinstance(failure, TransactionLost) else TransactionLost(self.number, repr(failure))
                self._on_lost(lost)
                raise lost from failure
            self._is_open = False
            self.transactions += 1

    async def _settle(self) -> None:
        if not self._is_whole:
            await self._run(self.producer.abort)
            raise TransactionLost(self.number, "a batch was half applied; its transaction is aborted")
        self._before_commit(self)
        offsets, self._next_offsets = self._next_offsets, {}
        await self._run(self.producer.commit, offsets)

    async def _run(self, call: Callable[..., None], *arguments: object) -> None:
        # The client's own time-outs do not hold: while a broker restarts its coordinator can vanish from the cluster's
        # metadata, and `send_offsets_to_transaction` then waits for it for ever (librdkafka issues 5456 and 5511, seen
        # with 2.16.0 at every restart of a single broker).
        try:
            async with asyncio.timeout(self._settle_timeout_s):
                await asyncio.get_running_loop().run_in_executor(self._executor, call, *arguments)
        except TimeoutError as failure:
            waited = f"Kafka did not settle it in {self._settle_timeout_s:g} s"
            raise TransactionLost(self.number, waited) from failure
