"""The partitions this worker owns: opened on assignment, committed and forgotten on revocation."""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

from streams.runtime.errors import TransactionLost
from streams.runtime.kafka_client import TransactionalProducer
from streams.runtime.partition import CommitTimes, OwnedPartition


class Partitions:
    """Owned partitions by number. Used on the event loop only."""

    def __init__(
        self,
        new_producer: Callable[[int], TransactionalProducer],
        on_lost: Callable[[TransactionLost], None],
        before_commit: Callable[[OwnedPartition], None],
        times: CommitTimes,
    ) -> None:
        """`new_producer` makes the producer of a partition number. The others are as in `OwnedPartition`."""
        self._new_producer = new_producer
        self._on_lost = on_lost
        self._before_commit = before_commit
        self._times = times
        self._owned: dict[int, OwnedPartition] = {}
        # One thread per partition number is enough: each has at most one blocking call at a time.
        self._executor = ThreadPoolExecutor(max_workers=64, thread_name_prefix="transaction")

    def __iter__(self) -> Iterator[OwnedPartition]:
        """The owned partitions at this moment."""
        return iter(list(self._owned.values()))

    def __len__(self) -> int:
        """How many are owned."""
        return len(self._owned)

    def get(self, number: int) -> OwnedPartition | None:
        """The partition, or None when another worker owns it."""
        return self._owned.get(number)

    async def open(self, numbers: set[int]) -> None:
        """Fence the previous owners of `numbers`, in parallel, off the event loop.

        Calls `on_lost` and raises `TransactionLost` when one of them cannot be opened.
        """
        new = [number for number in sorted(numbers) if number not in self._owned]
        loop = asyncio.get_running_loop()
        try:
            opened = await asyncio.gather(*(loop.run_in_executor(self._executor, self._open, n) for n in new))
        except Exception as failure:
            # aiokafka logs what its rebalance listener raises and goes on: the worker would own partitions and idle.
            lost = failure if isinstance(failure, TransactionLost) else TransactionLost(min(new), repr(failure))
            self._on_lost(lost)
            raise lost from failure
        self._owned.update((partition.number, partition) for partition in opened)

    def _open(self, number: int) -> OwnedPartition:
        producer = self._new_producer(number)
        producer.initialise()
        return OwnedPartition(number, producer, self._executor, self._on_lost, self._before_commit, self._times)

    async def release(self, numbers: set[int]) -> None:
        """Commit `numbers`, then forget them. Raises `TransactionLost` as `OwnedPartition.commit` does."""
        leaving = [self._owned[number] for number in numbers if number in self._owned]
        await asyncio.gather(*(partition.commit() for partition in leaving))
        for partition in leaving:
            del self._owned[partition.number]

    async def close(self) -> None:
        """Orderly stop: commit everything that is whole. Without Kafka it is lost after the settle time-out."""
        await self.release(set(self._owned))
