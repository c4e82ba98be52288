"""What an agent loops over: whole batches in their partition's transaction, and half a batch when its body fails."""

import asyncio
import gc
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from streams.runtime.batches import Batch, Batches, batches
from streams.runtime.errors import TransactionLost
from streams.runtime.handoff import Handoff
from streams.runtime.partition import CommitTimes, OwnedPartition
from streams.runtime.partitions import Partitions
from streams.runtime.records import TopicPartition
from streams.runtime.ticket import Ticket
from tests.support.memory_transactions import MemoryCluster, MemoryTransactions

P0 = TopicPartition("in", 0)


@dataclass(frozen=True, slots=True)
class Fetched:
    offset: int
    timestamp: int = 0


class Rig:
    """One owned partition, its input, and an agent's tickets. What is lost is kept instead of ending the process."""

    def __init__(self, *, queue_size: int = 1_000, max_batch: int = 2) -> None:
        self.cluster = MemoryCluster()
        self.lost: list[TransactionLost] = []
        self.handoff = Handoff(max_batch=max_batch)
        self.written_early = 0
        self.has_backlog = True
        self.queue: asyncio.Queue[Ticket] = asyncio.Queue()
        self.partitions = Partitions(
            lambda number: MemoryTransactions(number, self.cluster, queue_size=queue_size),
            self.lost.append,
            self._before_commit,
            CommitTimes(linger_s=3600, max_open_s=3600, settle_timeout_s=30),
        )

    def _before_commit(self, _partition: OwnedPartition) -> None:
        self.written_early += 1

    async def open(self) -> None:
        await self.partitions.open({0})

    def offer(self, *offsets: int) -> None:
        self.handoff.offer(P0, [Fetched(offset) for offset in offsets])
        self.queue.put_nowait(Ticket(P0))

    async def _tickets(self) -> AsyncIterator[Ticket]:
        while True:
            yield await self.queue.get()

    def batches(self) -> Batches:
        return batches(self._tickets(), self.handoff, self.partitions, lambda _: self.has_backlog)

    @property
    def partition(self) -> OwnedPartition:
        found = self.partitions.get(0)
        assert found is not None
        return found

    def values(self) -> list[bytes | None]:
        return [value for _, _, value in self.cluster.records]


@pytest.fixture
async def rig() -> Rig:
    rig = Rig()
    await rig.open()
    return rig


def put_out(batch: Batch) -> None:
    for record in batch.records:
        batch.partition.producer.produce("out", b"%d" % record.offset)


async def process(rig: Rig, taken: list[list[int]]) -> None:
    """An agent."""
    async with rig.batches() as found:
        async for batch in found:
            put_out(batch)
            taken.append([record.offset for record in batch.records])


async def until_idle(agent: asyncio.Task[None]) -> None:
    for _ in range(50):
        await asyncio.sleep(0)
    if agent.done():
        agent.result()


async def end(agent: asyncio.Task[None]) -> None:
    agent.cancel()
    with pytest.raises(asyncio.CancelledError):
        await agent


async def test_a_ticket_is_good_for_all_that_waits_and_offsets_follow_their_batch(rig: Rig) -> None:
    taken: list[list[int]] = []
    agent = asyncio.create_task(process(rig, taken))
    rig.offer(4, 5, 6)
    await until_idle(agent)
    await rig.partition.commit()
    assert taken == [[4, 5], [6]]
    assert (rig.values(), rig.cluster.offsets) == ([b"4", b"5", b"6"], {("in", 0): 7})
    await end(agent)


async def test_an_agent_that_waits_for_a_ticket_and_is_cancelled_leaves_whole_batches(rig: Rig) -> None:
    agent = asyncio.create_task(process(rig, []))
    rig.offer(0)
    await until_idle(agent)
    await end(agent)
    await rig.partition.commit()
    assert (rig.values(), rig.cluster.offsets, rig.lost) == ([b"0"], {("in", 0): 1}, [])


async def test_an_agent_that_is_cancelled_between_two_batches_leaves_whole_batches() -> None:
    rig = Rig(max_batch=1)
    await rig.open()
    taken: list[list[int]] = []
    agent = asyncio.create_task(process(rig, taken))
    rig.offer(*range(20))
    await asyncio.sleep(0)  # the agent runs until its first pause, which is behind a batch
    await end(agent)
    await rig.partition.commit()
    count = len(taken)
    assert 0 < count < 20
    assert (len(rig.values()), rig.cluster.offsets, rig.lost) == (count, {("in", 0): count}, [])


class Failure(Exception):
    """What the body raises."""


async def fail(rig: Rig) -> None:
    async with rig.batches() as found:
        async for batch in found:
            put_out(batch)
            raise Failure


async def leave(rig: Rig) -> None:
    async with rig.batches() as found:
        async for batch in found:
            put_out(batch)
            break


async def wait(rig: Rig) -> None:
    async with rig.batches() as found:
        async for batch in found:
            put_out(batch)
            await asyncio.Event().wait()


@pytest.mark.parametrize("body", [pytest.param(fail, id="raises"), pytest.param(leave, id="breaks")])
async def test_a_body_that_does_not_come_to_its_end_leaves_half_a_batch_that_is_aborted(rig: Rig, body) -> None:
    rig.offer(0, 1)
    agent = asyncio.create_task(body(rig))
    await asyncio.wait([agent])
    gc.disable()  # the exception keeps the agent's frame alive, as a crashed Faust agent does
    try:
        with pytest.raises(TransactionLost, match="half applied"):
            await asyncio.wait_for(rig.partition.commit(), 5)
    finally:
        gc.enable()
    assert (rig.values(), rig.cluster.offsets, len(rig.lost)) == ([], {}, 1)
    assert (agent.exception() is None) == (body is leave)


async def test_a_body_that_is_cancelled_leaves_half_a_batch_that_is_aborted(rig: Rig) -> None:
    rig.offer(0, 1)
    agent = asyncio.create_task(wait(rig))
    await until_idle(agent)
    await end(agent)
    with pytest.raises(TransactionLost, match="half applied"):
        await asyncio.wait_for(rig.partition.commit(), 5)
    assert (rig.values(), rig.cluster.offsets) == ([], {})


async def test_nothing_is_committed_while_a_batch_is_in_its_body(rig: Rig) -> None:
    rig.offer(0)
    agent = asyncio.create_task(wait(rig))
    await until_idle(agent)
    commit = asyncio.create_task(rig.partition.commit())
    await asyncio.sleep(0.05)
    assert not commit.done()
    await end(agent)
    with pytest.raises(TransactionLost):
        await commit


async def test_a_partition_that_moves_away_between_two_batches_gives_no_more(rig: Rig) -> None:
    taken: list[list[int]] = []

    async def revoke() -> None:
        rig.handoff.forget([P0])
        await rig.partitions.release({0})

    async def take_one() -> None:
        async with rig.batches() as found:
            async for batch in found:
                put_out(batch)
                taken.append([record.offset for record in batch.records])
                if len(taken) == 1:
                    revocations.append(asyncio.create_task(revoke()))

    revocations: list[asyncio.Task[None]] = []
    agent = asyncio.create_task(take_one())
    rig.offer(0, 1, 2, 3)
    await until_idle(agent)
    await asyncio.wait_for(revocations[0], 5)
    assert (rig.values(), rig.cluster.offsets, rig.lost) == ([b"0", b"1"], {("in", 0): 2}, [])
    await rig.open()  # it comes back
    rig.offer(2, 3)
    await until_idle(agent)
    assert taken == [[0, 1], [2, 3]]
    await end(agent)


async def test_a_partition_that_moves_away_while_its_agent_waits_for_the_lock_gives_nothing(rig: Rig) -> None:
    taken: list[list[int]] = []
    agent = asyncio.create_task(process(rig, taken))
    async with rig.partition.batch():  # a timer, or a commit
        rig.offer(0, 1)
        await until_idle(agent)
        rig.handoff.forget([P0])
    await until_idle(agent)
    await rig.partitions.release({0})
    assert (taken, rig.values(), rig.lost) == ([], [], [])
    await end(agent)


async def test_a_ticket_of_a_partition_that_moved_away_gives_nothing(rig: Rig) -> None:
    taken: list[list[int]] = []
    await rig.partitions.release({0})
    rig.offer(0)
    agent = asyncio.create_task(process(rig, taken))
    await until_idle(agent)
    assert taken == []
    await end(agent)


@pytest.mark.parametrize("has_backlog", [pytest.param(True, id="more waits"), pytest.param(False, id="drained")])
async def test_a_drained_partition_writes_its_changelog_before_the_commit_is_due(rig: Rig, has_backlog: bool) -> None:
    rig.has_backlog = has_backlog
    agent = asyncio.create_task(process(rig, []))
    rig.offer(0, 1)
    await until_idle(agent)
    assert (rig.written_early > 0) is not has_backlog
    await end(agent)


async def test_a_transaction_that_fills_most_of_the_clients_queue_is_committed_before_the_next_batch() -> None:
    rig = Rig(queue_size=10)
    await rig.open()
    all_taken = asyncio.Event()

    async def process_all() -> None:
        async with rig.batches() as found:
            async for batch in found:
                put_out(batch)
                if batch.records[-1].offset == 39:
                    all_taken.set()

    agent = asyncio.create_task(process_all())
    rig.offer(*range(40))
    await asyncio.wait_for(all_taken.wait(), 10)
    assert len(rig.values()) == rig.cluster.offsets["in", 0] >= 30
    await end(agent)
