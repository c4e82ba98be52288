"""Every fault of a published event, and topics that are declared by hand: what subscribers get of them."""

import base64
from typing import Any

import pytest

from schemas.proto import pubsub_api_pb2 as pb
from simulator.org.event_log import UnknownTopicError
from tests.support.faulty_org import Org, faulty
from tests.support.pubsub_client import CUSTOM, TOPIC, fetch, ids, read_events, subscribe, until
from tests.support.simulator import message_payload

OTHER = "/event/Other__e"
CHANNEL = "/event/All__chn"
CHANGES = "/data/AccountChangeEvent"
CHANGE_SCHEMA = {
    "type": "record",
    "name": "AccountChangeEvent",
    "namespace": "com.sforce.eventbus",
    "fields": [
        {
            "name": "ChangeEventHeader",
            "type": {
                "type": "record",
                "name": "ChangeEventHeader",
                "fields": [
                    {"name": "entityName", "type": "string"},
                    {"name": "commitNumber", "type": "long"},
                    {"name": "changedFields", "type": {"type": "array", "items": "string"}},
                ],
            },
        },
        {"name": "Name", "type": ["null", "string"], "default": None},
    ],
}


async def retained(org: Org, topic: str = TOPIC) -> list[dict[str, Any]]:
    _, page = await org.call("GET", f"/v1/topics{topic}/events")
    events: list[dict[str, Any]] = page["events"]
    return events


async def test_a_duplicate_has_the_same_id_and_payload_and_another_replay_id() -> None:
    async with faulty() as org:
        await org.order("duplicate", after_events=1)
        published = org.publish(3)
        events = await read_events(await org.open_stream(), 4)
        ledger = org.sim.org.ledger.page(0, 10)
    assert ids(events) == [published[0], published[1], published[1], published[2]]
    assert events[1].event == events[2].event
    assert events[1].replay_id < events[2].replay_id
    assert [entry.duplicate_of_seq for entry in ledger] == [None, None, 2, None]


async def test_two_events_land_in_swapped_order_and_the_ledger_says_so() -> None:
    async with faulty() as org:
        await org.order("swap", after_events=1)
        one, two, three, four = org.publish(4)
        events = await read_events(await org.open_stream(), 4)
        assert ids(events) == [one, three, two, four]
        assert [entry.event_uuid for entry in org.sim.org.ledger.page(0, 10)] == ids(events)
        resumed = await read_events(await org.open_stream(10, CUSTOM, events[1].replay_id), 2)
    assert ids(resumed) == [two, four]


@pytest.mark.parametrize("how", ["noise", "truncated", "surplus", "empty", "unknown_schema", "no_schema"])
async def test_a_damaged_event_does_not_fit_its_schema_and_its_neighbours_do(how: str) -> None:
    async with faulty() as org:
        await org.order("damage", how=how, after_events=1)
        published = org.publish(3)
        assert ids(await read_events(await org.open_stream(), 3)) == published
        events = await retained(org)
        ledger = org.sim.org.ledger.page(0, 10)
    assert [event["record"] is None for event in events] == [False, True, False]
    assert (events[1]["schema_id"] == events[0]["schema_id"]) is not how.endswith("schema")
    assert [entry.conversation_id for entry in ledger] == ["cv-1", "", "cv-1"]


@pytest.mark.parametrize("which", ["none", "lower"])
async def test_an_event_comes_without_its_replay_id_and_the_stream_goes_on(which: str) -> None:
    async with faulty() as org:
        await org.order("wrong_replay_id", which=which, after_events=1)
        published = org.publish(3)
        events = await read_events(await org.open_stream(), 3)
        assert ids(events) == published
        if which == "none":
            assert events[1].replay_id == b""
        else:
            assert b"" < events[1].replay_id < events[0].replay_id
        assert events[0].replay_id < events[2].replay_id


async def test_a_channel_carries_the_events_of_its_members_under_the_same_ids() -> None:
    async with faulty(topics=(TOPIC, OTHER)) as org:
        assert (await org.call("POST", "/v1/topics", json={"topic": CHANNEL, "members": [TOPIC, OTHER]}))[0] == 201
        call = subscribe(org.stub, org.sim)
        await call.write(fetch(10, topic=CHANNEL))
        await until(lambda: org.sim.org._watchers[CHANNEL])
        first = org.sim.publish_message("cv-1", "one")
        second = org.sim.publish(message_payload("cv-1", "e2", "two"), topic=OTHER)
        events = await read_events(call, 2)
        topic = await org.stub.GetTopic(pb.TopicRequest(topic_name=CHANNEL), metadata=org.sim.metadata())
    assert [event.replay_id for event in events] == [first.replay_id, second.replay_id]
    assert topic.schema_id == ""
    assert events[0].event.schema_id != events[1].event.schema_id


async def test_a_change_event_is_declared_and_published_by_hand() -> None:
    record = {
        "ChangeEventHeader": {"entityName": "Account", "commitNumber": 2**60 + 1, "changedFields": ["0x02"]},
        "Name": "Acme",
    }
    async with faulty() as org:
        status, topic = await org.call("POST", "/v1/topics", json={"topic": CHANGES, "avro_schema": CHANGE_SCHEMA})
        assert (status, len(topic["schema_id"])) == (201, 22)
        path = f"/v1/topics{CHANGES}/events"
        assert (await org.call("POST", path, json={"record": record}))[0] == 201
        assert (await org.call("POST", path, json={"record": {"Name": "no header"}}))[0] == 400
        call = subscribe(org.stub, org.sim)
        await call.write(fetch(10, topic=CHANGES))
        [event] = await read_events(call, 1)
        assert event.event.schema_id == topic["schema_id"]
        assert [kept["record"] for kept in await retained(org, CHANGES)] == [record]
        _, topics = await org.call("GET", "/v1/topics")
    assert topics["topics"][-1] == {"topic": CHANGES, "schema_id": topic["schema_id"], "retained": 1}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        pytest.param({"topic": "/event/X__e"}, 400, id="neither"),
        pytest.param({"topic": "/event/X__e", "avro_schema": {"type": "record"}}, 400, id="no record schema"),
        pytest.param({"topic": "/event/X__e", "avro_schema": {"type": "string"}}, 400, id="no record"),
        pytest.param({"topic": "X", "members": [TOPIC]}, 400, id="no topic name"),
        pytest.param({"topic": CHANNEL, "members": ["/event/No__e"]}, 404, id="unknown member"),
    ],
)
async def test_a_topic_that_makes_no_sense_is_refused(body: dict[str, Any], status: int) -> None:
    async with faulty() as org:
        assert (await org.call("POST", "/v1/topics", json=body))[0] == status
        assert org.sim.org.log.topics == [TOPIC]


async def test_the_byoc_way_to_publish_needs_a_byoc_topic() -> None:
    async with faulty() as org:
        await org.call("POST", "/v1/topics", json={"topic": CHANGES, "avro_schema": CHANGE_SCHEMA})
        assert (await org.call("POST", f"/v1/topics{CHANGES}/events", json={"payload": {}}))[0] == 404
        with pytest.raises(UnknownTopicError):
            org.sim.org.event_schema(CHANGES)


async def test_retained_events_are_listed_in_pages() -> None:
    async with faulty() as org:
        published = org.publish(5)
        path = f"/v1/topics{TOPIC}/events"
        _, first = await org.call("GET", path, params={"limit": 3})
        _, second = await org.call("GET", path, params={"after": first["next"]})
        _, nothing = await org.call("GET", path, params={"after": second["next"]})
        poison = base64.b64encode(b"\xff").decode()
        assert (await org.call("POST", path, json={"payload_base64": poison}))[0] == 201
        last = (await retained(org))[-1]
    assert [event["event_uuid"] for event in first["events"] + second["events"]] == published
    assert (nothing["events"], nothing["next"]) == ([], second["next"])
    assert (last["payload"], last["record"], last["index"]) == (poison, None, 5)


async def test_stats_tell_open_calls_and_what_was_delivered_to_whom() -> None:
    async with faulty() as org:
        org.publish(3)
        mine = dict(org.sim.metadata()) | {"accesstoken": org.sim.org.tokens.issue("app-1")}
        call = org.stub.Subscribe(metadata=tuple(mine.items()))
        await call.write(fetch(10))
        await read_events(call, 3)
        resumed = await org.open_stream(1, CUSTOM, org.sim.org.ledger.page(0, 1)[0].replay_id)
        await read_events(resumed, 1)
        _, stats = await org.call("GET", "/v1/stats")
        call.cancel()
        resumed.cancel()
        await until(lambda: not org.sim.org.calls.shown())
    shown, other = stats["open_calls"]
    assert (shown["replay_preset"], shown["replay_id"], other["replay_preset"]) == ("EARLIEST", "", "CUSTOM")
    assert base64.b64decode(other["replay_id"])[-2:] == bytes(2)
    assert stats["calls_opened"] == {"Subscribe": 2}
    assert (shown["rpc"], shown["topic"], shown["client"], shown["sent_events"], shown["pending"]) == (
        "Subscribe",
        TOPIC,
        "app-1",
        3,
        7,
    )
    assert stats["delivered"] == {"app-1": 3, "unknown": 1}
    assert stats["delivery_allocation"] == {"used": 4, "limit": None}
