"""Reading topics for a sink: one consumer group member, manual commits, every blocking call in one thread.

The group is `connect-<connector name>`, as Kafka Connect names it. Assignment is cooperative: a rebalance takes only
the partitions that move. Records come out `read_committed`.

Membership is dynamic. Static membership would give a killed task its partitions back at once, but librdkafka 2.16
fences itself when it has to join again after the broker was away, and that is fatal; so the session is short instead.
"""

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import confluent_kafka as ck

from connectors.errors import TerminalError
from connectors.kafka.call_thread import CallThread
from connectors.kafka.consumed import ConsumedRecord, Partition
from schemas.process.log_lines import KAFKA_CLIENT

log = logging.getLogger(__name__)

_METADATA_TIMEOUT_S = 10.0
# librdkafka waits for the rebalance call-back; beyond this the member would soon be thrown out of the group anyway
_REBALANCE_TIMEOUT_S = 30.0
_CLOSE_TIMEOUT_S = 12.0
_SESSION_TIMEOUT_MS = 6_000  # how long the partitions of a killed task stay unread; brokers allow no less by default
_FETCH_BYTES = 4 * 1024 * 1024  # prefetched per partition: beside what the sink itself holds


class RebalanceListener(Protocol):
    """Is called for each rebalance, on the event loop."""

    async def assigned(self, partitions: Sequence[Partition]) -> None:
        """This member reads the partitions; it starts at their committed offsets after this returns."""

    async def revoked(self, partitions: Sequence[Partition]) -> Mapping[Partition, int]:
        """The partitions go to another member. Returns the offsets to commit before they go."""

    async def lost(self, partitions: Sequence[Partition]) -> None:
        """The partitions went to another member some time ago: nothing may be committed for them."""


class SinkConsumer:
    """One member of a sink's consumer group. Belongs to one event loop."""

    def __init__(
        self,
        *,
        bootstrap_servers: str,
        group_id: str,
        client_id: str,
        topics: Sequence[str],
        listener: RebalanceListener,
        overrides: Mapping[str, str] | None = None,
    ) -> None:
        """Nothing is connected before `start`. `overrides` are librdkafka properties that replace those set here."""
        self._bootstrap_servers = bootstrap_servers
        self._group_id = group_id
        self._topics = list(topics)
        self._listener = listener
        self._properties: dict[str, Any] = {
            "bootstrap.servers": bootstrap_servers,
            "group.id": group_id,
            "session.timeout.ms": _SESSION_TIMEOUT_MS,
            "heartbeat.interval.ms": _SESSION_TIMEOUT_MS // 4,
            "client.id": client_id,
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
            "partition.assignment.strategy": "cooperative-sticky",
            "fetch.queue.backoff.ms": 20,
            "queued.max.messages.kbytes": _FETCH_BYTES // 1024,
            "log_level": 0,  # its errors come by error_cb
            "logger": KAFKA_CLIENT,
            "error_cb": _note_client_error,
            **(overrides or {}),
            "on_commit": self._on_commit,
        }
        self._thread = CallThread(f"sink-consumer-{client_id}")
        self._consumer: Any = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._assigned: set[Partition] = set()
        self._paused = False
        self._committed: dict[Partition, int] = {}

    async def start(self, outputs: Sequence[str] = ()) -> None:
        """Connect, check that the topics to read and the `outputs` exist, and join the group.

        Raises `TerminalError` naming the address or the topic when there is none.
        """
        self._loop = asyncio.get_running_loop()
        await self._thread.call(lambda: self._subscribe([*self._topics, *outputs]))

    async def poll(self, max_records: int, timeout_s: float) -> list[ConsumedRecord]:
        """Up to `max_records` as soon as there is one, or none after `timeout_s`. Rebalances happen in this call.

        Must be called again within `max.poll.interval.ms` (5 min). Raises `TerminalError`.
        """
        return await self._thread.call(lambda: self._poll(max_records, timeout_s))

    async def pause(self) -> None:
        """Fetch no more; `poll` keeps the membership alive and returns nothing."""
        await self._thread.call(lambda: self._set_paused(True))

    async def resume(self) -> None:
        """Fetch again."""
        await self._thread.call(lambda: self._set_paused(False))

    async def commit(self, positions: Mapping[Partition, int]) -> None:
        """Commit the offsets that the broker has not confirmed yet; returns without waiting for its answer.

        What it does not confirm, because of a rebalance or a lost connection, is sent again by the next call; when
        there is none, the next owner reads those records again, which at-least-once delivery allows.
        """
        moved = {place: offset for place, offset in positions.items() if self._committed.get(place) != offset}
        if moved:
            await self._thread.call(lambda: self._commit(moved, wait=False))

    async def close(self) -> None:
        """Leave the group, after committing what the listener's `revoked` returns. May be called twice.

        Takes at most 12 s: when the broker is away the client can hang, and is then left behind.
        """
        if self._consumer is not None:
            try:
                await asyncio.wait_for(self._thread.call(self._close), _CLOSE_TIMEOUT_S)
            except TimeoutError:
                log.warning("consumer did not close in time", extra={"group_id": self._group_id})
            self._consumer = None
        self._thread.end()

    def _subscribe(self, needed: Sequence[str]) -> None:
        self._consumer = ck.Consumer(self._properties)
        try:
            known = self._consumer.list_topics(timeout=_METADATA_TIMEOUT_S).topics
        except ck.KafkaException as error:
            raise TerminalError(
                f"connecting to Kafka at {self._bootstrap_servers}: {error.args[0].str()}; check bootstrap.servers and"
                " that the broker runs"
            ) from error
        missing = [topic for topic in needed if topic not in known or known[topic].error is not None]
        if missing:
            raise TerminalError(
                f"starting group {self._group_id} at {self._bootstrap_servers}: topic {', '.join(missing)} does not"
                " exist; create it with 'byoc topics create' or correct the connector's topics"
            )
        self._consumer.subscribe(
            self._topics, on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
        )

    def _poll(self, max_records: int, timeout_s: float) -> list[ConsumedRecord]:
        # consume() waits the whole time-out for a full batch, poll() returns with the first record
        first = self._consumer.poll(timeout_s)
        if first is None:
            return []
        messages = [first, *self._consumer.consume(max_records - 1, 0)] if max_records > 1 else [first]
        records = []
        for message in messages:
            error = message.error()
            if error is None:
                records.append(_consumed(message))
            else:
                self._judge(error)
        return records

    def _judge(self, error: Any) -> None:
        if error.code() in _TERMINAL:
            raise TerminalError(
                f"reading {', '.join(self._topics)} as group {self._group_id}: {error.str()}; check the topic and the"
                " rights of the client, then restart the task"
            )
        log.warning("consumer reported an error", extra={"group_id": self._group_id, "error": error.name()})

    def _commit(self, positions: Mapping[Partition, int], *, wait: bool) -> None:
        offsets = [ck.TopicPartition(topic, number, offset) for (topic, number), offset in positions.items()]
        try:
            self._consumer.commit(offsets=offsets, asynchronous=not wait)
        except ck.KafkaException as error:
            self._note_failed_commit(error.args[0])

    def _on_commit(self, error: Any, partitions: list[Any]) -> None:
        """Runs in the consumer's thread, within poll()."""
        if error is not None:
            self._note_failed_commit(error)
            return
        for partition in partitions:
            place = (partition.topic, partition.partition)
            if partition.error is not None:
                self._note_failed_commit(partition.error)
            elif place in self._assigned:
                self._committed[place] = partition.offset

    def _note_failed_commit(self, error: Any) -> None:
        log.warning("committing offsets failed", extra={"group_id": self._group_id, "error": error.name()})

    def _set_paused(self, paused: bool) -> None:
        self._paused = paused
        if self._assigned:
            (self._consumer.pause if paused else self._consumer.resume)(_topic_partitions(self._assigned))

    def _on_assign(self, consumer: Any, partitions: list[Any]) -> None:
        ours = _plain(partitions)
        self._assigned.update(ours)
        self._tell(self._listener.assigned(ours))
        # assigned here and not after the call-back: a partition can only be paused once it is assigned
        consumer.incremental_assign(partitions)
        if self._paused and ours:
            consumer.pause(_topic_partitions(ours))

    def _on_revoke(self, _consumer: Any, partitions: list[Any]) -> None:
        gone = _plain(partitions)
        positions = self._tell(self._listener.revoked(gone))
        self._drop(gone)
        if positions:
            self._commit(positions, wait=True)

    def _on_lost(self, _consumer: Any, partitions: list[Any]) -> None:
        gone = _plain(partitions)
        self._drop(gone)
        self._tell(self._listener.lost(gone))

    def _drop(self, gone: list[Partition]) -> None:
        self._assigned.difference_update(gone)
        for partition in gone:
            self._committed.pop(partition, None)

    def _close(self) -> None:
        self._consumer.close()  # asks for the last offsets by on_revoke

    def _tell(self, listening: Any) -> Any:
        """Run a listener's coroutine on the event loop and wait for it in the consumer's thread."""
        if self._loop is None:
            raise RuntimeError("a rebalance before start()")
        return asyncio.run_coroutine_threadsafe(listening, self._loop).result(_REBALANCE_TIMEOUT_S)


# An unknown topic is not among them: a broker that has just come back can say so for a moment.
_TERMINAL = frozenset(
    {
        ck.KafkaError.TOPIC_AUTHORIZATION_FAILED,
        ck.KafkaError.GROUP_AUTHORIZATION_FAILED,
        ck.KafkaError.SASL_AUTHENTICATION_FAILED,
        ck.KafkaError._FATAL,  # noqa: SLF001 - librdkafka's own codes begin with an underscore
        ck.KafkaError._AUTHENTICATION,  # noqa: SLF001 - the same
    }
)


def _consumed(message: Any) -> ConsumedRecord:
    return ConsumedRecord(
        topic=message.topic(),
        partition=message.partition(),
        offset=message.offset(),
        key=message.key(),
        value=message.value(),
        headers=tuple(message.headers() or ()),
        timestamp_ms=message.timestamp()[1],
    )


def _plain(partitions: Iterable[Any]) -> list[Partition]:
    return [(partition.topic, partition.partition) for partition in partitions]


def _topic_partitions(partitions: Iterable[Partition]) -> list[Any]:
    return [ck.TopicPartition(topic, number) for topic, number in partitions]


def _note_client_error(error: Any) -> None:
    # librdkafka reconnects by itself; what cannot be repaired also comes back from poll()
    log.warning("Kafka client reported an error", extra={"error": error.name()})
