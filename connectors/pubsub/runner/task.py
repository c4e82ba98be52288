"""The source task: one session after another, until it is stopped or cannot go on."""

import asyncio
import logging
from collections.abc import Callable

from connectors import clock
from connectors.errors import RetriableError, TaskFailed, TerminalError
from connectors.pubsub.protocol.subscription import Subscription
from connectors.pubsub.runner.metrics import SourceMetrics
from connectors.pubsub.runner.session import Session
from connectors.pubsub.runner.settings import SourceSettings
from connectors.salesforce.auth import TokenSource

log = logging.getLogger(__name__)

_PAUSE_S = 2.0


class SourceTask:
    """Mirrors one Salesforce topic into Kafka, each event once; a `Task`. It fails when a person must do something."""

    def __init__(self, settings: SourceSettings, tokens: TokenSource) -> None:
        """`tokens` is shared by all tasks of the connector: however many need a new token, one is fetched."""
        self.settings = settings
        self._tokens = tokens
        self._session: Session | None = None
        self._stopping = asyncio.Event()
        self._ready: Callable[[], None] | None = None

    async def run(self, ready: Callable[[], None]) -> None:
        """As `Task.run`. A producer that was lost is replaced by a new session, which goes on at the position in Kafka.

        An error that repeats for `start.timeout.s` without anything being committed ends the task.
        """
        self._ready = ready
        try:
            async with self._tokens:
                await self._sessions()
        except TaskFailed:
            raise
        except TerminalError as error:
            raise TaskFailed(str(error)) from error

    async def _sessions(self) -> None:
        metrics = SourceMetrics(self.settings.connector, self.settings.task_id, self.settings.policy.topic)
        fruitless_since_s = clock.monotonic_s()
        while not self._stopping.is_set():
            session = self._session = Session(self.settings, self._tokens, metrics, self._serving)
            try:
                await session.run()
            except RetriableError as error:
                metrics.producer_lost()
                log.warning("session ended, starting another", extra={"reason": str(error)})
                if session.progressed:
                    fruitless_since_s = clock.monotonic_s()
                elif clock.monotonic_s() - fruitless_since_s >= self.settings.policy.start_timeout_s:
                    raise TaskFailed(str(error)) from error
                await self._pause()
            else:
                return

    async def stop(self) -> None:
        """As `Task.stop`."""
        self._stopping.set()
        if self._session is not None:
            self._session.stop()

    @property
    def subscription(self) -> Subscription | None:
        """The state of the running session's subscription, for reading; None before the first session."""
        return self._session.subscription if self._session is not None else None

    def _serving(self) -> None:
        ready, self._ready = self._ready, None
        if ready is not None:
            ready()

    async def _pause(self) -> None:
        try:
            await asyncio.wait_for(self._stopping.wait(), _PAUSE_S)
        except TimeoutError:
            return
