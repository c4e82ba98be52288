"""The loop of one sink task: poll, give the records to the dispatcher, commit, until it is stopped or fails."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from connectors import clock
from connectors.connector import WorkerConfig
from connectors.errors import TaskFailed, TerminalError
from connectors.kafka.consumed import ConsumedRecord, OutputRecord, Partition
from connectors.kafka.idempotent_producer import IdempotentProducer
from connectors.kafka.sink_consumer import SinkConsumer
from connectors.sinks.engine.dead_letters import dead_letter
from connectors.sinks.engine.dispatcher import Dispatcher, Limits
from connectors.sinks.engine.metrics import SinkMetrics
from connectors.sinks.engine.port import Rejected, Sink

log = logging.getLogger(__name__)

_POLL_S = 0.1
_POLL_RECORDS = 500
_COMMIT_EVERY_S = 0.5  # a crash repeats what was delivered since, and what was delivered past a record in progress
_RELEASE_GRACE_S = 4.0  # of the 25 s that a task has to stop; requests that take longer are cut off and repeated
_FLUSH_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkSettings:
    """What a task has to know of its connector, whatever the sink.

    `topics` are read; `output_topics` are those that the sink writes to; `class_name` is what the dead letters say.
    `dead_letter_topic` is None when errors are not tolerated: a rejected record then stops the task.
    """

    connector: str
    group_id: str
    class_name: str
    topics: tuple[str, ...]
    output_topics: tuple[str, ...]
    limits: Limits
    dead_letter_topic: str | None


class SinkTask:
    """One member of the settings' consumer group, with a sink of its own.

    Delivers at least once: after a crash, what was not committed is read and delivered again.
    """

    def __init__(
        self,
        settings: SinkSettings,
        task_id: int,
        worker: WorkerConfig,
        metrics: SinkMetrics,
        make_sink: Callable[[], Sink],
    ) -> None:
        """`make_sink` is called once in `run`, on the event loop."""
        self._settings = settings
        self._task_id = task_id
        self._worker = worker
        self._metrics = metrics
        self._make_sink = make_sink
        self._stopping = asyncio.Event()

    async def run(self, ready: Callable[[], None]) -> None:
        """Deliver until `stop`; `ready` is called when the group is joined. Raises `TaskFailed`.

        Whichever way it ends, the offsets of what is done are committed.
        """
        try:
            await self._run(ready)
        except TaskFailed:
            raise
        except TerminalError as error:
            raise TaskFailed(str(error)) from error

    async def stop(self) -> None:
        """Finish what is in progress, commit, and let `run` return."""
        self._stopping.set()

    async def _run(self, ready: Callable[[], None]) -> None:
        # the form of a source task's transactional id
        client_id = f"{self._worker.group_id}-{self._settings.connector}-{self._task_id}"
        producer = IdempotentProducer(
            bootstrap_servers=self._worker.bootstrap_servers, client_id=client_id, overrides=self._worker.client
        )
        sink = self._make_sink()
        try:
            await sink.open()
            tolerated = self._settings.dead_letter_topic is not None
            dispatcher = Dispatcher(
                sink, producer, self._settings.limits, self._metrics, self._dead_letter if tolerated else None
            )
            await self._serve(dispatcher, self._consumer(dispatcher, client_id), ready)
        finally:
            unacknowledged = await producer.close(_FLUSH_S)
            if unacknowledged:
                log.warning("records were not acknowledged before the end", extra={"records": unacknowledged})
            await sink.close()

    def _consumer(self, dispatcher: Dispatcher, client_id: str) -> SinkConsumer:
        return SinkConsumer(
            bootstrap_servers=self._worker.bootstrap_servers,
            group_id=self._settings.group_id,
            client_id=client_id,
            topics=self._settings.topics,
            listener=_Rebalances(dispatcher),
            overrides=self._worker.client,
        )

    async def _serve(self, dispatcher: Dispatcher, consumer: SinkConsumer, ready: Callable[[], None]) -> None:
        try:
            dead_letter_topic = self._settings.dead_letter_topic
            written = [*self._settings.output_topics, *([dead_letter_topic] if dead_letter_topic else [])]
            await consumer.start(written)
            ready()
            await self._loop(dispatcher, consumer)
        finally:
            await consumer.close()  # leaves the group; _Rebalances.revoked finishes and returns the last offsets
        if dispatcher.failure.done():
            await dispatcher.failure

    async def _loop(self, dispatcher: Dispatcher, consumer: SinkConsumer) -> None:
        paused = False
        commit_at_s = clock.monotonic_s() + _COMMIT_EVERY_S
        while not self._stopping.is_set() and not dispatcher.failure.done():
            # at least one: while paused nothing comes, but polling keeps the membership alive
            records = await consumer.poll(min(_POLL_RECORDS, max(1, dispatcher.free)), _POLL_S)
            self._metrics.read(len(records))
            dispatcher.offer(records)
            if not paused and dispatcher.full:
                paused = True
                await consumer.pause()
            elif paused and dispatcher.may_resume:
                paused = False
                await consumer.resume()
            if clock.monotonic_s() >= commit_at_s:
                self._metrics.holding(dispatcher.buffered, paused=paused)
                await consumer.commit(dispatcher.positions())
                commit_at_s = clock.monotonic_s() + _COMMIT_EVERY_S

    def _dead_letter(self, record: ConsumedRecord, rejected: Rejected) -> OutputRecord:
        if self._settings.dead_letter_topic is None:
            raise RuntimeError("a dead letter without a topic for it")
        log.warning(
            "record sent to the dead letters",
            extra={
                "connector": self._settings.connector,
                "topic": record.topic,
                "partition": record.partition,
                "offset": record.offset,
                "error": rejected.error,
            },
        )
        return dead_letter(
            record,
            rejected,
            topic=self._settings.dead_letter_topic,
            connector=self._settings.connector,
            task_id=self._task_id,
            class_name=self._settings.class_name,
        )


class _Rebalances:
    """Passes rebalances on to the dispatcher."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher

    async def assigned(self, partitions: Sequence[Partition]) -> None:
        self._dispatcher.assigned(partitions)

    async def revoked(self, partitions: Sequence[Partition]) -> Mapping[Partition, int]:
        return await self._dispatcher.release(partitions, _RELEASE_GRACE_S)

    async def lost(self, partitions: Sequence[Partition]) -> None:
        await self._dispatcher.forget(partitions)
