"""The driver of one subscription: it feeds the protocol with what happens, and executes what the protocol decides.

Every effect of the protocol is executed in `_execute`, and nowhere else. What happens comes from the stream (opened,
fetched, ended), from the pipeline (an event is unreadable), from the transaction writer by `feed` (durable), and from a
timer. The driver decides nothing itself.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Sequence
from typing import assert_never

from connectors import clock
from connectors.errors import TaskFailed
from connectors.pubsub.converters.batch import Batch
from connectors.pubsub.protocol.messages import (
    Checkpoint,
    CloseStream,
    DeadLetterEvent,
    DropToken,
    Effect,
    Fail,
    FetchReceived,
    OpenStream,
    ProtocolInput,
    RecordGap,
    RetryEvent,
    SendFetch,
    Serving,
    StreamFailed,
    StreamOpened,
    TimerFired,
    WriteEvents,
)
from connectors.pubsub.protocol.subscription import Subscription
from connectors.pubsub.runner.metrics import SourceMetrics
from connectors.pubsub.runner.pipeline import ConversionPipeline
from connectors.pubsub.runner.settings import SourceSettings
from connectors.pubsub.runner.stream import Stream
from connectors.pubsub.runner.transport import Fetched
from connectors.salesforce.auth import TokenSource
from connectors.salesforce.token_reply import Token
from schemas.proto import pubsub_api_pb2 as pb

log = logging.getLogger(__name__)


class SubscriptionDriver:
    """Drives one subscription on one event loop. `failed` gets the error that ends it, if one does."""

    def __init__(
        self,
        settings: SourceSettings,
        tokens: TokenSource,
        metrics: SourceMetrics,
        subscription: Subscription,
        *,
        submit: Callable[[Batch], None],
        serving: Callable[[], None],
    ) -> None:
        """`submit` takes converted batches in order; `serving` is called once, when the subscription is in effect."""
        self._settings = settings
        self._tokens = tokens
        self._metrics = metrics
        self._subscription = subscription
        self._serving = serving
        self.pipeline = ConversionPipeline(settings, tokens, unreadable=self.feed, submit=submit)
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._stream: Stream | None = None
        self._stream_task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due_s = 0.0

    def feed(self, event: ProtocolInput, received: Sequence[pb.ConsumerEvent] = ()) -> None:
        """Feed the protocol one input and execute its effects. `received` are the events of a response that is fed."""
        now_s = clock.monotonic_s()
        for effect in self._subscription.advance(event, now_s=now_s, jitter=random.random()):  # noqa: S311 - spreads retries
            self._execute(effect, received)
        self._metrics.holds(self._subscription.position.inflight_events, self._subscription.credit.outstanding)
        self._arm_timer()

    async def release(self) -> None:
        """Close the stream and stop the timer. Nothing is fed any more."""
        if self._timer is not None:
            self._timer.cancel()
        if self._stream_task is not None:
            self._stream_task.cancel()
            await asyncio.gather(self._stream_task, return_exceptions=True)
        if not self.failed.done():
            self.failed.cancel()

    # -- the protocol's effects

    def _execute(self, effect: Effect, received: Sequence[pb.ConsumerEvent]) -> None:
        match effect:
            case SendFetch(num_requested):
                self._send_fetch(num_requested)
            case WriteEvents(sequence, replay_id):
                self._add(sequence, replay_id, events=received)
            case Checkpoint(sequence, replay_id):
                self._add(sequence, replay_id)
            case RecordGap():
                self._record_gap(effect)
            case OpenStream():
                self._stream_task = asyncio.create_task(self._run_stream(effect, self._stream_task))
            case CloseStream(reason):
                self._close_stream(reason)
            case DropToken():
                self._drop_token()
            case RetryEvent(delay_s):
                self.pipeline.retry_event(delay_s)
            case DeadLetterEvent(reason):
                self.pipeline.give_event_up(reason)
            case Serving():
                self._serving()
            case Fail(message):
                self._end_with(TaskFailed(message))
            case _:
                assert_never(effect)

    def _send_fetch(self, num_requested: int) -> None:
        if self._stream is not None:
            self._stream.grant(num_requested)

    def _add(self, sequence: int, replay_id: bytes | None, events: Sequence[pb.ConsumerEvent] = ()) -> Batch:
        batch = Batch(sequence=sequence, replay_id=replay_id, received_s=clock.monotonic_s(), events=events)
        self.pipeline.add(batch)
        return batch

    def _record_gap(self, effect: RecordGap) -> None:
        self._metrics.gap()
        marker = self._settings.errors.gap_marker(effect.lost_replay_id, effect.policy, clock.now_ms())
        self._add(effect.sequence, None).records.append(marker)

    async def _run_stream(self, opening: OpenStream, previous: "asyncio.Task[None] | None") -> None:
        if previous is not None:  # one stream at a time: the one before is gone, not just told to go
            await asyncio.gather(previous, return_exceptions=True)
        self._stream = Stream(
            endpoint=self._settings.endpoint,
            tokens=self._tokens,
            topic=self._settings.policy.topic,
            opening=opening,
            check_topic=not self._subscription.accepted,
            opened=self._opened,
            fetched=self._fetched,
        )
        try:
            ending = await self._stream.run()
            if isinstance(ending, StreamFailed):
                log.warning("stream failed", extra={"topic": self._settings.policy.topic, "fault": str(ending.fault)})
            self.feed(ending)
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
        self.pipeline.drop_token()

    def _end_with(self, error: Exception) -> None:
        if not self.failed.done():
            self.failed.set_exception(error)

    # -- what happens on the stream, and the timer

    def _opened(self, epoch: int, token: Token) -> None:
        self.pipeline.authorized(token)
        self.feed(StreamOpened(epoch))

    def _fetched(self, epoch: int, fetched: Fetched) -> None:
        response = fetched.response
        events = response.events
        last_replay_id = next((event.replay_id for event in reversed(events) if event.replay_id), None)
        self._metrics.received(len(events), fetched.size_bytes, clock.monotonic_s())
        self.feed(
            FetchReceived(
                epoch=epoch,
                event_count=len(events),
                size_bytes=fetched.size_bytes,
                last_replay_id=last_replay_id,
                latest_replay_id=response.latest_replay_id or None,
                pending_num_requested=response.pending_num_requested,
            ),
            received=events,
        )

    def _arm_timer(self) -> None:
        """Wake when the protocol wants to be; a timer that fires too early does no harm, so an earlier one is kept."""
        due_s = self._subscription.next_timer_s
        if due_s is None or (self._timer is not None and self._timer_due_s <= due_s):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_due_s = due_s
        self._timer = asyncio.get_running_loop().call_later(max(0.0, due_s - clock.monotonic_s()), self._timer_fired)

    def _timer_fired(self) -> None:
        self._timer = None
        try:
            self.feed(TimerFired())
        except Exception as error:  # a call-back has no caller to raise to
            self._end_with(error)
