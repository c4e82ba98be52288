"""The PublishStream RPC: one topic, a response to each request, and an end for a stream without requests."""

import asyncio
from collections.abc import AsyncIterable, Awaitable, Callable
from typing import Any

from schemas.proto import pubsub_api_pb2 as pb
from simulator.faults import rpc_errors
from simulator.org.open_calls import Call
from simulator.org.org import Org
from simulator.pubsub.call_faults import CallFaults, PlainEnd
from simulator.pubsub.publishing import publish

_PIPELINED = 16  # requests that may wait for their response; the next one waits for room


class PublishStream:
    """One call from its first byte to its end. `write` takes serialised PublishResponses."""

    def __init__(self, org: Org, call: Call, write: Callable[[bytes], Awaitable[None]]) -> None:
        """`call` is the entry of this call among the open ones."""
        self._org = org
        self._call = call
        self._faults = CallFaults(call, org.faults)
        self._write = write
        self._requests: asyncio.Queue[pb.PublishRequest | None] = asyncio.Queue(_PIPELINED)
        self._changed = asyncio.Event()

    async def run(self, requests: AsyncIterable[Any]) -> None:
        """Serve until the client has closed its side. Raises `RpcError` or `WireFault` to end the call otherwise."""
        self._call.wake = self._changed.set
        unwatch = [self._org.clock.watch(self._changed.set), self._org.faults.watch(self._changed.set)]
        reading = asyncio.create_task(self._read(requests))
        try:
            await self._serve()
        except PlainEnd:
            pass
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
            for end in unwatch:
                end()

    async def _read(self, requests: AsyncIterable[Any]) -> None:
        try:
            async for request in requests:
                await self._requests.put(request)
                self._changed.set()
        finally:
            await self._requests.put(None)
            self._changed.set()

    async def _serve(self) -> None:
        clock = self._org.clock
        idle_since_s = clock.monotonic_s()
        while True:
            self._changed.clear()
            if self._call.topic is not None:
                await self._faults.go_on()
            if self._requests.empty():
                left_s = idle_since_s + self._org.settings.publish_idle_s - clock.monotonic_s()
                if left_s <= 0:
                    raise rpc_errors.publish_idle(self._org.settings.publish_idle_s)
                await self._wait(left_s)
                continue
            request = self._requests.get_nowait()
            if request is None:
                return
            await self._answer(request)
            idle_since_s = clock.monotonic_s()

    async def _answer(self, request: pb.PublishRequest) -> None:
        if self._call.topic is None:
            if not request.topic_name:
                raise rpc_errors.topic_empty()
            await self._faults.begin(request.topic_name)
        elif request.topic_name not in ("", self._call.topic):
            raise rpc_errors.publish_topic_mismatch(request.topic_name, self._call.topic)
        request.topic_name = self._call.topic or request.topic_name
        response = publish(self._org, request, self._call.rpc_id)
        await self._faults.before_response()
        await self._write(response.SerializeToString())
        self._call.sent_events += len(request.events)

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            return
