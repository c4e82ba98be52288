"""Runs a subscription: reads requests and writes responses at the same time, keeps idle streams alive, closes them."""

import asyncio
from collections.abc import AsyncIterable, Awaitable, Callable

from simulator.org import Org
from simulator.pubsub import failures
from simulator.pubsub.subscription import FetchRequest, Subscription

_GATHER_S = 0.002


class SubscribeStream:
    """One Subscribe call from its first byte to its end."""

    def __init__(self, org: Org, subscription: Subscription) -> None:
        self._org = org
        self._subscription = subscription
        self._changed = asyncio.Event()  # a request came, an event was published, or the client closed its side
        self._failure: Exception | None = None
        self._half_closed = False
        self._unwatch: Callable[[], None] | None = None

    async def run(self, requests: AsyncIterable[FetchRequest], write: Callable[[bytes], Awaitable[None]]) -> None:
        """Serve until the client has closed its side and used its credit. Raises `RpcError` to end the call."""
        reading = asyncio.create_task(self._read(requests))
        try:
            await self._serve(write)
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
            if self._unwatch is not None:
                self._unwatch()

    async def _read(self, requests: AsyncIterable[FetchRequest]) -> None:
        try:
            async for request in requests:
                self._subscription.take_request(request, self._org.clock.now_ms())
                if self._unwatch is None and self._subscription.topic is not None:
                    self._unwatch = self._org.watch(self._subscription.topic, self._changed.set)
                self._changed.set()
        except Exception as failure:  # whatever it is, it ends the call: `_serve` raises it
            self._failure = failure
        finally:
            self._half_closed = True
            self._changed.set()

    async def _serve(self, write: Callable[[bytes], Awaitable[None]]) -> None:
        loop = asyncio.get_running_loop()
        last_response_s = loop.time()
        while True:
            self._changed.clear()
            if self._failure is not None:
                raise self._failure
            if self._subscription.is_starved:
                await self._gather_credit(loop.time() + _GATHER_S)
            response = self._subscription.next_response()
            if response is None:
                if self._half_closed and not self._subscription.pending:
                    return
                settings = self._org.settings
                idle_s = settings.keepalive_s if self._subscription.pending else settings.zero_credit_close_s
                if await self._changed_by(last_response_s + idle_s):
                    continue
                if not self._subscription.pending:
                    self._close_without_credit()
                    return
                response = self._subscription.keepalive(self._org.clock.now_ms())
            await write(response)
            last_response_s = loop.time()

    async def _gather_credit(self, deadline_s: float) -> None:
        while self._subscription.is_starved and not self._half_closed:
            if not await self._changed_by(deadline_s):
                return
            self._changed.clear()

    async def _changed_by(self, deadline_s: float) -> bool:
        """Wait for a change; False when the deadline (loop time) came first."""
        try:
            async with asyncio.timeout_at(deadline_s):
                await self._changed.wait()
        except TimeoutError:
            return False
        return True

    def _close_without_credit(self) -> None:
        if self._org.settings.zero_credit_close == "unavailable":
            raise failures.closed_without_credit(self._org.settings.zero_credit_close_s)
