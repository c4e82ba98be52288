"""A simulator, a bare gRPC client and the admin API in one hand, for tests that order faults."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from schemas.proto import pubsub_api_pb2 as pb
from tests.support.pubsub_client import EARLIEST, connected, fetch, subscribe
from tests.support.simulator import RunningSimulator

DEADLINE_S = 10.0


class Org:
    """A simulator, a stub and its admin API."""

    def __init__(self, sim: RunningSimulator, stub: Any, http: aiohttp.ClientSession) -> None:
        self.sim = sim
        self.stub = stub
        self._http = http

    async def call(self, method: str, path: str, **options: Any) -> tuple[int, Any]:
        async with asyncio.timeout(DEADLINE_S), self._http.request(method, path, **options) as response:
            return response.status, await response.json()

    async def order(self, do: str, **fields: Any) -> str:
        status, reply = await self.call("POST", "/v1/faults", json={"do": do} | fields)
        assert status == 201, reply
        return str(reply["id"])

    async def happened(self, fault: str) -> int:
        _, reply = await self.call("GET", f"/v1/faults/{fault}")
        return int(reply["happened"])

    async def open_stream(
        self, n: int = 100, preset: pb.ReplayPreset.ValueType = EARLIEST, replay_id: bytes = b""
    ) -> Any:
        call = subscribe(self.stub, self.sim)
        await call.write(fetch(n, preset, replay_id))
        return call

    def publish(self, count: int, conversation_id: str = "cv-1") -> list[str]:
        return [self.sim.publish_message(conversation_id, f"text {n}").event_uuid for n in range(count)]


@asynccontextmanager
async def faulty(**knobs: Any) -> AsyncIterator[Org]:
    async with connected(**knobs) as (sim, stub), aiohttp.ClientSession(sim.http_url) as http:
        yield Org(sim, stub, http)
