"""One life of a source task's producer: take over, read the position, subscribe, mirror, until something ends it.

    fence and finish the predecessor ─► read the stored position ─► subscribe after it
    stream ─► protocol ─► delivery ─► lane ─► Kafka ─► protocol (durable)

The order of the first three is the guarantee: a position that is read before the predecessor is fenced can be older
than what it still commits. Everything runs on one event loop; what blocks runs in one thread. The protocol decides;
this module carries out its effects and feeds it.
"""

import asyncio
import logging
import random
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from connectors import clock
from connectors.errors import TaskFailed
from connectors.kafka.admin import create_missing, require_topics
from connectors.kafka.offsets import canonical, offset_key, read_offsets
from connectors.kafka.producer import TransactionalProducer
from connectors.kafka.records import ProducerRecord
from connectors.pubsub.protocol.messages import (
    BatchDurable,
    Checkpoint,
    CloseStream,
    Deliver,
    DropToken,
    Effect,
    Fail,
    FetchReceived,
    Input,
    OpenStream,
    RecordGap,
    SendFetch,
    Serving,
    Started,
    StopRequested,
    StreamFailed,
    StreamOpened,
    TimerFired,
)
from connectors.pubsub.protocol.subscription import KEEPALIVE_BOUND_S, Subscription
from connectors.pubsub.runner.metrics import SourceMetrics
from connectors.pubsub.runner.offset_value import offset_of, partition_of, replay_id_of
from connectors.pubsub.runner.pipeline import Delivery, Item
from connectors.pubsub.runner.settings import SourceSettings
from connectors.pubsub.runner.stream import Stream
from connectors.pubsub.runner.transactions import Batch, CommitLane
from connectors.pubsub.runner.transport import Fetched
from connectors.salesforce.auth import Token, TokenSource

log = logging.getLogger(__name__)

T = TypeVar("T")

_KAFKA_TIMEOUT_S = 15.0
_OFFSETS_TIMEOUT_S = 90.0  # above the 60 s for which another task's transaction may stand in the way
_DRAIN_TIMEOUT_S = 20.0  # of the 25 s that a worker gives a task to stop


class Session:
    """Runs once. `stop` may be called at any time."""

    def __init__(
        self, settings: SourceSettings, tokens: TokenSource, metrics: SourceMetrics, serving: Callable[[], None]
    ) -> None:
        self._settings = settings
        self._tokens = tokens
        self._metrics = metrics
        self._serving = serving
        self.subscription = Subscription(settings.policy)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=settings.transactional_id)
        self._producer: TransactionalProducer | None = None
        self._delivery: Delivery | None = None
        self._stream: Stream | None = None
        self._stream_task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._stopping = asyncio.Event()
        self._given_up = threading.Event()  # the same for the thread, while the position is read
        self._accepted = False
        self._arrived: Fetched | None = None
        self._received_s: dict[int, float] = {}
        self._timer_due_s = 0.0
        self._last_event_at_ms: int | None = None
        self._key = offset_key(settings.connector, partition_of(settings.policy.topic))
        self.progressed = False  # something was committed

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
            committed = await self._take_over()
            await self._mirror(committed)
        finally:
            await self._release()

    # -- the life of a session

    async def _take_over(self) -> bytes | None:
        """Fence the predecessor, settle what it left, then read the position: in this order."""
        settings = self._settings
        servers, client = settings.bootstrap_servers, settings.client
        kafka: dict[str, Any] = {"bootstrap_servers": servers, "client": client, "timeout_s": _KAFKA_TIMEOUT_S}
        creation = settings.creation
        if creation is not None:
            await self._blocking(lambda: create_missing(settings.making.kafka_topics, creation, **kafka))
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
        return committed

    async def _mirror(self, committed: bytes | None) -> None:
        if self._producer is None:
            raise RuntimeError("mirroring before the producer was made")
        lane = CommitLane(
            self._producer,
            self._thread,
            transaction_timeout_s=self._settings.transaction_timeout_ms / 1000,
            position_record=self._position_record,
            committed=self._committed,
        )
        delivery = self._delivery = Delivery(self._settings, self._tokens, feed=self._feed, submit=lane.submit)
        lane_task = asyncio.create_task(lane.run())
        delivery_task = asyncio.create_task(delivery.run())
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            self._feed(Started(committed))
            ends: list[asyncio.Future[Any]] = [lane_task, delivery_task, stopping, self._failed]
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            self._feed(StopRequested())
            await self._drain(lane, lane_task, delivery, delivery_task)
        finally:
            for task in (lane_task, delivery_task, stopping):
                task.cancel()
            await asyncio.gather(lane_task, delivery_task, stopping, return_exceptions=True)

    async def _drain(
        self, lane: CommitLane, lane_task: "asyncio.Task[None]", delivery: Delivery, delivery_task: "asyncio.Task[None]"
    ) -> None:
        """Commit what was received, then raise what ended the session, if anything did."""
        deadline_s = clock.monotonic_s() + _DRAIN_TIMEOUT_S
        delivery.finish()
        await asyncio.wait([delivery_task, lane_task], timeout=_DRAIN_TIMEOUT_S, return_when=asyncio.FIRST_COMPLETED)
        lane.finish()
        await asyncio.wait([lane_task], timeout=max(0.0, deadline_s - clock.monotonic_s()))
        if not lane_task.done():
            log.warning("stopping with events not committed", extra={"topic": self._settings.policy.topic})
        for ended in (self._failed, lane_task, delivery_task):
            if ended.done() and not ended.cancelled() and (error := ended.exception()) is not None:
                raise error

    async def _release(self) -> None:
        self._metrics.holds(0, 0)
        if self._timer is not None:
            self._timer.cancel()
        if self._stream_task is not None:
            self._stream_task.cancel()
            await asyncio.gather(self._stream_task, return_exceptions=True)
        if not self._failed.done():
            self._failed.cancel()
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.give_up()
            await self._blocking(producer.close)
        self._thread.shutdown(wait=False)

    async def _blocking(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)

    # -- the protocol's inputs

    def _feed(self, event: Input) -> list[Effect]:
        effects = self.subscription.advance(event, now_s=clock.monotonic_s(), jitter=random.random())  # noqa: S311 - spreads retries
        for effect in effects:
            self._carry_out(effect)
        self._metrics.holds(self.subscription.position.inflight_events, self.subscription.credit.outstanding)
        self._arm_timer()
        return effects

    def _arm_timer(self) -> None:
        """Wake when the protocol wants to be; a timer that fires too early does no harm, so later dues are left."""
        due_s = self.subscription.next_timer_s
        if due_s is None or (self._timer is not None and self._timer_due_s <= due_s):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_due_s = due_s
        self._timer = asyncio.get_running_loop().call_later(max(0.0, due_s - clock.monotonic_s()), self._timer_fired)

    def _timer_fired(self) -> None:
        self._timer = None
        try:
            self._feed(TimerFired())
        except Exception as error:  # a call-back has no caller to raise to
            self._end_with(error)

    def _fetched(self, epoch: int, fetched: Fetched) -> None:
        response, self._arrived = fetched.response, fetched
        events = response.events
        last_replay_id = next((event.replay_id for event in reversed(events) if event.replay_id), None)
        self._metrics.received(len(events), fetched.size_bytes, clock.monotonic_s())
        self._feed(
            FetchReceived(
                epoch=epoch,
                event_count=len(events),
                size_bytes=fetched.size_bytes,
                last_replay_id=last_replay_id,
                latest_replay_id=response.latest_replay_id or None,
                pending_num_requested=response.pending_num_requested,
            )
        )

    def _opened(self, epoch: int, token: Token) -> None:
        self._accepted = True
        if self._delivery is not None:
            self._delivery.authorized(token)
        self._feed(StreamOpened(epoch))

    def _committed(self, batches: Sequence[Batch], transaction_s: float) -> None:
        self.progressed = True
        self._feed(BatchDurable(batches[-1].sequence))
        received_s = min(self._received_s.pop(batch.sequence) for batch in batches)
        newest = [batch.content.newest_event_at_ms for batch in batches if batch.content.newest_event_at_ms is not None]
        now_ms = clock.now_ms()
        if any(batch.replay_id for batch in batches):  # else it held nothing but the marker of a gap
            self._metrics.position_stored(now_ms)
        self._metrics.committed(
            events=sum(batch.content.events for batch in batches),
            dead_letters=sum(batch.content.dead_letters for batch in batches),
            transaction_s=transaction_s,
            delay_s=clock.monotonic_s() - received_s,
            now_ms=now_ms,
            newest_ms=newest[-1] if newest else None,
        )

    def _position_record(self, batches: Sequence[Batch]) -> ProducerRecord | None:
        for batch in batches:
            if batch.content.newest_event_at_ms is not None:
                self._last_event_at_ms = batch.content.newest_event_at_ms
        replay_id = next((batch.replay_id for batch in reversed(batches) if batch.replay_id), None)
        if replay_id is None:
            return None
        value = canonical(offset_of(replay_id, clock.now_ms(), self._last_event_at_ms)).encode()
        return (self._settings.offsets_topic, value, self._key, None)

    # -- the protocol's effects

    def _carry_out(self, effect: Effect) -> None:
        match effect:
            case SendFetch(num_requested):
                if self._stream is not None:
                    self._stream.grant(num_requested)
            case Deliver(sequence, replay_id):
                self._deliver(Item(sequence, replay_id, self._arrived))
            case Checkpoint(sequence, replay_id):
                self._deliver(Item(sequence, replay_id))
            case RecordGap(sequence, lost_replay_id, policy):
                self._metrics.gap()
                marker = self._settings.letters.gap(lost_replay_id, policy, clock.now_ms())
                self._deliver(Item(sequence, None, records=(marker,)))
            case OpenStream():
                self._stream_task = asyncio.create_task(self._run_stream(effect, self._stream_task))
            case CloseStream(reason):
                self._close_stream(reason)
            case DropToken():
                self._drop_token()
            case Serving():
                self._serving()
            case Fail(message):
                self._end_with(TaskFailed(message))
            case _:  # RetryEvent and DeadLetterEvent answer the delivery, which asked
                pass

    def _deliver(self, item: Item) -> None:
        self._received_s[item.sequence] = clock.monotonic_s()
        if self._delivery is not None:
            self._delivery.add(item)

    async def _run_stream(self, opening: OpenStream, previous: "asyncio.Task[None] | None") -> None:
        if previous is not None:  # one stream at a time: the one before is gone, not just told to go
            await asyncio.gather(previous, return_exceptions=True)
        self._stream = Stream(
            endpoint=self._settings.endpoint,
            tokens=self._tokens,
            topic=self._settings.policy.topic,
            opening=opening,
            check_topic=not self._accepted,
            opened=self._opened,
            fetched=self._fetched,
        )
        try:
            ending = await self._stream.run()
            if isinstance(ending, StreamFailed):
                log.warning("stream failed", extra={"topic": self._settings.policy.topic, "fault": str(ending.fault)})
            self._feed(ending)
        except Exception as error:  # a task has no caller to raise to
            self._end_with(error)

    def _close_stream(self, reason: str) -> None:
        self._metrics.reconnecting(reason)
        task = self._stream_task
        if task is not None and task is not asyncio.current_task():  # else it is ending by itself
            task.cancel()

    def _drop_token(self) -> None:
        self._metrics.token_refused()
        if self._stream is not None and self._stream.token is not None:
            self._tokens.invalidate(self._stream.token)
        if self._delivery is not None:
            self._delivery.drop_token()

    def _end_with(self, error: Exception) -> None:
        if not self._failed.done():
            self._failed.set_exception(error)
