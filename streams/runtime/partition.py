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
        *,
        commit_linger_s: float,
        max_open_s: float,
    ) -> None:
        """`on_lost` must end the process. A drained partition commits `commit_linger_s` after its batch, any other at
        the latest `max_open_s` after the first record of the transaction."""
        self.number = number
        self.producer = producer
        self.timers = DueHeap()
        self.transactions = 0
        self._executor = executor
        self._on_lost = on_lost
        self._commit_linger_s = commit_linger_s
        self._max_open_s = max_open_s
        # Produce and commit must never overlap: a timer and an agent committing one transaction at once get
        # _PREV_IN_PROGRESS, and the transaction is lost.
        self._lock = asyncio.Lock()
        self._next_offsets: dict[tuple[str, int], int] = {}
        self._opened_at = 0.0
        self._is_open = False
        self._is_whole = True
        self._committer: asyncio.Task[None] | None = None

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
        if self._committer is not None and not self._committer.done():
            return
        now = time.monotonic()
        wait_s = self._commit_linger_s if drained else max(0.0, self._opened_at + self._max_open_s - now)
        self._committer = asyncio.get_running_loop().create_task(self._commit_after(wait_s))

    async def _commit_after(self, wait_s: float) -> None:
        if wait_s > 0:
            await asyncio.sleep(wait_s)
        await self.commit()

    async def commit(self) -> None:
        """Commit what is open, or abort it when it is half a batch. Calls `on_lost` when it cannot be committed."""
        async with self._lock:
            if not self._is_open:
                return
            offsets, self._next_offsets = self._next_offsets, {}
            whole = self._is_whole
            work = self._settle if whole else self.producer.abort
            try:
                await asyncio.get_running_loop().run_in_executor(self._executor, work, *((offsets,) if whole else ()))
            except TransactionLost as lost:
                self._on_lost(lost)
                raise
            if not whole:
                self._on_lost(TransactionLost(self.number, "a batch was half applied; its transaction is aborted"))
            self._is_open = False
            self.transactions += 1

    def _settle(self, offsets: dict[tuple[str, int], int]) -> None:
        self.producer.commit(offsets)
