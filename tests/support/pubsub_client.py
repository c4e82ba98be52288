"""A bare gRPC client of the Pub/Sub API: what a test needs to see the wire as it is."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import grpc.aio
import pytest

from schemas.proto import pubsub_api_pb2 as pb
from schemas.proto.pubsub_api_pb2_grpc import PubSubStub
from tests.support.simulator import RunningSimulator, running_simulator

TOPIC = "/event/ByocOutbound__e"
PREFIX = "sfdc.platform.eventbus.grpc."
LATEST, EARLIEST, CUSTOM = pb.LATEST, pb.EARLIEST, pb.CUSTOM
DEADLINE_S = 10.0


@asynccontextmanager
async def connected(**knobs: Any) -> AsyncIterator[tuple[RunningSimulator, Any]]:
    async with running_simulator(**knobs) as sim, grpc.aio.insecure_channel(sim.grpc_address) as channel:
        yield sim, PubSubStub(channel)  # type: ignore[no-untyped-call]  # generated without types


def subscribe(stub: Any, sim: RunningSimulator) -> Any:
    return stub.Subscribe(metadata=sim.metadata())


def fetch(
    n: int, preset: pb.ReplayPreset.ValueType = EARLIEST, replay_id: bytes = b"", topic: str = TOPIC
) -> pb.FetchRequest:
    return pb.FetchRequest(topic_name=topic, replay_preset=preset, replay_id=replay_id, num_requested=n)


async def read(call: Any) -> Any:
    return await asyncio.wait_for(call.read(), DEADLINE_S)


async def read_events(call: Any, count: int) -> list[pb.ConsumerEvent]:
    """Read until that many events came; more than asked for is an error of the test's subject."""
    events: list[pb.ConsumerEvent] = []
    while len(events) < count:
        response = await read(call)
        assert response is not grpc.aio.EOF, f"the stream ended after {len(events)} of {count} events"
        events.extend(response.events)
    assert len(events) == count
    return events


async def failure_of(call: Any) -> grpc.aio.AioRpcError:
    async def drain() -> None:
        while await read(call) is not grpc.aio.EOF:
            pass

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await drain()
    return caught.value


def trailers_of(error: grpc.aio.AioRpcError) -> dict[str, Any]:
    return dict(error.trailing_metadata() or ())


def ids(events: list[pb.ConsumerEvent]) -> list[str]:
    return [event.event.id for event in events]


async def until(condition: Any) -> None:
    """Wait for a condition; fail after a deadline."""
    async with asyncio.timeout(DEADLINE_S):
        while not condition():  # noqa: ASYNC110  # the condition is another object's state, it has no event to wait for
            await asyncio.sleep(0.005)
