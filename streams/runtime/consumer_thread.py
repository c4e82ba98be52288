"""The thread that fetches, and when each partition may be fetched.

Faust pauses partitions in its own books only, while the fetcher below goes on. A fetch that ends between a seek and
Faust's resume then moves the position past records that Faust drops: they are lost, from inputs and changelogs alike.
Here every partition is paused in aiokafka from its assignment on, and resumed in the same step as its seek. So all
that this thread hands out follows the recovered state, and none of it may be dropped.
"""

import asyncio
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from aiokafka.structs import TopicPartition as AiokafkaTopicPartition
from faust.transport.drivers import aiokafka as driver

from streams.runtime.foreign import FetchState, KafkaConsumer
from streams.runtime.records import FetchedRecord, TopicPartition

# Faust's 1500: one fetch is under way at a time, and while it waits for news of quiet partitions the others wait too:
# those that were resumed after it was sent, and in a backlog those whose records were still in the fetcher then. At
# 250 ms the core stood idle for 10 % of a backlog, at 50 ms it does not.
FETCH_MAX_WAIT_MS = 50


class ConsumerThread(driver.AIOKafkaConsumerThread):  # type: ignore[misc]  # faust has no types
    """Reads committed records only: outputs of an aborted transaction upstream must not become events.

    `assignment_epoch` counts revocations. What was handed out in an earlier epoch belongs to an earlier assignment.
    """

    assignment_epoch = 0

    def __init__(self, *args: object, **kwargs: object) -> None:
        """Faust's arguments."""
        super().__init__(*args, **kwargs)
        self._answers: dict[TopicPartition, _Answer] = {}
        self._looked_s = 0.0

    async def on_start(self) -> None:
        """Faust's start, with two settings that it does not offer."""
        self._consumer = self._create_consumer(loop=self.thread_loop)
        self._consumer._isolation_level = "read_committed"  # noqa: SLF001  Faust ties it to its own guarantee setting
        self._consumer._fetch_max_wait_ms = FETCH_MAX_WAIT_MS  # noqa: SLF001  Faust has no setting for it
        self.time_started = asyncio.get_running_loop().time()
        await self._consumer.start()

    # -- when a partition may be fetched
    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        """A new epoch begins: what is on its way to the event loop is not ours any more."""
        self.assignment_epoch += 1
        await super().on_partitions_revoked(revoked)

    async def on_partitions_assigned(self, assigned: set[TopicPartition], generation_id: int = 0) -> None:
        """Pause all of them until their state is recovered."""
        self._ensure_consumer().pause(*_theirs(assigned))  # before the first fetch: nothing was awaited since
        await super().on_partitions_assigned(assigned, generation_id)

    async def _seek_wait(self, consumer: KafkaConsumer, partitions: dict[TopicPartition, int]) -> None:
        """Faust's way to begin the reading of changelogs."""
        await super()._seek_wait(consumer, partitions)
        consumer.resume(*_theirs(partitions))

    async def start_inputs(
        self, inputs: Iterable[TopicPartition], changelogs: Iterable[TopicPartition]
    ) -> dict[TopicPartition, int | None] | None:
        """Let the inputs flow from their committed offsets, and the changelogs rest; returns the committed offsets.

        An input without a committed offset stays where its assignment put it (`auto.offset.reset`); nothing was read
        from it since. Returns None, and starts nothing, when a rebalance began meanwhile. Runs in this thread.
        """
        consumer: KafkaConsumer = self._ensure_consumer()
        epoch = self.assignment_epoch
        places = _theirs(inputs)
        found = await consumer._coordinator.fetch_committed_offsets(places)  # noqa: SLF001  one request, not one each
        if epoch != self.assignment_epoch:
            return None
        committed: dict[TopicPartition, int | None] = {}
        for place in places:
            offset = found[place].offset if place in found else -1
            committed[place] = offset if offset >= 0 else None
            if offset >= 0:
                consumer.seek(place, offset)
        consumer.pause(*_theirs(changelogs))
        consumer.resume(*places)
        return committed

    async def getmany(self, active_partitions: set[TopicPartition] | None, timeout: float) -> "Fetched":
        """Fetch once, for at most `timeout` seconds. Called on the event loop; the fetch runs in this thread."""
        fetched: Fetched = await super().getmany(active_partitions, timeout)
        return fetched

    async def _fetch_records(self, consumer: KafkaConsumer, *args: object, **kwargs: object) -> "Fetched":
        records = await super()._fetch_records(consumer, *args, **kwargs)
        # Nothing was awaited since the records left the fetcher: epoch and positions are those of this moment.
        return Fetched(self.assignment_epoch, records, self._lags(consumer))

    async def look(self) -> "Fetched":
        """What the fetcher knows by now, without records. Called on the event loop; runs in this thread.

        An answer comes after those of all fetches that ended before it: their records are on the event loop first.
        """
        found: Fetched = await self.call_thread(self._look)
        return found

    async def _look(self) -> "Fetched":
        return Fetched(self.assignment_epoch, {}, self._lags(self._ensure_consumer()))

    def _lags(self, consumer: KafkaConsumer) -> "dict[TopicPartition, Lag]":
        before, self._answers = self._answers, {}
        last_look_s, self._looked_s = self._looked_s, time.monotonic()
        lags = {}
        for tp, state in _states(consumer).items():
            offsets = _lag(state)
            if offsets is None or state.timestamp is None:
                continue
            answer = before.get(tp, _NO_ANSWER)
            if answer.stamp != state.timestamp:
                # It came after the last look. It was asked for after the answer before had come, for one request is
                # under way at a time: so what was on the broker by then is in it.
                answer = _Answer(state.timestamp, came_after_s=last_look_s, as_of_s=answer.came_after_s)
            self._answers[tp] = answer
            lags[tp] = Lag(offsets, answer.as_of_s)
        return lags

    def position_now(self, tp: TopicPartition) -> int | None:
        """The next offset the fetcher will hand out; None when it has none yet. Called from another thread."""
        state = _states(self._ensure_consumer()).get(tp)
        return None if state is None else state._position  # noqa: SLF001


@dataclass(frozen=True, slots=True)
class _Answer:
    """The latest answer about a partition: aiokafka's stamp of it, and times on the clock of `time.monotonic`."""

    stamp: int
    came_after_s: float
    as_of_s: float


_NO_ANSWER = _Answer(stamp=-1, came_after_s=0.0, as_of_s=0.0)


@dataclass(frozen=True, slots=True)
class Lag:
    """How many committed offsets are on the broker behind what the fetcher has handed out.

    All that was committed up to `as_of_s`, on the clock of `time.monotonic`, is counted.
    """

    offsets: int
    as_of_s: float


@dataclass(frozen=True, slots=True)
class Fetched:
    """Records that left the fetcher in an assignment epoch, by topic partition.

    `lags` says what the fetcher then knew to be left. A partition that was not fetched yet is not in it: what waits
    there is unknown.
    """

    assignment_epoch: int
    records: dict[TopicPartition, list[FetchedRecord]]
    lags: dict[TopicPartition, Lag]


def _states(consumer: KafkaConsumer) -> Mapping[TopicPartition, FetchState]:
    subscription = consumer._subscription.subscription  # noqa: SLF001  aiokafka shows it nowhere else
    if subscription is None or subscription.assignment is None:
        return {}
    return subscription.assignment._tp_state  # noqa: SLF001


def _lag(state: FetchState) -> int | None:
    # The position passes transaction markers too, and a fetch that found nothing tells the end all the same.
    if state._position is None or state.lso is None:  # noqa: SLF001
        return None
    return max(0, state.lso - state._position)  # noqa: SLF001


def _theirs(tps: Iterable[TopicPartition]) -> list[TopicPartition]:
    # aiokafka refuses any other class, also one that is equal
    return [AiokafkaTopicPartition(tp.topic, tp.partition) for tp in tps]
