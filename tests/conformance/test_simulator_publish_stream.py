"""PublishStream, and the hourly allocation of publishing, seen by a bare gRPC client."""

from typing import Any

import grpc
import grpc.aio
import pytest

from schemas.proto import pubsub_api_pb2 as pb
from tests.support.faulty_org import Org, faulty
from tests.support.pubsub_client import PREFIX, TOPIC, failure_of, ids, read, read_events, trailers_of


def request(*names: str, topic: str = TOPIC, size: int = 1) -> pb.PublishRequest:
    events = [pb.ProducerEvent(id=name, payload=b"x" * size) for name in names]
    return pb.PublishRequest(topic_name=topic, events=events)


async def publishing(org: Org, *requests: pb.PublishRequest) -> Any:
    call = org.stub.PublishStream(metadata=org.sim.metadata())
    for each in requests:
        await call.write(each)
    return call


async def test_requests_may_be_pipelined_and_each_gets_its_response() -> None:
    async with faulty() as org:
        call = await publishing(org, request("a", "b"), request("c", topic=""), request("d"))
        keys = [[result.correlation_key for result in (await read(call)).results] for _ in range(3)]
        await call.done_writing()
        assert await read(call) is grpc.aio.EOF
        assert await call.code() == grpc.StatusCode.OK
        assert keys == [["a", "b"], ["c"], ["d"]]
        assert ids(await read_events(await org.open_stream(), 4)) == ["a", "b", "c", "d"]


@pytest.mark.parametrize(
    ("requests", "status", "code"),
    [
        pytest.param([request("a", topic="")], "INVALID_ARGUMENT", "topic.validation.empty", id="no topic"),
        pytest.param([request("a", topic="/event/No__e")], "NOT_FOUND", "topic.not.found", id="unknown topic"),
        pytest.param([request()], "INVALID_ARGUMENT", "publish.event.count.invalid", id="no event"),
        pytest.param(
            [request("a"), request("b", topic="/event/B__e")],
            "INVALID_ARGUMENT",
            "publish.topic.mismatch",
            id="another topic later",
        ),
        pytest.param([request(*"abcde", size=900_000)], "UNAVAILABLE", None, id="more than 4 MB"),
    ],
)
async def test_a_bad_request_ends_the_stream(requests: Any, status: str, code: str | None) -> None:
    async with faulty() as org:
        error = await failure_of(await publishing(org, *requests))
    assert error.code().name == status
    assert trailers_of(error).get("error-code") == (PREFIX + code if code else None)


async def test_a_silent_publisher_is_told_to_go() -> None:
    async with faulty() as org:
        call = await publishing(org, request("a"))
        await read(call)
        await org.call("POST", "/v1/clock/advance", json={"seconds": 69})
        await call.write(request("b"))
        await read(call)
        await org.call("POST", "/v1/clock/advance", json={"seconds": 71})
        error = await failure_of(call)
    assert trailers_of(error)["error-code"] == PREFIX + "publish.stream.sweeper.timeout"


async def test_a_publish_stream_fails_after_so_many_events() -> None:
    async with faulty() as org:
        await org.order("fail", error_code="service.unavailable", rpc="PublishStream", after_events=2)
        call = await publishing(org, request("a", "b"))
        await read(call)
        assert trailers_of(await failure_of(call))["type"] == "PublishStream"


async def test_events_above_the_hourly_allocation_fail_alone() -> None:
    async with faulty() as org:
        await org.order("publish_allocation", events=2)
        response = await org.stub.Publish(request(*"abc"), metadata=org.sim.metadata())
        assert [result.error.code for result in response.results] == [pb.UNKNOWN, pb.UNKNOWN, pb.PUBLISH]
        assert "LIMIT_EXCEEDED" in response.results[2].error.msg
        await org.call("POST", "/v1/clock/advance", json={"seconds": 3601})
        later = await org.stub.Publish(request("d"), metadata=org.sim.metadata())
        assert later.results[0].replay_id
        assert ids(await read_events(await org.open_stream(), 3)) == ["a", "b", "d"]
