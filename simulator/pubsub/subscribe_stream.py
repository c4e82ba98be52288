"""Runs a subscription: reads requests while it writes responses, sends keepalives, closes streams without credit."""

import asyncio
import math
from collections.abc import AsyncIterable, Awaitable, Callable
from typing import Any

from simulator.faults import rpc_errors
from simulator.org.open_calls import Call
from simulator.org.org import Org
from simulator.pubsub.call_faults import CallFaults, PlainEnd, WireFault
from simulator.pubsub.subscription import Response, Subscription
from simulator.wire.fault_marks import FaultMark, MarkKind

_GATHER_S = 0.002
_LAST_WORD_S = 0.02  # a client that was lost looks as if it had closed its side, until this call is cancelled

Write = Callable[[bytes], Awaitable[None]]


class SubscribeStream:
    """One Subscribe or ManagedSubscribe call from its first byte to its end."""

    def __init__(self, org: Org, subscription: Subscription, call: Call) -> None:
        """`subscription` decides what is sent; this class decides when."""
        self._org = org
        self._subscription = subscription
        self._call = call
        self._faults = CallFaults(call, org.faults)
        self._changed = asyncio.Event()  # a request, an event, a fault, a step of the clock, or the client's last word
        self._failure: Exception | None = None
        self._half_closed = False
        self._is_beginning = False  # what was ordered for the start of the call is not over yet
        self._began = False
        self._unwatch: list[Callable[[], None]] = []

    async def run(self, requests: AsyncIterable[Any], write: Write) -> None:
        """Serve until the client has closed its side and used its credit.

        Raises `RpcError` or `WireFault` to end the call otherwise.
        """
        self._call.wake = self._changed.set
        self._unwatch += [self._org.clock.watch(self._changed.set), self._org.faults.watch(self._changed.set)]
        reading = asyncio.create_task(self._read(requests))
        lost = False
        try:
            await self._serve(write)
        except PlainEnd:
            pass
        except asyncio.CancelledError:
            lost = True
            raise
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
            for unwatch in self._unwatch:
                unwatch()
            self._subscription.close(in_order=not lost, now_ms=self._org.clock.now_ms())

    async def _read(self, requests: AsyncIterable[Any]) -> None:
        try:
            async for request in requests:
                if not self._began:
                    self._is_beginning = True
                    self._call.replay_preset, self._call.replay_id = self._subscription.start_of(request)
                    await self._faults.begin(self._subscription.topic_of(request))
                    self._is_beginning = False
                    self._began = True
                self._take(request)
                self._changed.set()
        except Exception as failure:  # whatever it is, it ends the call: `_serve` raises it
            self._failure = failure
        else:
            self._half_closed = True
        finally:
            self._changed.set()

    def _take(self, request: Any) -> None:
        subscribed = self._subscription.topic is not None
        self._subscription.take_request(request, self._org.clock.now_ms())
        self._call.pending = self._subscription.pending
        if not subscribed and self._subscription.topic is not None:
            self._unwatch.append(self._org.watch(self._subscription.topic, self._changed.set))

    async def _serve(self, write: Write) -> None:
        clock = self._org.clock
        last_response_s = clock.monotonic_s()
        while True:
            self._changed.clear()
            if self._failure is not None:
                raise self._failure
            if self._began:
                await self._faults.go_on()
                self._subscription.check_idle(clock.monotonic_s())
            if self._subscription.is_starved:
                await self._gather_credit(clock.monotonic_s() + _GATHER_S)
            response = await self._next()
            if response is None:
                if self._half_closed and not self._subscription.pending:
                    await asyncio.sleep(_LAST_WORD_S)
                    return
                if await self._changed_by(self._next_look(last_response_s)):
                    continue
                response = self._keep_alive(last_response_s)
                if response is None:
                    continue
            await self._faults.before_response()
            await write(response.data)
            self._org.tokens.keep_alive(self._call.token)
            self._org.calls.sent(self._call, response.events)
            self._call.pending = self._subscription.pending
            last_response_s = clock.monotonic_s()

    async def _next(self) -> Response | None:
        """The next events, limited and delayed as faults demand. Raises `RpcError` when the allocation is used up."""
        org = self._org
        if not self._subscription.ready(org.clock.now_ms()):
            return self._subscription.next_response(org.clock.now_ms(), 0)
        if gathering_s := self._faults.gathering_s():
            await asyncio.sleep(gathering_s)
        now_ms = org.clock.now_ms()
        most = self._faults.most_events()
        left = org.deliveries.left(now_ms)
        if left is not None:
            if not left:
                raise rpc_errors.delivery_limit_exceeded()
            most = min(most, left)
        response = self._subscription.next_response(now_ms, most)
        if response is not None:
            org.deliveries.spend(response.events, now_ms)
        return response

    def _next_look(self, last_response_s: float) -> float:
        """Return the time at which something is due even if nothing changes, in clock seconds."""
        if self._is_beginning:
            return math.inf
        settings = self._org.settings
        looks = [
            last_response_s + (settings.keepalive_s if self._subscription.pending else settings.zero_credit_close_s)
        ]
        now_s = self._org.clock.monotonic_s()
        own = self._subscription.check_idle(now_s)
        if own is not None:
            looks.append(own)
        settles_in_s = self._subscription.settles_in_s(self._org.clock.now_ms())
        if settles_in_s is not None:
            looks.append(now_s + settles_in_s)
        return min(looks)

    def _keep_alive(self, last_response_s: float) -> Response | None:
        """The keepalive, when it is time for one. Raises `RpcError` or `PlainEnd` for a stream without credit."""
        idle_s = self._org.clock.monotonic_s() - last_response_s
        settings = self._org.settings
        if self._subscription.pending:
            if idle_s < settings.keepalive_s:
                return None
            return self._subscription.keepalive(self._org.clock.now_ms())
        if idle_s < settings.zero_credit_close_s or self._is_beginning:
            return None
        if settings.zero_credit_close == "unavailable":
            raise rpc_errors.closed_without_credit(settings.zero_credit_close_s)
        if settings.zero_credit_close == "reset":
            raise WireFault(FaultMark(MarkKind.RESET))
        raise PlainEnd

    async def _gather_credit(self, deadline_s: float) -> None:
        while self._subscription.is_starved and not self._half_closed and self._failure is None:
            if not await self._changed_by(deadline_s):
                return
            self._changed.clear()

    async def _changed_by(self, deadline_s: float) -> bool:
        """Wait for a change; False when the deadline (clock seconds) came first."""
        try:
            wait_s = max(0.0, deadline_s - self._org.clock.monotonic_s())
            async with asyncio.timeout(None if wait_s == math.inf else wait_s):
                await self._changed.wait()
        except TimeoutError:
            return False
        return True
