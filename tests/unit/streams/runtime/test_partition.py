"""One partition's transaction: alone, whole or not at all, and never lost in silence."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from streams.runtime import partition as partition_module
from streams.runtime.errors import TransactionLost
from streams.runtime.partition import CommitTimes, OwnedPartition
from streams.runtime.partitions import Partitions
from tests.support.memory_transactions import MemoryCluster, MemoryTransactions

PATIENCE_S = 10.0


class Rig:
    """A partition on an in-memory cluster; what it lost is kept instead of ending the process."""

    def __init__(self, executor: ThreadPoolExecutor) -> None:
        self.executor = executor
        self.use(MemoryTransactions())
        self.lost: list[TransactionLost] = []

    def use(self, producer: MemoryTransactions) -> None:
        """Before a partition is made."""
        self.producer = producer
        self.cluster = producer.cluster

    def partition(
        self,
        *,
        linger_s: float = 0.001,
        max_open_s: float = 30.0,
        settle_s: float = 30.0,
        before_commit: Callable[[OwnedPartition], None] = lambda _: None,
    ) -> OwnedPartition:
        return OwnedPartition(
            0,
            self.producer,
            self.executor,
            self.lost.append,
            before_commit,
            CommitTimes(linger_s=linger_s, max_open_s=max_open_s, settle_timeout_s=settle_s),
        )

    def values(self) -> list[bytes | None]:
        return [value for _, _, value in self.cluster.records]


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    with ThreadPoolExecutor(4) as executor:
        rig = Rig(executor)
        yield rig
        rig.producer.answers.set()


async def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        await asyncio.sleep(0.002)


async def put(partition: OwnedPartition, value: bytes, next_offset: int) -> None:
    async with partition.batch() as producer:
        producer.produce("out", value)
        partition.advance("in", next_offset)


async def test_outputs_and_offsets_become_visible_together(rig: Rig) -> None:
    partition = rig.partition()
    await put(partition, b"a", 3)
    await put(partition, b"b", 7)
    assert rig.values() == []
    await partition.commit()
    assert (rig.values(), rig.cluster.offsets) == ([b"a", b"b"], {("in", 0): 7})


async def test_what_is_written_before_a_commit_is_in_its_transaction(rig: Rig) -> None:
    partition = rig.partition(before_commit=lambda owned: owned.producer.produce("changelog", b"last"))
    await partition.commit()
    assert rig.values() == []  # nothing is open
    await put(partition, b"a", 1)
    await partition.commit()
    assert (rig.values(), rig.cluster.offsets) == ([b"a", b"last"], {("in", 0): 1})


async def test_a_failure_before_a_commit_ends_the_process_without_it(rig: Rig) -> None:
    def fail(_: OwnedPartition) -> None:
        raise ZeroDivisionError

    partition = rig.partition(before_commit=fail)
    await put(partition, b"a", 1)
    with pytest.raises(TransactionLost):
        await partition.commit()
    assert (rig.values(), rig.cluster.offsets, len(rig.lost)) == ([], {}, 1)


async def test_an_offset_is_committed_with_its_own_transaction_only(rig: Rig) -> None:
    partition = rig.partition()
    await put(partition, b"a", 3)
    await partition.commit()
    rig.cluster.offsets.clear()
    async with partition.batch() as producer:  # a timer: outputs, no input
        producer.produce("out", b"timer")
    await partition.commit()
    assert (rig.values(), rig.cluster.offsets) == ([b"a", b"timer"], {})


async def test_a_batch_waits_for_the_commit_that_is_under_way(rig: Rig) -> None:
    partition = rig.partition()
    await put(partition, b"a", 1)
    rig.producer.answers.clear()
    commit = asyncio.create_task(partition.commit())
    await until(rig.producer.asked.is_set, "the commit to reach the producer")
    batch = asyncio.create_task(put(partition, b"b", 2))
    await asyncio.sleep(0)  # the batch had its chance to overlap
    await asyncio.sleep(0)
    rig.producer.answers.set()
    await asyncio.gather(commit, batch)
    assert (rig.values(), rig.lost) == ([b"a"], [])
    await partition.commit()
    assert rig.values() == [b"a", b"b"]


async def test_a_commit_whose_caller_is_cancelled_is_finished_before_the_next_batch(rig: Rig) -> None:
    partition = rig.partition()
    await put(partition, b"a", 1)
    rig.producer.answers.clear()
    caller = asyncio.create_task(partition.commit())
    await until(rig.producer.asked.is_set, "the commit to reach the producer")
    caller.cancel()
    batch = asyncio.create_task(put(partition, b"b", 2))
    await asyncio.sleep(0.01)  # the batch had its chance to overlap
    rig.producer.answers.set()
    await batch
    await partition.commit()
    assert caller.cancelled()
    assert (rig.values(), rig.cluster.offsets, rig.cluster.commits) == ([b"a", b"b"], {("in", 0): 2}, 2)


async def test_two_commits_at_once_do_not_overlap(rig: Rig) -> None:
    partition = rig.partition()
    await put(partition, b"a", 1)
    await asyncio.gather(partition.commit(), partition.commit())
    assert (rig.cluster.commits, rig.lost) == (1, [])


async def fail_half_way(partition: OwnedPartition) -> None:
    async def batch() -> None:
        async with partition.batch() as producer:
            producer.produce("out", b"half")
            partition.advance("in", 9)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await batch()


async def test_a_half_applied_batch_is_aborted_and_ends_the_process(rig: Rig) -> None:
    partition = rig.partition()
    await put(partition, b"whole", 1)
    await fail_half_way(partition)
    with pytest.raises(TransactionLost, match="half applied"):
        await partition.commit()
    assert (rig.values(), rig.cluster.offsets, rig.producer.open) == ([], {}, [])
    assert len(rig.lost) == 1


async def test_nothing_is_added_to_a_half_applied_batch(rig: Rig) -> None:
    partition = rig.partition()
    await fail_half_way(partition)
    with pytest.raises(TransactionLost, match="half applied"):
        await put(partition, b"next", 10)


async def test_batches_of_a_busy_partition_share_a_transaction(rig: Rig) -> None:
    partition = rig.partition(max_open_s=0.2)
    for offset in range(1, 6):
        await put(partition, b"%d" % offset, offset)
        partition.commit_soon(drained=False)
    await until(lambda: rig.cluster.commits > 0, "the commit")
    assert (len(rig.values()), rig.cluster.commits) == (5, 1)


async def test_a_partition_that_is_drained_commits_now_though_a_later_commit_was_planned(rig: Rig) -> None:
    partition = rig.partition(max_open_s=3600.0)
    await put(partition, b"a", 1)
    partition.commit_soon(drained=False)
    await put(partition, b"b", 2)
    partition.commit_soon(drained=True)
    await until(lambda: rig.values() == [b"a", b"b"], "the commit of the drained partition")


async def test_a_batch_that_came_during_a_commit_is_committed_after_it(rig: Rig) -> None:
    partition = rig.partition()
    await put(partition, b"a", 1)
    rig.producer.answers.clear()
    partition.commit_soon(drained=True)
    await until(rig.producer.asked.is_set, "the commit to reach the producer")
    second = asyncio.create_task(put(partition, b"b", 2))
    rig.producer.answers.set()
    await second
    partition.commit_soon(drained=True)
    await until(lambda: rig.values() == [b"a", b"b"], "the second commit")


@pytest.mark.parametrize(
    "failure",
    [
        pytest.param(TransactionLost(0, "fenced", fenced=True), id="lost"),
        pytest.param(RuntimeError("a client in a bad state"), id="anything else"),
    ],
)
async def test_a_commit_that_fails_in_the_background_ends_the_process(rig: Rig, failure: Exception) -> None:
    partition = rig.partition()
    await put(partition, b"a", 1)
    rig.producer.failure = failure
    partition.commit_soon(drained=True)
    await until(lambda: len(rig.lost) == 1, "the loss to be told")
    assert str(failure) in str(rig.lost[0])


async def test_a_commit_that_is_never_answered_ends_the_process(rig: Rig) -> None:
    partition = rig.partition(settle_s=0.05)
    await put(partition, b"a", 1)
    rig.producer.answers.clear()
    partition.commit_soon(drained=True)
    await until(lambda: len(rig.lost) == 1, "the loss to be told")
    assert "did not settle it in 0.05 s" in str(rig.lost[0])


async def test_a_record_that_met_a_full_queue_goes_out_when_the_broker_has_taken_some(rig: Rig) -> None:
    rig.use(MemoryTransactions(queue_size=3, drained_at_once=1))
    partition = rig.partition()
    async with partition.batch():
        for number in range(10):
            partition.produce_when_room("out", b"%d" % number, b"k")
        partition.advance("in", 10)
    await partition.commit()
    assert (rig.values(), rig.lost) == ([b"%d" % number for number in range(10)], [])


async def produce(partition: OwnedPartition, count: int) -> None:
    async with partition.batch():
        for _ in range(count):
            partition.produce_when_room("out", b"v", b"k")


async def test_a_queue_that_is_never_emptied_ends_the_process_after_the_settle_time_out(rig: Rig) -> None:
    rig.use(MemoryTransactions(queue_size=3))
    partition = rig.partition(settle_s=0.05)
    began = time.monotonic()
    with pytest.raises(TransactionLost, match=r"queue was full; it waited 0\.05 s"):
        await produce(partition, 4)
    assert 0.05 <= time.monotonic() - began < PATIENCE_S
    assert len(rig.lost) == 1


async def test_waits_for_room_count_together_until_a_commit(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(partition_module, "time", clock)

    class TwoSecondsEach(MemoryTransactions):
        def make_room(self) -> None:
            clock.now_s += 2
            super().make_room()

    rig.use(TwoSecondsEach(queue_size=1, drained_at_once=1))
    partition = rig.partition(settle_s=5)
    for _ in range(2):
        await produce(partition, 3)  # two waits
        await partition.commit()
    assert (len(rig.values()), rig.lost) == (6, [])
    await produce(partition, 3)
    with pytest.raises(TransactionLost, match="queue was full"):
        await produce(partition, 1)


class Clock:
    """In place of the module `time`."""

    now_s = 0.0

    def monotonic(self) -> float:
        return self.now_s


async def test_a_transaction_that_fills_most_of_the_queue_is_to_be_committed_first(rig: Rig) -> None:
    rig.use(MemoryTransactions(queue_size=5))
    partition = rig.partition()
    for number in range(4):
        await put(partition, b"v", number)
    assert not partition.must_commit_first()
    await put(partition, b"v", 5)
    assert partition.must_commit_first()
    await partition.commit()
    assert not partition.must_commit_first()


def owned(cluster: MemoryCluster, lost: list[TransactionLost], failure: Exception | None = None) -> Partitions:
    def new_producer(number: int) -> MemoryTransactions:
        producer = MemoryTransactions(number, cluster)
        producer.failure = failure
        return producer

    times = CommitTimes(linger_s=3600.0, max_open_s=3600.0, settle_timeout_s=30.0)
    return Partitions(new_producer, lost.append, lambda _: None, times)


def number(partitions: Partitions, number: int) -> OwnedPartition:
    found = partitions.get(number)
    assert found is not None
    return found


async def test_a_released_partition_is_committed_before_it_is_forgotten() -> None:
    cluster, lost = MemoryCluster(), list[TransactionLost]()
    partitions = owned(cluster, lost)
    await partitions.open({0, 1})
    await put(number(partitions, 0), b"kept", 1)
    await partitions.release({0, 5})
    assert [value for _, _, value in cluster.records] == [b"kept"]
    assert (partitions.get(0), len(partitions), lost) == (None, 1, [])


async def test_an_assignment_fences_the_previous_owner() -> None:
    cluster, lost = MemoryCluster(), list[TransactionLost]()
    zombie, successor = owned(cluster, lost), owned(cluster, [])
    await zombie.open({0})
    await put(number(zombie, 0), b"late", 1)
    await successor.open({0})
    with pytest.raises(TransactionLost):
        await zombie.release({0})
    assert (cluster.records, [each.fenced for each in lost]) == ([], [True])


async def test_an_assignment_that_cannot_be_opened_ends_the_process() -> None:
    lost: list[TransactionLost] = []
    with pytest.raises(TransactionLost):
        await owned(MemoryCluster(), lost, RuntimeError("no producer id")).open({0})
    assert "no producer id" in str(lost[0])


async def test_an_orderly_stop_commits_what_is_open() -> None:
    cluster, lost = MemoryCluster(), list[TransactionLost]()
    partitions = owned(cluster, lost)
    await partitions.open({0, 1})
    await put(number(partitions, 1), b"last", 4)
    await partitions.close()
    assert (cluster.offsets, lost) == ({("in", 0 + 1): 4}, [])
