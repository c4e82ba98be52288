"""The Faust transport: aiokafka fetches, agents get tickets, offsets travel in transactions.

The only importer of aiokafka in this package. Stock behaviour that is replaced, and why, is said at each method.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any

from aiokafka.partitioner import murmur2
from aiokafka.structs import TopicPartition
from faust.transport.consumer import ensure_TP
from faust.transport.drivers import aiokafka as driver
from faust.types.tuples import TP, ConsumerMessage

from streams.runtime import changelog
from streams.runtime.ticket import Ticket

SMALL_FETCH = 200  # records; a smaller fetch is followed by a rest, so that low rates make fewer, larger batches


class ConsumerThread(driver.AIOKafkaConsumerThread):  # type: ignore[misc]  # faust has no types
    """Reads committed records only: outputs of an aborted transaction upstream must not become events."""

    async def on_start(self) -> None:
        self._consumer = self._create_consumer(loop=self.thread_loop)
        self._consumer._isolation_level = "read_committed"  # noqa: SLF001  Faust ties it to its own guarantee setting
        self.time_started = asyncio.get_running_loop().time()
        await self._consumer.start()


class Consumer(driver.Consumer):  # type: ignore[misc]  # faust has no types
    """Hands over whole batches and never commits by itself."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.handoff = self.app.handoff
        self._fetch_rest_s: float = self.app.fetch_rest_s

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    def _is_ticketed(self, tp: TP) -> bool:
        return tp.topic in self.app.ticketed_topics

    # -- Faust's own commit and its gap book-keeping stay away from our topics: a transactional input has a gap per
    # -- commit marker, and stock steps over records in flight at each of them.
    def _filter_tps_with_pending_acks(self, topics: Any = None) -> Iterator[TP]:
        return (tp for tp in super()._filter_tps_with_pending_acks(topics) if not self._is_ticketed(tp))

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        if not self._is_ticketed(tp):
            await super()._add_gap(tp, offset_from, offset_to)

    # -- ownership
    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Fence first: only then read highwaters, changelogs and committed offsets, or a zombie's last commit is
        missed."""
        await self.app.partitions.open({tp.partition for tp in assigned if self._is_ticketed(tp)})
        await super().on_partitions_assigned(assigned, generation_id)

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Finish, commit, then forget. Stock forgets first, and replays up to one commit interval."""
        self._active_partitions.difference_update(revoked)
        self._paused_partitions.difference_update(revoked)
        await self._on_partitions_revoked(revoked)
        await self.app.partitions.release({tp.partition for tp in revoked if self._is_ticketed(tp)})
        self.handoff.forget(revoked)
        for tp in revoked:
            for book in (self._gap, self._acked, self._acked_index, self._read_offset, self._committed_offset):
                book.pop(tp, None)

    async def on_stop(self) -> None:
        await self.app.partitions.close()
        await super().on_stop()

    # -- hand-off
    def _get_active_partitions(self) -> set[TP]:
        active: set[TP] = super()._get_active_partitions()
        full = self.handoff.full()
        return active - full if full else active

    async def _wait_next_records(self, timeout: float) -> Any:
        if self.flow_active and not self.app.client_only:
            if self.handoff.wants_ticket():
                timeout = 0.0  # the rest of a large batch waits for its ticket
            elif self.handoff.full():
                timeout = 0.02  # a full partition may be taken at any moment
            if not self._get_active_partitions():
                await asyncio.sleep(0.002)  # stock sleeps 1 s when every buffer is full
                return {}, set()
        return await super()._wait_next_records(timeout)

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Any]]:
        """Fetch, keep the records of our topics, and yield a ticket for each partition that has some waiting."""
        records, _ = await self._wait_next_records(timeout)
        generation = self.app.consumer_generation_id
        if records is None or self.should_stop:
            return
        if not self.flow_active:
            await self.perform_seek()
            return
        fetched = 0
        for tp, found in records.items():
            if not found:
                continue
            if tp.topic in self.app.tables.changelog_topics:
                changelog.apply_records(self.app.tables.recovery, ensure_TP(tp), found)
                await asyncio.sleep(0)
            elif self._is_ticketed(tp):
                # The fetch may have been asked for before a pause. Its records come again after the seek that ends
                # a recovery; taken now they would be processed against a half-restored state.
                if tp in super()._get_active_partitions():
                    fetched += self.handoff.offer(ensure_TP(tp), found)
            else:
                for record in found:
                    yield tp, self._to_message(tp, record)
        for tp, newest in self.handoff.issue_tickets():
            if not self.flow_active or self.app.consumer_generation_id != generation:
                self.handoff.withdraw_ticket(tp)
                continue
            yield tp, _ticket_message(tp, newest, generation)
        changelog.end_by_position(self.app.tables.recovery, self.position_now)
        if 0 < fetched < SMALL_FETCH:
            await asyncio.sleep(self._fetch_rest_s)

    # -- progress
    def _fetch_state(self, tp: TP) -> Any:
        subscription = self._thread._consumer._subscription.subscription  # noqa: SLF001  aiokafka shows it nowhere else
        if subscription is None or subscription.assignment is None:
            return None
        states = subscription.assignment._tp_state  # noqa: SLF001
        return states.get(TopicPartition(tp.topic, tp.partition))

    def position_now(self, tp: TP) -> int | None:
        """The next offset the fetcher will hand out, without asking the fetch thread; None when it has none yet."""
        state = self._fetch_state(tp)
        return None if state is None else state._position  # noqa: SLF001

    def is_drained(self, tp: TP) -> bool:
        """True when every record that is committed on the broker, as of the last fetch, was taken by an agent.

        A partition that was not fetched yet is not drained: what waits there is unknown.
        """
        if not self.handoff.is_empty(tp):
            return False
        state = self._fetch_state(tp)
        if state is None or state._position is None or state.lso is None:  # noqa: SLF001
            return False
        return bool(state._position >= state.lso)  # noqa: SLF001

    def watermark_ms(self, partition: int, now_ms: int) -> int:
        """The event time up to which the inputs of a partition number have been taken, epoch ms.

        A drained input counts as `now_ms`, any other as the timestamp of its newest record taken, -1 before the first.
        """
        mark = now_ms
        for tp in self._inputs_of(partition):
            if not self.is_drained(tp):
                mark = min(mark, self.handoff.last_timestamp_ms(tp))
        return mark

    def _inputs_of(self, partition: int) -> Iterable[TP]:
        return (TP(topic, partition) for topic in self.app.ticketed_topics)


def _ticket_message(tp: TP, newest: Any, generation: int) -> ConsumerMessage:
    return ConsumerMessage(
        tp.topic,
        tp.partition,
        newest.offset,
        newest.timestamp / 1000.0,
        newest.timestamp_type,
        None,
        None,
        Ticket(tp),
        None,
        0,
        0,
        tp,
        generation_id=generation,
    )


def partition_of(key: bytes, partitions: int) -> int:
    """The partition number of a key, as every producer with murmur2 places it."""
    return int(murmur2(key) & 0x7FFFFFFF) % partitions


class Transport(driver.Transport):  # type: ignore[misc]  # faust has no types
    """Registered as `eos://` in Faust's transport registry."""

    Consumer = Consumer
