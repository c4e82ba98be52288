"""The Faust transport: aiokafka fetches, agents get tickets, offsets travel in transactions.

What Faust does at each of these places ("stock"), and why that is replaced, stands at the method.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping

from aiokafka.partitioner import murmur2
from faust.transport.consumer import ensure_TP
from faust.transport.drivers import aiokafka as driver
from faust.types.tuples import ConsumerMessage

from streams.runtime import changelog
from streams.runtime.consumer_thread import ConsumerThread, Lag
from streams.runtime.handoff import MAX_BATCH, Handoff
from streams.runtime.records import FetchedRecord, TopicPartition
from streams.runtime.standstill import Work
from streams.runtime.ticket import Ticket

Fetch = Mapping[TopicPartition, list[FetchedRecord]]

SMALL_FETCH = 200  # records; a smaller fetch is followed by a rest, so that low rates make fewer, larger batches


class Consumer(driver.Consumer):  # type: ignore[misc]  # faust has no types
    """Hands over whole batches and never commits by itself."""

    _thread: ConsumerThread

    def __init__(self, *args: object, **kwargs: object) -> None:
        """Faust's arguments."""
        super().__init__(*args, **kwargs)
        self.handoff: Handoff = self.app.handoff
        self._fetch_rest_s: float = self.app.fetch_rest_s
        self._lags: dict[TopicPartition, Lag] = {}

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    def _is_ticketed(self, tp: TopicPartition) -> bool:
        return tp.topic in self.app.ticketed_topics

    # -- Faust's own commit, its gap book-keeping and its stall detector stay away from our topics: a transactional
    # -- input has a gap per commit marker, and stock steps over records in flight at each of them.
    def _filter_tps_with_pending_acks(self, topics: object = None) -> Iterator[TopicPartition]:
        """Called once per commit interval. Faust notes each ticket for a commit that never comes: dropped here."""
        for tp in [tp for tp in self._acked if self._is_ticketed(tp)]:
            del self._acked[tp]
            self._acked_index.pop(tp, None)
        return iter(super()._filter_tps_with_pending_acks(topics))

    async def wait_empty(self) -> None:
        """Wait for the batches under way. Stock looks once a second, and keeps a ticket whose offset it had before."""
        self._clean_unacked_messages()
        while self._unacked_messages and not self.should_stop:
            await asyncio.sleep(0.005)
            self._clean_unacked_messages()
        await self.commit_and_end_transactions()

    async def _add_gap(self, tp: TopicPartition, offset_from: int, offset_to: int) -> None:
        if not self._is_ticketed(tp):
            await super()._add_gap(tp, offset_from, offset_to)

    def verify_event_path(self, now: float, tp: TopicPartition) -> None:
        """Stock reports a stall when Faust did not commit or a changelog was not fetched for five minutes: normal."""

    # -- ownership
    @property
    def assignment_epoch(self) -> int:
        """Counts revocations: what began in another epoch is about partitions that are gone."""
        return self._thread.assignment_epoch

    async def on_partitions_assigned(self, assigned: set[TopicPartition], generation_id: int = 0) -> None:
        """Fence first: only then read highwaters, changelogs and committed offsets, or a zombie's last commit is
        missed."""
        await self.app.partitions.open({tp.partition for tp in assigned if self._is_ticketed(tp)})
        await super().on_partitions_assigned(assigned, generation_id)

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        """Drop what waits, finish and commit what was taken, then forget the rest.

        Stock forgets first, and replays up to one commit interval.
        """
        self._active_partitions.difference_update(revoked)
        self._paused_partitions.difference_update(revoked)
        self._lags = {}
        self.handoff.forget(revoked)  # what waits was not taken: it is the next owner's, and no batch may begin now
        await self._on_partitions_revoked(revoked)
        await self.app.partitions.release({tp.partition for tp in revoked if self._is_ticketed(tp)})
        for tp in revoked:
            for book in (self._gap, self._acked, self._acked_index, self._read_offset, self._committed_offset):
                book.pop(tp, None)

    async def on_stop(self) -> None:
        """Commit what is open before Faust leaves the group."""
        await self.app.partitions.close()
        await super().on_stop()

    async def perform_seek(self) -> None:
        """Start the inputs at their committed offsets; the end of a recovery."""
        assigned = self.assignment()
        inputs = {tp for tp in assigned if not self._is_changelog_tp(tp)}
        committed = await self._thread.call_thread(self._thread.start_inputs, inputs, assigned - inputs)
        for place, offset in (committed or {}).items():
            tp = ensure_TP(place)
            # Faust drops a message below its read offset; a ticket says "there is something", whatever its offset.
            self._read_offset[tp] = None if self._is_ticketed(tp) else offset
            if offset is not None:
                self._committed_offset[tp] = offset

    # -- hand-off
    def _get_active_partitions(self) -> set[TopicPartition]:
        active: set[TopicPartition] = super()._get_active_partitions()
        full = self.handoff.full()
        return active - full if full else active

    async def _getmany(self, active_partitions: set[TopicPartition] | None, timeout: float) -> Fetch:
        fetched = await self._thread.getmany(active_partitions, timeout)
        if fetched.assignment_epoch != self.assignment_epoch:
            return {}
        self._lags = fetched.lags
        return fetched.records

    async def _wait_next_records(self, timeout: float) -> tuple[Fetch | None, set[TopicPartition]]:
        if self.flow_active and not self.app.client_only:
            if self.handoff.wants_ticket(super()._get_active_partitions()):
                timeout = 0.0  # what came while its partition was not active
            elif self.handoff.full():
                timeout = 0.02  # a full partition may be taken at any moment
            if not self._get_active_partitions():
                await asyncio.sleep(0.002)  # stock sleeps 1 s when every buffer is full
                return {}, set()
        found: tuple[Fetch | None, set[TopicPartition]] = await super()._wait_next_records(timeout)
        return found

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TopicPartition, ConsumerMessage]]:
        """Fetch, keep the records of our topics, and yield a ticket for each partition that has some waiting.

        What was fetched is kept also while the flow is stopped: its position is past. Stock seeks back to the
        committed offsets then, which leaves partitions without one where they are.
        """
        records, _ = await self._wait_next_records(timeout)
        if records is None or self.should_stop:
            return
        epoch = self.assignment_epoch
        fetched = 0
        for tp, found in records.items():  # without a pause: a revocation in between must not find half of it kept
            if found and self._is_ticketed(tp):
                fetched += self.handoff.offer(ensure_TP(tp), found)
        for tp, found in records.items():
            if found and self._is_changelog_tp(tp):
                changelog.apply_records(self.app.tables.recovery, ensure_TP(tp), found)
                await asyncio.sleep(0)
                if epoch != self.assignment_epoch:
                    return
        for tp, record in _others(records, self.app.ticketed_topics | self.app.tables.changelog_topics):
            yield tp, self._to_message(tp, record)
        for tp, newest in self.handoff.issue_tickets(super()._get_active_partitions()):
            if not self.flow_active or epoch != self.assignment_epoch:
                self.handoff.withdraw_ticket(tp)
                continue
            yield tp, _ticket_message(tp, newest, self.app.consumer_generation_id)
        changelog.end_by_position(self.app.tables.recovery, self._thread.position_now)
        if 0 < fetched < SMALL_FETCH:
            await asyncio.sleep(self._fetch_rest_s)

    # -- progress
    def is_drained(self, tp: TopicPartition) -> bool:
        """True when every record that is committed on the broker, as of the last fetch, was taken by an agent.

        A partition that was not fetched yet is not drained: what waits there is unknown.
        """
        lag = self._lags.get(tp)
        return lag is not None and not lag.offsets and self.handoff.is_empty(tp)

    def has_backlog(self, tp: TopicPartition) -> bool:
        """True when another batch waits here, or more than one on the broker as of the last fetch."""
        return not self.handoff.is_empty(tp) or self._lag(tp) > MAX_BATCH

    async def look_again(self) -> None:
        """Ask the fetcher what is left in the inputs by now. A fetch that finds nothing new takes up to a second."""
        looked = await self._thread.look()
        if looked.assignment_epoch == self.assignment_epoch:
            self._lags = looked.lags

    def watermark_ms(self, partition: int, now_ms: int) -> int:
        """The event time up to which the inputs of a partition number have been taken, epoch ms.

        A drained input counts as the time, at most `now_ms`, up to which it is known to be; any other as the timestamp
        of its newest record taken, -1 before the first. With `now_ms` for all that are drained, what was written to an
        input since its last fetch was not seen: an answer in time, or that a request was withdrawn.
        """
        mark = now_ms
        for tp in self._inputs_of(partition):
            if self.is_drained(tp):
                unknown_s = max(0.0, time.monotonic() - self._lags[tp].as_of_s)
                mark = min(mark, now_ms - int(unknown_s * 1000))
            else:
                mark = min(mark, self.handoff.last_timestamp_ms(tp))
        return mark

    def _lag(self, tp: TopicPartition) -> int:
        lag = self._lags.get(tp)
        return 0 if lag is None else lag.offsets

    def inputs_at_work(self) -> Iterator[Work]:
        """The inputs that have records waiting, here or on the broker as of the last fetch."""
        for tp in super()._get_active_partitions():
            lag, is_empty = self._lag(tp), self.handoff.is_empty(tp)
            if not self._is_ticketed(tp) or (is_empty and not lag):
                continue
            # While something waits it must be taken, whatever else is fetched. Otherwise the fetcher must move: over
            # the markers and aborted records of writers upstream it does so without bringing anything.
            position = self._thread.position_now(tp)
            yield Work(
                f"the input {tp.topic}-{tp.partition}",
                (self.handoff.next_to_take(tp), position if is_empty else None),
                f"{self.handoff.numbers(tp)} lag={lag} fetched_to={position}",
            )

    def _inputs_of(self, partition: int) -> Iterable[TopicPartition]:
        return (TopicPartition(topic, partition) for topic in self.app.ticketed_topics)


def _others(records: Fetch, ours: set[str]) -> Iterator[tuple[TopicPartition, FetchedRecord]]:
    return ((tp, record) for tp, found in records.items() if tp.topic not in ours for record in found)


def _ticket_message(tp: TopicPartition, newest: FetchedRecord, generation: int) -> ConsumerMessage:
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
