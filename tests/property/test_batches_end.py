"""What was offered is taken and committed in the end, by agents that share tickets on a real event loop.

Any history of fetches, cleared queues, partitions that move away and come back, a Kafka that answers late, and turns of
the loop in between. The agents are those of the app; the log and Kafka are in memory.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import pytest
import uvloop
from hypothesis import example, given, settings
from hypothesis import strategies as st

from streams.runtime.batches import batches
from streams.runtime.handoff import Handoff
from streams.runtime.partition import CommitTimes
from streams.runtime.partitions import Partitions
from streams.runtime.records import TopicPartition
from streams.runtime.ticket import Ticket
from tests.support.memory_transactions import MemoryCluster, MemoryTransactions

LOOPS = [pytest.param(asyncio.new_event_loop, id="asyncio"), pytest.param(uvloop.new_event_loop, id="uvloop")]
PLACES = [TopicPartition("in", 0), TopicPartition("in", 1), TopicPartition("decisions", 0)]
AGENTS = 2  # of each topic
PATIENCE_S = 5.0

_place = st.sampled_from(PLACES)
_fetch = st.tuples(st.just("fetch"), _place, st.integers(1, 7))
_turns = st.tuples(st.just("turns"), _place, st.integers(1, 12))
# Mostly fetches and turns: cleared queues and moves bring every ticket again, and would hide one that was lost before.
_steps = st.lists(
    st.one_of(
        *(_fetch, _turns) * 6,
        st.tuples(st.just("clear"), _place, st.just(0)),
        st.tuples(st.just("move"), _place, st.just(0)),
        st.tuples(st.just("pause"), _place, st.sampled_from([0, 1, 3])),
        st.tuples(st.just("late"), _place, st.sampled_from([0, 1, 2])),
    ),
    max_size=25,
)


@dataclass(frozen=True, slots=True)
class Fetched:
    offset: int
    timestamp: int = 0
    value: bytes = b""


class Worker:
    """Agents, their tickets, and two partition numbers that have a log each."""

    def __init__(self, times: CommitTimes) -> None:
        self.cluster, self.lost = MemoryCluster(), list[object]()
        self.producers: dict[int, MemoryTransactions] = {}
        self.partitions = Partitions(self._new_producer, self.lost.append, lambda _: None, times)
        self.handoff = Handoff(max_batch=3, max_waiting=8)
        self.queues: dict[str, asyncio.Queue[Ticket]] = {tp.topic: asyncio.Queue() for tp in PLACES}
        self.end = dict.fromkeys(PLACES, 0)  # of the log
        self.position = dict.fromkeys(PLACES, 0)  # of the fetcher

    def _new_producer(self, number: int) -> MemoryTransactions:
        self.producers[number] = MemoryTransactions(number, self.cluster)
        return self.producers[number]

    def committed(self, tp: TopicPartition) -> int:
        return self.cluster.offsets.get(tp, 0)

    def fetch(self, tp: TopicPartition, count: int) -> None:
        if tp in self.handoff.full() or self.partitions.get(tp.partition) is None:
            return
        start, self.position[tp] = self.position[tp], min(self.end[tp], self.position[tp] + count)
        if start < self.position[tp]:
            self.handoff.offer(tp, [Fetched(offset) for offset in range(start, self.position[tp])])
        self.deliver()

    def deliver(self) -> None:
        owned = [tp for tp in PLACES if self.partitions.get(tp.partition) is not None]
        for tp, _ in self.handoff.issue_tickets(owned):
            self.queues[tp.topic].put_nowait(Ticket(tp))

    def clear(self) -> None:
        for queue in self.queues.values():
            while not queue.empty():
                queue.get_nowait()
        self.handoff.reissue_tickets()

    async def move(self, number: int) -> None:
        """Away and back again, in the order of the consumer and of a recovery."""
        places = [tp for tp in PLACES if tp.partition == number]
        self.handoff.forget(places)
        await self.partitions.release({number})
        await self.partitions.open({number})
        for tp in places:
            self.position[tp] = self.committed(tp)
        self.clear()

    async def agent(self, topic: str) -> None:
        async with batches(self._tickets(topic), self.handoff, self.partitions, self._has_backlog) as found:
            async for batch in found:
                for record in batch.records:
                    batch.partition.producer.produce(f"{topic}-{batch.tp.partition}", b"%d" % record.offset)

    def _has_backlog(self, tp: TopicPartition) -> bool:
        return not self.handoff.is_empty(tp) or self.end[tp] - self.position[tp] > 3

    async def _tickets(self, topic: str) -> AsyncIterator[Ticket]:
        while True:
            yield await self.queues[topic].get()


@pytest.mark.parametrize("new_loop", LOOPS)
@settings(max_examples=100)
@example(
    steps=[("fetch", PLACES[0], 3), ("turns", PLACES[0], 12), ("fetch", PLACES[0], 3)], linger_ms=1.0, max_open_ms=5.0
)
@given(
    steps=_steps,
    linger_ms=st.sampled_from([0.0, 0.4, 1.0, 2.0]),
    max_open_ms=st.sampled_from([0.4, 1.0, 5.0]),
)
def test_all_that_was_offered_is_committed_once_in_the_end(
    new_loop: Callable[[], asyncio.AbstractEventLoop],
    steps: list[tuple[str, TopicPartition, int]],
    linger_ms: float,
    max_open_ms: float,
) -> None:
    times = CommitTimes(linger_s=linger_ms / 1000, max_open_s=max_open_ms / 1000, settle_timeout_s=30.0)

    async def run() -> Worker:
        worker = Worker(times)
        await worker.partitions.open({0, 1})
        async with asyncio.TaskGroup() as group:
            agents = [group.create_task(worker.agent(topic)) for topic in worker.queues for _ in range(AGENTS)]
            await _play(worker, steps)
            await _finish(worker)
            for agent in agents:
                agent.cancel()
        return worker

    with asyncio.Runner(loop_factory=new_loop) as runner:
        worker = runner.run(run())
    assert not worker.lost
    for tp in PLACES:
        sent = [
            int(value or b"") for topic, _, value in worker.cluster.records if topic == f"{tp.topic}-{tp.partition}"
        ]
        assert sent == list(range(worker.end[tp]))


async def _play(worker: Worker, steps: list[tuple[str, TopicPartition, int]]) -> None:
    for kind, tp, number in steps:
        if kind == "fetch":
            worker.end[tp] += number
            worker.fetch(tp, number)
        elif kind == "turns":
            for _ in range(number):
                await asyncio.sleep(0)
        elif kind == "clear":
            worker.clear()
            worker.deliver()
        elif kind == "move":
            await worker.move(tp.partition)
        elif kind == "pause":
            time.sleep(number / 1000)  # noqa: ASYNC251  the whole process stands still
        else:
            answers = worker.producers[tp.partition].answers
            answers.clear()
            asyncio.get_running_loop().call_later(number / 1000, answers.set)


async def _finish(worker: Worker) -> None:
    """Fetch on: nothing else brings out the rest."""
    deadline = time.monotonic() + PATIENCE_S
    while any(worker.committed(tp) < worker.end[tp] for tp in PLACES):
        for tp in PLACES:
            worker.fetch(tp, 7)
        standing = time.monotonic() > deadline
        assert not standing, [worker.handoff.numbers(tp) for tp in PLACES]
        await asyncio.sleep(0.0005)
