"""One life of a source task's producer: take over, read the position, mirror, until something ends it.

    fence and finish the predecessor ─► read the stored position ─► subscribe after it
    stream ─► protocol ─► conversion pipeline ─► transaction writer ─► Kafka ─► protocol (durable)

The order of the first line is what makes it exactly once: a position that is read before the predecessor is fenced can
be older than what the predecessor still commits. Everything runs on one event loop; calls that block run in one thread.
"""

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from connectors import clock
from connectors.kafka.admin import create_missing, require_topics
from connectors.kafka.offsets import canonical, offset_key, read_offsets
from connectors.kafka.producer import TransactionalProducer
from connectors.kafka.records import ProducerRecord
from connectors.pubsub.converters.batch import Batch
from connectors.pubsub.protocol.messages import BatchDurable, Started, StopRequested
from connectors.pubsub.protocol.policy import KEEPALIVE_BOUND_S
from connectors.pubsub.protocol.subscription import Subscription
from connectors.pubsub.runner.driver import SubscriptionDriver
from connectors.pubsub.runner.metrics import SourceMetrics
from connectors.pubsub.runner.offset_value import offset_of, partition_of, replay_id_of
from connectors.pubsub.runner.settings import SourceSettings
from connectors.pubsub.runner.transactions import TransactionWriter
from connectors.salesforce.auth import TokenSource

log = logging.getLogger(__name__)

T = TypeVar("T")

_KAFKA_TIMEOUT_S = 15.0
_OFFSETS_TIMEOUT_S = 90.0  # above the 60 s for which another task's transaction may stand in the way
_DRAIN_TIMEOUT_S = 20.0  # of the 25 s that a worker gives a task to stop


class Session:
    """Runs once. `stop` may be called at any time. `progressed` tells whether anything was committed."""

    def __init__(
        self, settings: SourceSettings, tokens: TokenSource, metrics: SourceMetrics, serving: Callable[[], None]
    ) -> None:
        """`serving` is called when the subscription is in effect."""
        self._settings = settings
        self._tokens = tokens
        self._metrics = metrics
        self._serving = serving
        self.subscription = Subscription(settings.policy)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=settings.transactional_id)
        self._producer: TransactionalProducer | None = None
        self._driver: SubscriptionDriver | None = None
        self._stopping = asyncio.Event()
        self._given_up = threading.Event()  # the same for the thread, while the position is read
        self._last_event_at_ms: int | None = None
        self._key = offset_key(settings.connector, partition_of(settings.policy.topic))
        self.progressed = False

    def stop(self) -> None:
        """End in order: no new events, everything received is committed, then `run` returns."""
        self._stopping.set()
        self._given_up.set()

    async def run(self) -> None:
        """Mirror until `stop`. Raises `TerminalError`, or `RetriableError` when a new session may help."""
        if self._settings.policy.watchdog_s < KEEPALIVE_BOUND_S:
            log.warning(
                "watchdog.timeout.s is below what Salesforce promises: quiet streams may be opened again and again",
                extra={"watchdog_s": self._settings.policy.watchdog_s, "promised_s": KEEPALIVE_BOUND_S},
            )
        try:
            producer, committed = await self._take_over()
            await self._mirror(producer, committed)
        finally:
            await self._release()

    async def _take_over(self) -> tuple[TransactionalProducer, bytes | None]:
        """Fence the predecessor, settle what it left open, then read the position: in this order."""
        settings = self._settings
        servers, client = settings.bootstrap_servers, settings.client
        kafka: dict[str, Any] = {"bootstrap_servers": servers, "client": client, "timeout_s": _KAFKA_TIMEOUT_S}
        creation = settings.creation
        if creation is not None:
            await self._blocking(lambda: create_missing(settings.conversion.kafka_topics, creation, **kafka))
        partitions = await self._blocking(lambda: require_topics(settings.written_topics, **kafka))
        producer = self._producer = TransactionalProducer(
            bootstrap_servers=servers,
            transactional_id=settings.transactional_id,
            client=client,
            transaction_timeout_ms=settings.transaction_timeout_ms,
        )
        await self._blocking(lambda: producer.init(_KAFKA_TIMEOUT_S))
        await self._blocking(lambda: producer.abort_hanging(partitions, _KAFKA_TIMEOUT_S))
        offsets = await self._blocking(
            lambda: read_offsets(
                bootstrap_servers=servers,
                topic=settings.offsets_topic,
                connector=settings.connector,
                timeout_s=_OFFSETS_TIMEOUT_S,
                client=client,
                given_up=self._given_up,
            )
        )
        await self._blocking(producer.begin)
        offset = offsets.get(canonical(partition_of(settings.policy.topic)))
        if offset is not None and isinstance(offset.get("lastEventAt"), int):
            self._last_event_at_ms = offset["lastEventAt"]
        if offset is not None and isinstance(offset.get("committedAt"), int):
            self._metrics.position_stored(offset["committedAt"])
        committed = replay_id_of(offset, settings.policy.topic)
        log.info(
            "source position read",
            extra={"topic": settings.policy.topic, "replay_id": committed.hex() if committed else None},
        )
        return producer, committed

    async def _mirror(self, producer: TransactionalProducer, committed: bytes | None) -> None:
        writer = TransactionWriter(
            producer,
            self._thread,
            transaction_timeout_s=self._settings.transaction_timeout_ms / 1000,
            position_record=self._position_record,
            committed=self._committed,
        )
        driver = self._driver = SubscriptionDriver(
            self._settings,
            self._tokens,
            self._metrics,
            self.subscription,
            submit=writer.submit,
            serving=self._serving,
        )
        writing = asyncio.create_task(writer.run())
        converting = asyncio.create_task(driver.pipeline.run())
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            driver.feed(Started(committed))
            ends: list[asyncio.Future[Any]] = [writing, converting, stopping, driver.failed]
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            driver.feed(StopRequested())
            await self._drain(driver, writer, converting, writing)
        finally:
            for task in (writing, converting, stopping):
                task.cancel()
            await asyncio.gather(writing, converting, stopping, return_exceptions=True)

    async def _drain(
        self,
        driver: SubscriptionDriver,
        writer: TransactionWriter,
        converting: "asyncio.Task[None]",
        writing: "asyncio.Task[None]",
    ) -> None:
        """Commit what was received, then raise what ended the session, if anything did."""
        deadline_s = clock.monotonic_s() + _DRAIN_TIMEOUT_S
        driver.pipeline.finish()
        await asyncio.wait([converting, writing], timeout=_DRAIN_TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED)
        writer.finish()
        await asyncio.wait([writing], timeout=max(0.0, deadline_s - clock.monotonic_s()))
        if not writing.done():
            log.warning("stopping with events not committed", extra={"topic": self._settings.policy.topic})
        for ended in (driver.failed, writing, converting):
            if ended.done() and not ended.cancelled() and (error := ended.exception()) is not None:
                raise error

    async def _release(self) -> None:
        self._metrics.holds(0, 0)
        if self._driver is not None:
            await self._driver.release()
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.give_up()
            await self._blocking(producer.close)
        self._thread.shutdown(wait=False)

    async def _blocking(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)

    # -- the stored position

    def _position_record(self, batches: Sequence[Batch]) -> ProducerRecord | None:
        """The offset record to commit with these batches, None when they move no position."""
        for batch in batches:
            if batch.newest_event_at_ms is not None:
                self._last_event_at_ms = batch.newest_event_at_ms
        replay_id = next((batch.replay_id for batch in reversed(batches) if batch.replay_id), None)
        if replay_id is None:
            return None
        value = canonical(offset_of(replay_id, clock.now_ms(), self._last_event_at_ms)).encode()
        return (self._settings.offsets_topic, value, self._key, None)

    def _committed(self, batches: Sequence[Batch], transaction_s: float) -> None:
        """These batches are durable. Called by the transaction writer after each transaction."""
        self.progressed = True
        if self._driver is not None:
            self._driver.feed(BatchDurable(batches[-1].sequence))
        self._metrics.committed(batches, transaction_s, now_s=clock.monotonic_s(), now_ms=clock.now_ms())
