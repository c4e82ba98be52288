"""Every fault of a call or of the org, ordered over HTTP and seen by a bare gRPC client."""

import asyncio
import time
from typing import Any

import grpc
import grpc.aio
import pytest

from schemas.proto import pubsub_api_pb2 as pb
from simulator.faults.error_codes import STATUS_OF
from tests.support.faulty_org import faulty
from tests.support.pubsub_client import (
    CUSTOM,
    LATEST,
    PREFIX,
    TOPIC,
    failure_of,
    fetch,
    ids,
    read,
    read_events,
    subscribe,
    trailers_of,
    until,
)

DEADLINE_S = 10.0
OTHER = "/event/Other__e"


async def rest_of(call: Any) -> list[pb.ConsumerEvent]:
    """What comes before the stream ends in order."""
    events: list[pb.ConsumerEvent] = []
    while (response := await read(call)) is not grpc.aio.EOF:
        events += response.events
    return events


async def silent_for(call: Any, seconds: float) -> bool:
    reading = asyncio.ensure_future(call.read())
    done, _ = await asyncio.wait({reading}, timeout=seconds)
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    return not done


@pytest.mark.parametrize("code", sorted(STATUS_OF))
async def test_every_error_code_comes_with_its_status_and_trailers(code: str) -> None:
    async with faulty() as org:
        await org.order("fail", error_code=code, rpc="Subscribe")
        error = await failure_of(await org.open_stream())
        again = await org.open_stream()
        org.publish(1)
        await read_events(again, 1)
    trailers = trailers_of(error)
    assert error.code().name == STATUS_OF[code].value
    assert (trailers["error-code"], trailers["type"]) == (PREFIX + code, "Subscribe")
    assert (error.details() or "").endswith(f"rpcId: {trailers['rpc-id']}")


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"error_code": "service.unavailable", "trailers": False}, id="trailers eaten"),
        pytest.param({"status": "INTERNAL", "text": "Received RST_STREAM with code 0"}, id="no code at all"),
    ],
)
async def test_a_failure_can_come_without_trailers(fields: dict[str, Any]) -> None:
    async with faulty() as org:
        await org.order("fail", **fields)
        error = await failure_of(await org.open_stream())
    assert error.code() is grpc.StatusCode.INTERNAL
    assert not {"error-code", "rpc-id"} & set(trailers_of(error))
    assert "rpcId" not in (error.details() or "")


@pytest.mark.parametrize("after", [0, 1, 7])
async def test_a_stream_fails_after_exactly_so_many_events(after: int) -> None:
    async with faulty() as org:
        published = org.publish(20)
        fault = await org.order("fail", error_code="service.unavailable", after_events=after, times=2)
        for _ in range(2):
            call = await org.open_stream()
            received = await read_events(call, after)
            assert trailers_of(await failure_of(call))["error-code"] == PREFIX + "service.unavailable"
            assert ids(received) == published[:after]
        assert ids(await read_events(await org.open_stream(), 20)) == published
        assert await org.happened(fault) == 2


async def test_an_open_stream_fails_as_soon_as_it_is_ordered() -> None:
    async with faulty() as org:
        org.publish(3)
        call = await org.open_stream()
        await read_events(call, 3)
        await org.order("fail", error_code="service.auth.error", after_events=0)
        assert (await failure_of(call)).code() is grpc.StatusCode.UNAUTHENTICATED


@pytest.mark.parametrize(
    ("method", "request_"),
    [
        pytest.param("GetTopic", pb.TopicRequest(topic_name=TOPIC), id="GetTopic"),
        pytest.param("GetSchema", pb.SchemaRequest(schema_id="x"), id="GetSchema"),
        pytest.param("Publish", pb.PublishRequest(topic_name=TOPIC), id="Publish"),
    ],
)
async def test_a_unary_call_fails_and_the_others_do_not(method: str, request_: Any) -> None:
    async with faulty() as org:
        fault = await org.order("fail", error_code="service.auth.error", rpc=method)
        org.publish(1)
        await read_events(await org.open_stream(), 1)
        assert await org.happened(fault) == 0
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await getattr(org.stub, method)(request_, metadata=org.sim.metadata())
        assert await org.happened(fault) == 1
    assert trailers_of(caught.value)["type"] == method


async def test_a_fault_of_one_topic_or_client_leaves_the_others_alone() -> None:
    async with faulty(topics=(TOPIC, OTHER)) as org:
        here = await org.order("fail", error_code="service.unavailable", topic=OTHER)
        org.sim.org.tokens.issue("app-1")
        there = await org.order("fail", error_code="service.unavailable", client="app-1")
        org.publish(1)
        await read_events(await org.open_stream(), 1)
        assert (await org.happened(here), await org.happened(there)) == (0, 0)
        other = subscribe(org.stub, org.sim)
        await other.write(fetch(1, topic=OTHER))
        await failure_of(other)
        assert (await org.happened(here), await org.happened(there)) == (1, 0)
        mine = dict(org.sim.metadata()) | {"accesstoken": org.sim.org.tokens.issue("app-1")}
        call = org.stub.Subscribe(metadata=tuple(mine.items()))
        await call.write(fetch(1))
        await failure_of(call)
        assert await org.happened(there) == 1


async def test_a_fault_that_is_taken_back_happens_no_more() -> None:
    async with faulty() as org:
        fault = await org.order("fail", error_code="service.unavailable", times=None)
        await failure_of(await org.open_stream())
        await failure_of(await org.open_stream())
        status, reply = await org.call("DELETE", f"/v1/faults/{fault}")
        assert (status, reply["happened"], reply["left"]) == (200, 2, None)
        org.publish(1)
        await read_events(await org.open_stream(), 1)
        assert (await org.call("GET", "/v1/faults"))[1] == {"faults": []}
        assert (await org.call("DELETE", f"/v1/faults/{fault}"))[0] == 404


async def test_a_stream_ends_in_order() -> None:
    async with faulty() as org:
        org.publish(5)
        await org.order("end", after_events=3)
        call = await org.open_stream()
        assert len(await rest_of(call)) == 3
        assert await call.code() == grpc.StatusCode.OK


@pytest.mark.parametrize("after", [pytest.param(None, id="from the start"), pytest.param(1, id="after an event")])
async def test_a_silent_stream_sends_nothing_not_even_keepalives(after: int | None) -> None:
    async with faulty(keepalive_s=0.02, zero_credit_close_s=0.02) as org:
        org.publish(2)
        await org.order("silence", after_events=after)
        call = await org.open_stream()
        if after is not None:
            await read_events(call, after)
        assert await silent_for(call, 0.3)


async def test_silence_can_end() -> None:
    async with faulty() as org:
        org.publish(2)
        await org.order("silence", after_events=1, seconds=0.1)
        started = time.monotonic()
        await read_events(await org.open_stream(), 2)
        assert time.monotonic() - started >= 0.1


async def test_responses_are_slow_as_often_as_ordered() -> None:
    async with faulty(split_share=0.0) as org:
        fault = await org.order("slow", seconds=0.1, times=2)
        await org.order("split", events=1, times=3)
        org.publish(3)
        started = time.monotonic()
        await read_events(await org.open_stream(), 3)
        assert time.monotonic() - started >= 0.2
        assert await org.happened(fault) == 2


async def test_get_schema_is_slow() -> None:
    async with faulty() as org:
        await org.order("slow", seconds=0.2, rpc="GetSchema")
        schema_id = org.sim.org.schema(TOPIC).schema_id
        started = time.monotonic()
        await org.stub.GetSchema(pb.SchemaRequest(schema_id=schema_id), metadata=org.sim.metadata())
        assert time.monotonic() - started >= 0.2


async def test_responses_are_split_and_merged() -> None:
    async with faulty(split_share=0.0) as org:
        org.publish(6)
        await org.order("split", events=2, times=3)
        call = await org.open_stream(50)
        sizes = [len((await read(call)).events) for _ in range(3)]
        assert sizes == [2, 2, 2]
        await org.order("merge", seconds=0.3)
        for n in range(4):
            org.publish(1)
            await asyncio.sleep(0.01 * n)
        assert len((await read(call)).events) == 4


async def test_the_client_is_told_of_its_mistakes() -> None:
    wrong: list[tuple[dict[str, Any], int]] = [
        ({"do": "explode"}, 400),
        ({"do": "fail"}, 400),
        ({"do": "fail", "error_code": "x", "when": 1}, 400),
        ({"do": "fail", "status": "BAD"}, 400),
        ({"do": "end", "rpc": "GetTopic"}, 400),
        ({"do": "fail", "status": "INTERNAL", "rpc": "GetTopic", "after_events": 1}, 400),
        ({"do": "slow", "seconds": -1}, 400),
        ({"do": "swap", "times": 0}, 400),
        ({"do": "swap", "topic": "/event/No__e"}, 404),
        ({"do": "reset"}, 409),
        ({"do": "maintenance", "times": 2}, 400),
        ({"do": "login"}, 400),
        ({"do": "change_schema", "add": [{"name": "X__c", "type": "long", "value": "text"}], "after_events": 5}, 400),
        ({"do": "change_schema", "add": [{"name": "EventType__c", "type": "string"}]}, 400),
    ]
    async with faulty() as org:
        for body, expected in wrong:
            status, reply = await org.call("POST", "/v1/faults", json=body)
            assert (status, bool(reply["message"])) == (expected, True), body
        assert (await org.call("GET", "/v1/faults"))[1] == {"faults": []}


async def test_a_migrated_org_refuses_the_old_ids() -> None:
    async with faulty() as org:
        old = org.sim.publish_message("cv-1", "old")
        call = await org.open_stream()
        await read_events(call, 1)
        await org.order("migrate_org")
        assert not trailers_of(await failure_of(call)).get("error-code")
        error = await failure_of(await org.open_stream(1, CUSTOM, old.replay_id))
        assert trailers_of(error)["error-code"] == PREFIX + "subscription.fetch.replayid.corrupted"
        new = org.publish(1)
        assert ids(await read_events(await org.open_stream(), 1)) == new


async def test_a_migrated_org_takes_old_ids_that_mean_other_places() -> None:
    async with faulty() as org:
        org.publish(20)
        old = org.sim.publish_message("cv-1", "last").replay_id
        await org.order("migrate_org", old_ids="unrelated")
        new = [org.sim.publish_message("cv-2", f"new {n}") for n in range(40)]
        behind = [entry.event_uuid for entry in new if entry.replay_id > old]
        assert 0 < len(behind) < len(new)
        received = await read_events(await org.open_stream(100, CUSTOM, old), len(behind))
        assert ids(received) == behind


async def test_a_schema_changes_in_mid_stream_and_retained_events_keep_theirs() -> None:
    big = 2**60 + 1
    async with faulty() as org:
        org.publish(1)
        before = org.sim.org.schema(TOPIC).schema_id
        field = {"name": "CommitNumber__c", "type": "long", "value": big}
        await org.order("change_schema", topic=TOPIC, add=[field], after_events=1)
        org.publish(2)
        events = await read_events(await org.open_stream(), 3)
        assert [event.event.schema_id == before for event in events] == [True, True, False]
        new_id = events[2].event.schema_id
        assert (
            new_id
            == (await org.stub.GetTopic(pb.TopicRequest(topic_name=TOPIC), metadata=org.sim.metadata())).schema_id
        )
        for schema_id in (before, new_id):
            await org.stub.GetSchema(pb.SchemaRequest(schema_id=schema_id), metadata=org.sim.metadata())
        await org.order("change_schema", topic=TOPIC, remove=["EventPayload__c"])
        org.publish(1)
        _, page = await org.call("GET", "/v1/topics/event/ByocOutbound__e/events")
    records = [event["record"] for event in page["events"]]
    assert ["CommitNumber__c" in record for record in records] == [False, False, True, True]
    assert records[2]["CommitNumber__c"] == big
    assert ["EventPayload__c" in record for record in records] == [True, True, True, False]


async def test_revoked_tokens_are_refused_and_their_streams_cut_when_ordered() -> None:
    async with faulty() as org:
        org.publish(1)
        kept = await org.open_stream()
        await read_events(kept, 1)
        await org.order("revoke_tokens")
        org.publish(1)
        await read_events(kept, 1)
        cut = await org.open_stream()
        await read_events(cut, 2)
        await org.order("revoke_tokens", cut=True)
        assert trailers_of(await failure_of(cut))["error-code"] == PREFIX + "service.auth.error"


async def test_a_token_that_nobody_uses_expires_and_an_open_stream_uses_its_own() -> None:
    async with faulty(session_timeout_s=3600, keepalive_s=120) as org:
        idle, held = org.sim.metadata(), org.sim.metadata()
        call = org.stub.Subscribe(metadata=held)
        await call.write(fetch(10))
        # A call that is open and has not been read yet has no credit, and would be closed as the time passes.
        await until(lambda: any(shown.pending for shown in org.sim.org.calls.shown()))
        for _ in range(4):
            await org.call("POST", "/v1/clock/advance", json={"seconds": 1800})
            assert not (await read(call)).events
        await org.stub.GetTopic(pb.TopicRequest(topic_name=TOPIC), metadata=held)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await org.stub.GetTopic(pb.TopicRequest(topic_name=TOPIC), metadata=idle)
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_the_delivery_allocation_is_shared_by_all_subscribers_and_frees_over_a_day() -> None:
    async with faulty() as org:
        published = org.publish(10)
        await org.order("delivery_allocation", events=6)
        first = await read_events(await org.open_stream(4), 4)
        second = await org.open_stream(100)
        assert len(await read_events(second, 2)) == 2
        error = await failure_of(second)
        assert trailers_of(error)["error-code"] == PREFIX + "subscription.limit.exceeded"
        await org.call("POST", "/v1/clock/advance", json={"seconds": 24 * 3600 + 1})
        rest = await read_events(await org.open_stream(6, CUSTOM, first[-1].replay_id), 6)
        assert ids(first + rest) == published
        _, stats = await org.call("GET", "/v1/stats")
    assert stats["delivery_allocation"] == {"used": 6, "limit": 6}


async def test_during_maintenance_nobody_can_connect_and_afterwards_everything_is_there() -> None:
    async with faulty() as org:
        published = org.publish(2)
        call = await org.open_stream(1)
        first = await read_events(call, 1)
        await org.order("maintenance", seconds=0.3)
        await failure_of(call)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await org.stub.GetTopic(pb.TopicRequest(topic_name=TOPIC), metadata=org.sim.metadata())
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE

        async def resumed() -> list[str]:
            while True:
                again = subscribe(org.stub, org.sim)
                try:
                    await again.write(fetch(1, CUSTOM, first[0].replay_id))
                    return ids(await read_events(again, 1))
                except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
                    await asyncio.sleep(0.05)

        assert await asyncio.wait_for(resumed(), DEADLINE_S) == published[1:]


async def test_three_days_pass_in_one_call_and_ids_expire() -> None:
    async with faulty() as org:
        old = org.sim.publish_message("cv-1", "old")
        _, before = await org.call("GET", "/v1/clock")
        _, after = await org.call("POST", "/v1/clock/advance", json={"seconds": 72 * 3600 - 60})
        assert after["now_ms"] - before["now_ms"] >= (72 * 3600 - 60) * 1000
        await read_events(await org.open_stream(1), 1)
        await org.call("POST", "/v1/clock/advance", json={"seconds": 120})
        error = await failure_of(await org.open_stream(1, CUSTOM, old.replay_id))
        assert trailers_of(error)["error-code"] == PREFIX + "subscription.fetch.replayid.corrupted"
        assert (await org.call("POST", "/v1/clock/advance", json={"seconds": -1}))[0] == 400


async def test_a_quiet_stream_gets_ids_that_are_never_too_old() -> None:
    async with faulty() as org:
        call = await org.open_stream(1, LATEST)
        await until(lambda: org.sim.org._watchers[TOPIC])
        for _ in range(6):
            await org.call("POST", "/v1/clock/advance", json={"seconds": 12 * 3600})
            newest = (await read(call)).latest_replay_id
        again = await org.open_stream(1, CUSTOM, newest)
        published = org.publish(1)
        assert ids(await read_events(again, 1)) == published


async def test_a_stream_without_credit_is_closed_when_the_clock_says_so() -> None:
    async with faulty(zero_credit_close="ok") as org:
        org.publish(1)
        call = await org.open_stream(1)
        await read_events(call, 1)
        await org.call("POST", "/v1/clock/advance", json={"seconds": 59})
        ending = asyncio.ensure_future(call.read())
        assert not (await asyncio.wait({ending}, timeout=0.1))[0]
        await org.call("POST", "/v1/clock/advance", json={"seconds": 2})
        assert await asyncio.wait_for(ending, DEADLINE_S) is grpc.aio.EOF


async def test_latest_misses_what_is_published_before_it_has_settled() -> None:
    async with faulty(latest_settle_s=3.0) as org:
        call = await org.open_stream(10, LATEST)
        await until(lambda: org.sim.org._watchers[TOPIC])
        org.publish(2)
        await org.call("POST", "/v1/clock/advance", json={"seconds": 3.5})
        seen = org.publish(1)
        assert ids(await read_events(call, 1)) == seen
