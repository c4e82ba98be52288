"""Writes batches to Kafka in transactions: in order, all that are waiting in one, with the position after the last.

While one transaction commits, the next batches collect: under load transactions grow by themselves, and when it is
quiet a single event is committed at once. Records are produced on the event loop, because producing only copies them
into the client's queue; calls that wait for the broker run in a thread. A batch stays in memory until it is durable: an
aborted transaction is produced again from memory, and nothing has to be read again from Salesforce.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Final

from connectors import clock
from connectors.errors import ConnectorError, TerminalError
from connectors.kafka.errors import AbortNeeded, Fenced, ProducerLost
from connectors.kafka.producer import TransactionalProducer
from connectors.kafka.records import ProducerRecord
from connectors.pubsub.converters.batch import Batch

log = logging.getLogger(__name__)

# Enough to make the cost of a commit vanish (1 ms in 100), few enough that the broker sees steady, moderate batches.
MAX_RECORDS: Final = 5_000
_EXPIRED_SHARE: Final = 0.8  # of a transaction's time; the calls that are counted begin up to 5 s after Kafka is away
_ABORTS: Final = 5
_ABORT_PAUSE_S: Final = 0.5


class TransactionWriter:
    """Writes batches through one producer, whose first transaction must have begun. Runs once, on one event loop."""

    def __init__(
        self,
        producer: TransactionalProducer,
        thread: ThreadPoolExecutor,
        *,
        transaction_timeout_s: float,
        position_record: Callable[[Sequence[Batch]], ProducerRecord | None],
        committed: Callable[[Sequence[Batch], float], None],
    ) -> None:
        """`position_record` makes the offset record of a transaction's batches, None when they move no position.

        `committed` is called after each transaction, on the event loop, with its batches and the seconds from its first
        record to its commit. `thread` has one worker: the calls of a producer come from one thread at a time.
        """
        self._producer = producer
        self._thread = thread
        self._transaction_timeout_s = transaction_timeout_s
        self._position_record = position_record
        self._committed = committed
        self._waiting: deque[Batch] = deque()
        self._wake = asyncio.Event()
        self._finishing = False

    def submit(self, batch: Batch) -> None:
        """Add a batch behind those submitted before. Does not wait: the subscription bounds what is in flight."""
        self._waiting.append(batch)
        self._wake.set()

    def finish(self) -> None:
        """No more batches come: `run` returns when all are durable."""
        self._finishing = True
        self._wake.set()

    async def run(self) -> None:
        """Commit what is submitted, until `finish`.

        Raises `Fenced`, `TerminalError`, or `ProducerLost` when a new producer is needed. A transaction that was not
        reported to `committed` is then visible as a whole or not at all; the next `init` settles which.
        """
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                batches, began_s = self._take(), clock.monotonic_s()
                begun = await self._write(batches)
                self._committed(batches, clock.monotonic_s() - began_s)
                if begun is not None:
                    raise begun
            if self._finishing:
                return

    def _take(self) -> list[Batch]:
        batches = [self._waiting.popleft()]
        records = len(batches[0].records)
        while self._waiting and records < MAX_RECORDS:
            batches.append(self._waiting.popleft())
            records += len(batches[-1].records)
        return batches

    async def _write(self, batches: Sequence[Batch]) -> ConnectorError | None:
        """Commit the batches in one transaction; return the error of beginning the next one, if any."""
        loop = asyncio.get_running_loop()
        position = self._position_record(batches)
        if position is None and not any(batch.records for batch in batches):
            return None  # an empty transaction is never committed
        unanswered_s = self._producer.unanswered_s
        try:
            for attempt in range(1, _ABORTS + 1):
                try:
                    await self._produce(batches, position)
                    return await loop.run_in_executor(self._thread, self._commit_and_begin)
                except AbortNeeded as error:
                    log.warning("transaction aborted", extra={"attempt": attempt, "reason": str(error)})
                    await asyncio.sleep(_ABORT_PAUSE_S * attempt)
                    await loop.run_in_executor(self._thread, self._abort_and_begin)
        except Fenced as error:
            away_s = self._producer.unanswered_s - unanswered_s
            if away_s < _EXPIRED_SHARE * self._transaction_timeout_s:
                raise
            # The brokers end a transaction that is open for too long, and fence its producer: Kafka was away for that
            # long. If somebody did take over, a new producer fences them in turn; one owner remains. The time in which
            # this process stood still does not count: then somebody else most likely has the task.
            raise ProducerLost(
                f"{error}; Kafka gave no answer for {away_s:.0f} s and its transaction expired"
            ) from error
        except TerminalError:
            # readers must not wait behind records that will never be committed
            with suppress(ConnectorError):
                await loop.run_in_executor(self._thread, self._producer.abort)
            raise
        raise ProducerLost(f"{_ABORTS} transactions in a row were aborted")

    async def _produce(self, batches: Sequence[Batch], position: ProducerRecord | None) -> None:
        for batch in batches:
            self._producer.produce(batch.records)
            await asyncio.sleep(0)  # the stream is read between the batches
        if position is not None:
            self._producer.produce([position])

    def _commit_and_begin(self) -> ConnectorError | None:
        self._producer.commit()
        try:
            self._producer.begin()
        except ConnectorError as error:  # the commit before has succeeded: it is reported before this is raised
            return error
        return None

    def _abort_and_begin(self) -> None:
        self._producer.abort()
        self._producer.begin()
