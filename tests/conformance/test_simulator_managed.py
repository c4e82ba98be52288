"""ManagedSubscribe with its commits, seen by a bare gRPC client."""

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc.aio
import pytest

from schemas.proto import pubsub_api_pb2 as pb
from tests.support.faulty_org import Org, faulty
from tests.support.pubsub_client import PREFIX, TOPIC, failure_of, ids, read, read_events, trailers_of, until

NAME = "Mirror"
UNKNOWN_ID = "18xHs0000000999"


@asynccontextmanager
async def managed(default_replay: str = "EARLIEST", recovery: str = "LATEST", **knobs: Any) -> AsyncIterator[Org]:
    async with faulty(**knobs) as org:
        body = {"developer_name": NAME, "topic": TOPIC, "default_replay": default_replay}
        status, reply = await org.call(
            "POST", "/v1/managed-subscriptions", json=body | {"error_recovery_replay": recovery}
        )
        assert (status, len(reply["id"]), reply["id"][:3]) == (201, 18, "18x")
        yield org


def first(n: int, **fields: Any) -> pb.ManagedFetchRequest:
    return pb.ManagedFetchRequest(**({"developer_name": NAME, "num_requested": n} | fields))


def commit(replay_id: bytes, name: str = "c", n: int = 0) -> pb.ManagedFetchRequest:
    request = pb.CommitReplayRequest(commit_request_id=name, replay_id=replay_id)
    return pb.ManagedFetchRequest(commit_replay_id_request=request, num_requested=n)


async def opened(org: Org, n: int, **fields: Any) -> Any:
    call = org.stub.ManagedSubscribe(metadata=org.sim.metadata())
    await call.write(first(n, **fields))
    return call


async def answered(call: Any) -> pb.CommitReplayResponse:
    """The next answer to a commit; events must not come before it."""
    while not (response := await read(call)).HasField("commit_response"):
        assert not response.events
    answer: pb.CommitReplayResponse = response.commit_response
    return answer


async def ended(call: Any) -> None:
    await call.done_writing()
    while await read(call) is not grpc.aio.EOF:
        pass


async def slot(org: Org) -> dict[str, Any]:
    _, reply = await org.call("GET", "/v1/managed-subscriptions")
    [found] = reply["subscriptions"]
    return dict(found)


async def test_a_new_stream_goes_on_after_the_committed_event() -> None:
    async with managed() as org:
        published = org.publish(5)
        call = await opened(org, 3)
        events = await read_events(call, 3)
        assert ids(events) == published[:3]
        await call.write(commit(events[1].replay_id, "mine"))
        answer = await answered(call)
        assert (answer.commit_request_id, answer.replay_id) == ("mine", events[1].replay_id)
        assert not answer.HasField("error")
        assert abs(answer.process_time - org.sim.org.clock.now_ms()) < 60_000
        await ended(call)
        again = await opened(org, 3, subscription_id=(await slot(org))["id"][:15], developer_name="")
        assert ids(await read_events(again, 3)) == published[2:]


@pytest.mark.parametrize(("default", "seen"), [("EARLIEST", 2), ("LATEST", 1)])
async def test_without_a_commit_the_default_decides(default: str, seen: int) -> None:
    async with managed(default) as org:
        org.publish(1)
        call = await opened(org, 10)
        await until(lambda: org.sim.org._watchers[TOPIC])
        newest = org.publish(1)
        assert ids(await read_events(call, seen))[-1:] == newest


@pytest.mark.parametrize(("recovery", "seen"), [("EARLIEST", 2), ("LATEST", 1)])
async def test_when_the_committed_id_has_expired_the_recovery_decides(recovery: str, seen: int) -> None:
    async with managed("EARLIEST", recovery) as org:
        org.publish(1)
        call = await opened(org, 1)
        await call.write(commit((await read_events(call, 1))[0].replay_id))
        await answered(call)
        await ended(call)
        await org.call("POST", "/v1/clock/advance", json={"seconds": 73 * 3600})
        org.publish(1)
        again = await opened(org, 10)
        await until(lambda: org.sim.org._watchers[TOPIC])
        newest = org.publish(1)
        assert ids(await read_events(again, seen))[-1:] == newest


async def test_a_commit_is_refused_with_a_reason_and_the_stream_goes_on() -> None:
    async with managed() as org:
        org.publish(6)
        call = await opened(org, 3)
        events = await read_events(call, 3)
        hidden = org.sim.org.ledger.page(5, 1)[0].replay_id
        await call.write(commit(events[1].replay_id))
        assert not (await answered(call)).HasField("error")
        for replay_id in (b"", b"garbage", hidden, events[0].replay_id):
            await call.write(commit(replay_id))
            answer = await answered(call)
            assert answer.error.code == pb.COMMIT
            assert answer.error.msg
        assert (await slot(org))["committed"] is not None
        await call.write(commit(events[2].replay_id, n=3))
        received: list[pb.ConsumerEvent] = []
        while len(received) < 3:
            received += (await read(call)).events
        assert org.sim.org.managed.named(NAME).committed == events[2].replay_id  # type: ignore[union-attr]  # it exists


async def test_a_keepalive_can_be_committed() -> None:
    async with managed(keepalive_s=0.05) as org:
        call = await opened(org, 3)
        keepalive = await read(call)
        assert keepalive.latest_replay_id
        await call.write(commit(keepalive.latest_replay_id))
        while not (response := await read(call)).HasField("commit_response"):
            pass
        assert not response.commit_response.HasField("error")


async def test_a_subscription_has_one_stream_at_a_time() -> None:
    async with managed() as org:
        held = await opened(org, 1)
        await until(lambda: org.sim.org._watchers[TOPIC])
        error = await failure_of(await opened(org, 1))
        assert error.code() is grpc.StatusCode.ALREADY_EXISTS
        assert trailers_of(error)["error-code"] == PREFIX + "managed.subscription.already.active"
        assert (await slot(org))["active"]
        org.publish(1)
        await read_events(held, 1)
        await ended(held)
        await opened(org, 1)


async def test_a_lost_stream_holds_its_subscription_for_a_while() -> None:
    async with managed(managed_release_s=1080) as org:
        org.publish(1)
        for _ in range(5):  # a client that is lost looks for a moment like one that has closed its side
            lost = await opened(org, 1)
            await read_events(lost, 1)
            lost.cancel()
            await until(lambda: not org.sim.org.calls.shown())
            await failure_of(await opened(org, 1))
            await org.call("POST", "/v1/clock/advance", json={"seconds": 1081})
        await read_events(await opened(org, 1), 1)


async def test_a_stream_without_commits_is_closed_and_one_with_a_commit_is_not() -> None:
    async with managed() as org:
        org.publish(1)
        call = await opened(org, 100)
        [event] = await read_events(call, 1)
        for _ in range(3):
            await org.call("POST", "/v1/clock/advance", json={"seconds": 1200})
            await read(call)
            await call.write(commit(event.replay_id))
            await answered(call)
        await org.call("POST", "/v1/clock/advance", json={"seconds": 1801})
        error = await failure_of(call)
    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert error.details() == "No CommitReplayRequests sent in the last 1800 seconds. Closing managed subscription."
    assert "error-code" not in trailers_of(error)


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        pytest.param(first(1, developer_name="No"), "developer.name.not.found", id="unknown name"),
        pytest.param(first(1, developer_name="", subscription_id=UNKNOWN_ID), "subscription.id.not.found", id="id"),
        pytest.param(first(1, developer_name="", subscription_id="0Af"), "subscription.id.invalid", id="malformed id"),
        pytest.param(first(1, developer_name=""), "id.or.developer.name.empty", id="neither"),
        pytest.param(first(1, subscription_id="18x"), "id.or.developer.name.empty", id="both"),
        pytest.param(first(-1), "fetch.request.events.invalid", id="below zero"),
        pytest.param(first(1, auth_refresh="x"), "auth.request.restricted", id="auth refresh"),
        pytest.param(
            first(1, commit_replay_id_request=pb.CommitReplayRequest()), "commit.request.restricted", id="commit first"
        ),
    ],
)
async def test_a_first_request_that_is_wrong_ends_the_stream(request_: pb.ManagedFetchRequest, code: str) -> None:
    async with managed() as org:
        call = org.stub.ManagedSubscribe(metadata=org.sim.metadata())
        await call.write(request_)
        error = await failure_of(call)
        assert (await slot(org))["active"] is None
    assert trailers_of(error)["error-code"] == f"{PREFIX}managed.subscription.{code}"


async def test_a_later_request_must_ask_for_something() -> None:
    async with managed() as org:
        call = await opened(org, 1)
        await call.write(pb.ManagedFetchRequest())
        error = await failure_of(call)
    assert trailers_of(error)["error-code"] == PREFIX + "managed.subscription.fetch.request.invalid"


@pytest.mark.parametrize(
    ("method", "body", "code"),
    [
        pytest.param("PATCH", {"state": "STOP"}, "config.stopped", id="stopped"),
        pytest.param("DELETE", None, "config.deleted", id="deleted"),
    ],
)
async def test_an_administrator_ends_the_stream(method: str, body: Any, code: str) -> None:
    async with managed() as org:
        org.publish(1)
        call = await opened(org, 5)
        await read_events(call, 1)
        options = {"json": body} if body else {}
        assert (await org.call(method, f"/v1/managed-subscriptions/{NAME}", **options))[0] == 200
        error = await failure_of(call)
        assert trailers_of(error)["error-code"] == f"{PREFIX}managed.subscription.{code}"
        await failure_of(await opened(org, 1))


async def test_the_checkpoint_goes_back() -> None:
    async with managed() as org:
        published = org.publish(3)
        call = await opened(org, 3)
        events = await read_events(call, 3)
        await call.write(commit(events[2].replay_id))
        await answered(call)
        await ended(call)
        body = {"rewind_to": b64encode(events[0].replay_id).decode()}
        await org.call("PATCH", f"/v1/managed-subscriptions/{NAME}", json=body)
        assert ids(await read_events(await opened(org, 2), 2)) == published[1:]


async def test_names_are_used_once_and_topics_exist() -> None:
    async with managed() as org:
        path = "/v1/managed-subscriptions"
        assert (await org.call("POST", path, json={"developer_name": NAME, "topic": TOPIC}))[0] == 409
        assert (await org.call("POST", path, json={"developer_name": "B", "topic": "/event/No__e"}))[0] == 404
        assert (await org.call("PATCH", f"{path}/No", json={"state": "RUN"}))[0] == 404


async def test_faults_happen_to_managed_streams_too() -> None:
    async with managed() as org:
        org.publish(3)
        await org.order("fail", error_code="service.unavailable", rpc="ManagedSubscribe", topic=TOPIC, after_events=2)
        call = await opened(org, 5)
        await read_events(call, 2)
        error = await asyncio.wait_for(failure_of(call), 10)
    assert trailers_of(error)["type"] == "ManagedSubscribe"
