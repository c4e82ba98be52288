"""The simulator's Pub/Sub API over a real socket, judged by a bare gRPC client: what the wire contract promises."""

import json
import time
from typing import Any

import grpc
import grpc.aio
import pytest

from schemas.proto import pubsub_api_pb2 as pb
from simulator.faults.fault import STREAMS
from simulator.org import replay_ids
from simulator.preload import preload
from simulator.pubsub.server import PortInUseError
from simulator.server import Simulator
from simulator.settings import Settings
from tests.support.pubsub_client import (
    CUSTOM,
    LATEST,
    PREFIX,
    TOPIC,
    connected,
    failure_of,
    fetch,
    ids,
    read,
    read_events,
    subscribe,
    trailers_of,
    until,
)
from tests.support.simulator import running_simulator


async def test_earliest_delivers_all_retained_events_in_the_order_of_their_replay_ids() -> None:
    async with connected() as (sim, stub):
        published = [sim.publish_message("cv-1", f"text {n}") for n in range(60)]
        call = subscribe(stub, sim)
        await call.write(fetch(100))
        events = await read_events(call, 60)
    assert ids(events) == [entry.event_uuid for entry in published]
    positions = [replay_ids.decode(event.replay_id) for event in events]
    assert positions == sorted(positions)
    assert [len(event.replay_id) for event in events] == [10] * 60


async def test_latest_delivers_only_what_is_published_after_the_subscription() -> None:
    async with connected() as (sim, stub):
        sim.publish_message("cv-1", "before")
        call = subscribe(stub, sim)
        await call.write(fetch(5, LATEST))
        await until(lambda: sim.org._watchers[TOPIC])
        after = sim.publish_message("cv-1", "after")
        events = await read_events(call, 1)
    assert ids(events) == [after.event_uuid]


@pytest.mark.parametrize(
    "form", [pytest.param(lambda value: value, id="ten bytes"), pytest.param(lambda value: value[:8], id="eight bytes")]
)
async def test_custom_starts_after_the_replay_id(form: Any) -> None:
    async with connected() as (sim, stub):
        published = [sim.publish_message("cv-1", f"text {n}") for n in range(5)]
        call = subscribe(stub, sim)
        await call.write(fetch(100, CUSTOM, form(published[2].replay_id)))
        events = await read_events(call, 2)
    assert ids(events) == [published[3].event_uuid, published[4].event_uuid]


async def test_an_event_of_another_topic_is_a_valid_place_to_resume_from() -> None:
    other = "/event/Other__e"
    async with connected(topics=(TOPIC, other)) as (sim, stub):
        sim.publish_message("cv-1", "before")
        elsewhere = sim.publish({"x": 1}, topic=other)
        after = sim.publish_message("cv-1", "after")
        call = subscribe(stub, sim)
        await call.write(fetch(100, CUSTOM, elsewhere.replay_id))
        events = await read_events(call, 1)
    assert ids(events) == [after.event_uuid]


@pytest.mark.parametrize("split_share", [pytest.param(0.0, id="full batches"), pytest.param(1.0, id="split batches")])
async def test_no_more_events_come_than_were_asked_for_and_pending_counts_down(split_share: float) -> None:
    async with connected(split_share=split_share, keepalive_s=0.2) as (sim, stub):
        for n in range(50):
            sim.publish_message("cv-1", f"text {n}")
        call = subscribe(stub, sim)
        await call.write(fetch(20))
        left, sizes = 20, []
        while left:
            response = await read(call)
            sizes.append(len(response.events))
            left -= len(response.events)
            assert response.pending_num_requested == left
            assert response.latest_replay_id == response.events[-1].replay_id
        await call.write(fetch(30))
        rest = await read_events(call, 30)
    assert len(rest) == 30
    assert (len(sizes) == 1) is (split_share == 0.0)


async def test_after_small_batches_the_responses_grow_again() -> None:
    count = 4000
    async with connected(split_share=0.2) as (sim, stub):
        preload(sim.org, count)
        call = subscribe(stub, sim)
        await call.write(fetch(100))
        received = responses = 0
        while received < count:
            response = await read(call)
            received += len(response.events)
            responses += 1
            await call.write(pb.FetchRequest(num_requested=len(response.events)))
    assert received == count
    # Without gathering credit it is below two events per response; with it, above fifty.
    assert count / responses > 10


async def test_credit_adds_up_and_stops_at_one_hundred() -> None:
    async with connected(keepalive_s=0.2) as (sim, stub):
        call = subscribe(stub, sim)
        for n in (30, 40, 90):
            await call.write(fetch(n))
        pending = [(await read(call)).pending_num_requested for _ in range(3)]
    assert pending[-1] == 100


async def test_an_idle_stream_gets_an_empty_response_with_a_position_to_resume_from() -> None:
    async with connected(keepalive_s=0.1) as (sim, stub):
        sim.publish_message("cv-1", "one")
        call = subscribe(stub, sim)
        started = time.monotonic()
        await call.write(fetch(10))
        await read_events(call, 1)
        keepalive = await read(call)
        waited_s = time.monotonic() - started
        assert list(keepalive.events) == []
        assert keepalive.pending_num_requested == 9
        assert 0.1 <= waited_s < 5
        later = sim.publish_message("cv-1", "two")
        again = subscribe(stub, sim)
        await again.write(fetch(10, CUSTOM, keepalive.latest_replay_id))
        assert ids(await read_events(again, 1)) == [later.event_uuid]


@pytest.mark.parametrize(
    ("how", "code"),
    [
        pytest.param("reset", grpc.StatusCode.INTERNAL, id="as a reset"),
        pytest.param("unavailable", grpc.StatusCode.UNAVAILABLE, id="as unavailable"),
        pytest.param("ok", grpc.StatusCode.OK, id="as a plain end"),
    ],
)
async def test_a_stream_without_credit_is_closed_without_trailers(how: str, code: grpc.StatusCode) -> None:
    async with connected(zero_credit_close_s=0.4, zero_credit_close=how, wire_faults=how == "reset") as (sim, stub):
        sim.publish_message("cv-1", "one")
        call = subscribe(stub, sim)
        await call.write(fetch(1))
        await read_events(call, 1)
        if code is grpc.StatusCode.OK:
            assert await read(call) is grpc.aio.EOF
        else:
            assert "error-code" not in trailers_of(await failure_of(call))
        assert await call.code() == code


@pytest.mark.parametrize(
    ("requests", "status", "code"),
    [
        pytest.param([fetch(0)], "INVALID_ARGUMENT", "subscription.fetch.requested.events.invalid", id="nothing asked"),
        pytest.param([fetch(-1)], "INVALID_ARGUMENT", "subscription.fetch.requested.events.invalid", id="below zero"),
        pytest.param(
            [fetch(1), fetch(1, topic="/event/Other__e")],
            "INVALID_ARGUMENT",
            "subscription.fetch.topic.mismatch",
            id="another topic later",
        ),
        pytest.param([fetch(1, topic="/event/No__e")], "NOT_FOUND", "topic.not.found", id="unknown topic"),
        pytest.param([fetch(1, topic="")], "INVALID_ARGUMENT", "topic.validation.empty", id="no topic"),
        pytest.param(
            [fetch(1, CUSTOM)], "INVALID_ARGUMENT", "subscription.fetch.replayid.validation.failed", id="custom, no id"
        ),
        pytest.param(
            [fetch(1, CUSTOM, b"garbage")],
            "INVALID_ARGUMENT",
            "subscription.fetch.replayid.corrupted",
            id="malformed replay id",
        ),
        pytest.param(
            [fetch(1, CUSTOM, replay_ids.encode(2**40))],
            "INVALID_ARGUMENT",
            "subscription.fetch.replayid.corrupted",
            id="replay id never given out",
        ),
    ],
)
async def test_a_bad_request_ends_the_stream_with_its_status_and_trailers(
    requests: list[pb.FetchRequest], status: str, code: str
) -> None:
    async with connected() as (sim, stub):
        call = subscribe(stub, sim)
        for request in requests:
            await call.write(request)
        error = await failure_of(call)
    trailers = trailers_of(error)
    assert error.code().name == status
    assert trailers["error-code"] == PREFIX + code
    assert trailers["type"] == "Subscribe"
    assert trailers["rpc-id"]
    assert (error.details() or "").endswith(f"rpcId: {trailers['rpc-id']}")


async def test_a_replay_id_older_than_the_retention_is_refused() -> None:
    async with connected(retention_h=0.2 / 3600) as (sim, stub):
        old = sim.publish_message("cv-1", "old")
        await until(lambda: sim.org.clock.now_ms() > old.created_at_ms + 400)
        call = subscribe(stub, sim)
        await call.write(fetch(1, CUSTOM, old.replay_id))
        error = await failure_of(call)
    assert trailers_of(error)["error-code"] == PREFIX + "subscription.fetch.replayid.corrupted"


async def test_the_fields_of_later_requests_other_than_num_requested_are_ignored() -> None:
    async with connected() as (sim, stub):
        published = [sim.publish_message("cv-1", f"text {n}") for n in range(4)]
        call = subscribe(stub, sim)
        await call.write(fetch(2))
        first = await read_events(call, 2)
        await call.write(fetch(2, CUSTOM, b"ignored", topic=""))
        second = await read_events(call, 2)
    assert ids(first + second) == [entry.event_uuid for entry in published]


def without(metadata: tuple[tuple[str, str], ...], name: str) -> tuple[tuple[str, str], ...]:
    return tuple(pair for pair in metadata if pair[0] != name)


def with_value(metadata: tuple[tuple[str, str], ...], name: str, value: str) -> tuple[tuple[str, str], ...]:
    return (*without(metadata, name), (name, value))


@pytest.mark.parametrize(
    ("change", "code"),
    [
        pytest.param(lambda m: without(m, "accesstoken"), "service.auth.headers.invalid", id="no token"),
        pytest.param(lambda m: without(m, "instanceurl"), "service.auth.headers.invalid", id="no instance url"),
        pytest.param(lambda m: without(m, "tenantid"), "service.auth.headers.invalid", id="no tenant"),
        pytest.param(lambda m: with_value(m, "tenantid", "00Dxx"), "service.auth.headers.invalid", id="other tenant"),
        pytest.param(lambda m: with_value(m, "instanceurl", "x"), "service.auth.headers.invalid", id="no url"),
        pytest.param(lambda m: with_value(m, "accesstoken", "stale"), "service.auth.error", id="token not valid"),
    ],
)
@pytest.mark.parametrize(
    "method", ["Subscribe", "ManagedSubscribe", "PublishStream", "GetTopic", "GetSchema", "Publish"]
)
async def test_every_rpc_checks_its_headers(change: Any, code: str, method: str) -> None:
    async with connected() as (sim, stub):
        metadata = change(sim.metadata())
        if method in STREAMS:
            error = await failure_of(getattr(stub, method)(metadata=metadata))
        else:
            request = {"GetTopic": pb.TopicRequest(), "GetSchema": pb.SchemaRequest(), "Publish": pb.PublishRequest()}
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await getattr(stub, method)(request[method], metadata=metadata)
            error = caught.value
    assert error.code() is grpc.StatusCode.UNAUTHENTICATED
    assert trailers_of(error)["error-code"] == PREFIX + code
    assert trailers_of(error)["type"] == method


async def test_an_open_stream_survives_the_revocation_of_its_token_and_the_next_call_does_not() -> None:
    async with connected() as (sim, stub):
        metadata = sim.metadata()
        call = stub.Subscribe(metadata=metadata)
        await call.write(fetch(10))
        sim.publish_message("cv-1", "one")
        await read_events(call, 1)
        sim.org.tokens.revoke()
        sim.publish_message("cv-1", "two")
        await read_events(call, 1)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.GetTopic(pb.TopicRequest(topic_name=TOPIC), metadata=metadata)
    assert trailers_of(caught.value)["error-code"] == PREFIX + "service.auth.error"


async def test_get_topic_and_get_schema_describe_the_events() -> None:
    async with connected() as (sim, stub):
        metadata = sim.metadata()
        topic = await stub.GetTopic(pb.TopicRequest(topic_name=TOPIC), metadata=metadata)
        schema = await stub.GetSchema(pb.SchemaRequest(schema_id=topic.schema_id), metadata=metadata)
    definition = json.loads(schema.schema_json)
    assert topic.can_subscribe
    assert topic.can_publish
    assert schema.schema_id == topic.schema_id
    assert len(topic.schema_id) == 22
    assert (definition["namespace"], definition["name"]) == ("com.sforce.eventbus", "ByocOutbound__e")
    assert [field["name"] for field in definition["fields"]] == [
        "CreatedDate",
        "CreatedById",
        "EventType__c",
        "EventPayload__c",
    ]


@pytest.mark.parametrize("schema_id", [pytest.param("", id="blank"), pytest.param("AAAA", id="unknown")])
async def test_get_schema_refuses_an_id_it_does_not_know(schema_id: str) -> None:
    async with connected() as (sim, stub):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.GetSchema(pb.SchemaRequest(schema_id=schema_id), metadata=sim.metadata())
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert trailers_of(caught.value)["error-code"] == PREFIX + "schema.validation.failed"


async def test_published_events_keep_their_id_and_headers_and_get_a_result_each() -> None:
    async with connected() as (sim, stub):
        metadata = sim.metadata()
        schema_id = (await stub.GetTopic(pb.TopicRequest(topic_name=TOPIC), metadata=metadata)).schema_id
        events = [
            pb.ProducerEvent(id="mine", schema_id=schema_id, payload=b"not avro", headers=[pb.EventHeader(key="k")]),
            pb.ProducerEvent(id="large", schema_id=schema_id, payload=b"x" * 1_000_001),
            pb.ProducerEvent(schema_id=schema_id, payload=b"\x02"),
        ]
        response = await stub.Publish(pb.PublishRequest(topic_name=TOPIC, events=events), metadata=metadata)
        call = subscribe(stub, sim)
        await call.write(fetch(10))
        received = await read_events(call, 2)
    assert [result.correlation_key for result in response.results][:2] == ["mine", "large"]
    assert [bool(result.replay_id) for result in response.results] == [True, False, True]
    assert response.results[1].error.code == pb.PUBLISH
    assert response.schema_id == schema_id
    assert received[0].event == events[0]
    assert received[1].event.id == response.results[2].correlation_key


@pytest.mark.parametrize(
    ("request_", "status", "code"),
    [
        pytest.param(pb.PublishRequest(), "INVALID_ARGUMENT", "topic.validation.empty", id="no topic"),
        pytest.param(pb.PublishRequest(topic_name="/event/No__e"), "NOT_FOUND", "topic.not.found", id="unknown topic"),
        pytest.param(
            pb.PublishRequest(topic_name=TOPIC), "INVALID_ARGUMENT", "publish.event.count.invalid", id="no event"
        ),
        pytest.param(
            pb.PublishRequest(topic_name=TOPIC, events=[pb.ProducerEvent(payload=b"x" * 900_000)] * 5),
            "UNAVAILABLE",
            None,
            id="more than 4 MB",
        ),
    ],
)
async def test_a_bad_publish_request_fails_as_a_whole(
    request_: pb.PublishRequest, status: str, code: str | None
) -> None:
    async with connected() as (sim, stub):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.Publish(request_, metadata=sim.metadata())
        assert len(sim.org.ledger) == 0
    assert caught.value.code().name == status
    assert trailers_of(caught.value).get("error-code") == (PREFIX + code if code else None)


@pytest.mark.parametrize("port", ["grpc_port", "http_port"])
async def test_two_simulators_do_not_share_a_port(port: str) -> None:
    async with running_simulator() as sim:
        taken = getattr(sim.simulator, port)
        second = Simulator(Settings(**({"grpc_port": 0, "http_port": 0} | {port: taken})))
        with pytest.raises(PortInUseError, match=str(taken)):
            await second.__aenter__()
