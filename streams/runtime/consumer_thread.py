"""The thread that fetches, and the gate in front of it.

Faust pauses partitions in its own books only, while the fetcher below goes on. A fetch that ends between a seek and
Faust's resume then moves the position past records that Faust drops: they are lost, from inputs and changelogs alike.
Here every partition is paused in aiokafka from its assignment on, and resumed in the same step as its seek. So what
this thread hands out belongs to the state it will meet, and nothing that it hands out may be dropped.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from aiokafka.structs import TopicPartition
from faust.transport.drivers import aiokafka as driver
from faust.types.tuples import TP

# Faust's 1500: one fetch is under way at a time, and while it waits for news of quiet partitions the others wait too:
# those that were resumed after it was sent, and in a backlog those whose records were still in the fetcher then. At
# 250 ms the core stood idle for 10 % of a backlog, at 50 ms it does not.
FETCH_MAX_WAIT_MS = 50


class ConsumerThread(driver.AIOKafkaConsumerThread):  # type: ignore[misc]  # faust has no types
    """Reads committed records only: outputs of an aborted transaction upstream must not become events.

    `term` counts revocations. What was handed out in an earlier term belongs to an earlier assignment.
    """

    term = 0

    async def on_start(self) -> None:
        self._consumer = self._create_consumer(loop=self.thread_loop)
        self._consumer._isolation_level = "read_committed"  # noqa: SLF001  Faust ties it to its own guarantee setting
        self._consumer._fetch_max_wait_ms = FETCH_MAX_WAIT_MS  # noqa: SLF001  Faust has no setting for it
        self.time_started = asyncio.get_running_loop().time()
        await self._consumer.start()

    # -- the gate
    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        self.term += 1
        await super().on_partitions_revoked(revoked)

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        self._ensure_consumer().pause(*_theirs(assigned))  # before the first fetch: nothing was awaited since
        await super().on_partitions_assigned(assigned, generation_id)

    async def _seek_wait(self, consumer: Any, partitions: dict[TP, int]) -> None:
        """Faust's way to begin the reading of changelogs."""
        await super()._seek_wait(consumer, partitions)
        consumer.resume(*_theirs(partitions))

    async def start_inputs(self, inputs: Iterable[TP], changelogs: Iterable[TP]) -> dict[TP, int | None] | None:
        """Let the inputs flow from their committed offsets, and the changelogs rest; returns the committed offsets.

        An input without a committed offset stays where its assignment put it (`auto.offset.reset`); nothing was read
        from it since. Returns None, and starts nothing, when a rebalance began meanwhile. Runs in this thread.
        """
        consumer, term = self._ensure_consumer(), self.term
        places = _theirs(inputs)
        found = await consumer._coordinator.fetch_committed_offsets(places)  # noqa: SLF001  one request, not one each
        if term != self.term:
            return None
        committed: dict[TP, int | None] = {}
        for place in places:
            offset = found[place].offset if place in found else -1
            committed[TP(*place)] = offset if offset >= 0 else None
            if offset >= 0:
                consumer.seek(place, offset)
        consumer.pause(*_theirs(changelogs))
        consumer.resume(*places)
        return committed

    async def getmany(self, active_partitions: Any, timeout: float) -> "Fetched":
        fetched: Fetched = await super().getmany(active_partitions, timeout)
        return fetched

    async def _fetch_records(self, consumer: Any, *args: Any, **kwargs: Any) -> "Fetched":
        records = await super()._fetch_records(consumer, *args, **kwargs)
        # Nothing was awaited since the records left the fetcher: term and positions are those of this moment.
        states = _states(consumer).items()
        lags = {TP(*place): lag for place, state in states if (lag := _lag(state)) is not None}
        return Fetched(self.term, records, lags)

    def position_now(self, tp: TP) -> int | None:
        """The next offset the fetcher will hand out; None when it has none yet. Called from another thread."""
        state = _states(self._ensure_consumer()).get(TopicPartition(tp.topic, tp.partition))
        return None if state is None else state._position  # noqa: SLF001


@dataclass(frozen=True, slots=True)
class Fetched:
    """Records that left the fetcher in a term, and how many offsets it then knew to be committed behind its positions.

    A partition that was not fetched yet is not in `lags`: what waits there is unknown.
    """

    term: int
    records: dict[TP, list[Any]]
    lags: dict[TP, int]


def _states(consumer: Any) -> dict[TopicPartition, Any]:
    subscription = consumer._subscription.subscription  # noqa: SLF001  aiokafka shows it nowhere else
    if subscription is None or subscription.assignment is None:
        return {}
    states: dict[TopicPartition, Any] = subscription.assignment._tp_state  # noqa: SLF001
    return states


def _lag(state: Any) -> int | None:
    # The position passes transaction markers too, and a fetch that found nothing tells the end all the same.
    if state._position is None or state.lso is None:  # noqa: SLF001
        return None
    lag: int = state.lso - state._position  # noqa: SLF001
    return max(0, lag)


def _theirs(tps: Iterable[TP]) -> list[TopicPartition]:
    return [TopicPartition(tp.topic, tp.partition) for tp in tps]
