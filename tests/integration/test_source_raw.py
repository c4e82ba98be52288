"""`mode=raw` and channels: any event as it came, readable by standard tools; no event read as one that it is not."""

import asyncio
import io
import json
from collections.abc import Iterable
from typing import Any

import aiohttp
import fastavro
import pytest

from byoc.kafka.read import Message
from connectors.errors import TaskFailed
from schemas.topics import Topics
from simulator.events.change_events import FIRST_COMMIT_NUMBER, EntityChange
from simulator.events.event_schema import AddedField
from simulator.faults.fault import ChangeSchema as ChangeFields
from simulator.faults.fault import Damage
from tests.support.kafka import TestBroker
from tests.support.registry import Registry, running_registry, schema_by_id
from tests.support.simulator import RunningSimulator, message_payload, running_simulator
from tests.support.sinks import eventually, running
from tests.support.source import mirrored_ids, source_task

pytestmark = pytest.mark.broker

EVENT, OTHER, CHANNEL = "/event/ByocOutbound__e", "/event/Alert__e", "/event/Mixed__chn"
ACCOUNT = "/data/AccountChangeEvent"
ACCOUNT_ID = "001Hs00000AbCdEIAV"
RAW = {"mode": "raw", "topic_creation_default_partitions": "2"}


@pytest.fixture
async def sim():
    async with running_simulator(keepalive_s=30, topics=(EVENT, OTHER), entities=("Account", "Contact")) as simulator:
        simulator.org.declare_channel(CHANNEL, [EVENT, OTHER])
        yield simulator


@pytest.fixture
async def registry():
    async with running_registry() as running:
        yield running


def raw_topic(kafka: TestBroker, topics: Topics, salesforce_topic: str) -> str:
    name = f"{topics.prefix}.raw.{salesforce_topic.rpartition('/')[2]}"
    kafka.delete_on_exit(name)
    return name


def publish(sim: RunningSimulator, topic: str, count: int = 1) -> list[str]:
    return [
        sim.publish(message_payload("c1", sim.org.new_id(), f"hello {number}"), topic=topic).event_uuid
        for number in range(count)
    ]


def change(sim: RunningSimulator, entity: str = "Account", **fields: Any) -> str:
    return sim.org.publish_change(EntityChange(entity=entity, record_ids=[ACCOUNT_ID], **fields)).event_uuid


async def records(kafka: TestBroker, topic: str, count: int) -> list[Message]:
    """Wait for so many records, and give them in the order of Salesforce."""
    await eventually(lambda: len(kafka.read_committed(topic)) >= count, f"{count} records in {topic}")
    found = await asyncio.to_thread(kafka.read_committed, topic)
    return sorted(found, key=lambda record: dict(record.headers)["sf.replay_id"])


def uuids(found: Iterable[Message]) -> list[str]:
    return [dict(record.headers)["sf.event_uuid"].decode() for record in found]


def read_avro(payload: bytes, schema: Any) -> dict[str, Any]:
    """As any reader of Avro does: all the bytes, no more."""
    stream = io.BytesIO(payload)
    value = fastavro.schemaless_reader(stream, fastavro.parse_schema(schema), None)
    assert stream.read() == b""
    assert isinstance(value, dict)
    return value


async def read_confluent(record: Message, registry: Registry) -> dict[str, Any]:
    """As a standard reader does: magic byte, id, the schema of that id."""
    value = record.value or b""
    assert value[0] == 0
    return read_avro(value[5:], await schema_by_id(registry.url, int.from_bytes(value[1:5], "big")))


async def test_a_platform_event_is_mirrored_with_its_own_bytes_and_says_its_schema(kafka, catalogue, sim):
    sent = publish(sim, OTHER, 20)
    topic = raw_topic(kafka, catalogue, OTHER)
    async with running(source_task(kafka.bootstrap_servers, catalogue, sim, salesforce_topics=OTHER, **RAW)):
        found = await records(kafka, topic, 20)
    assert uuids(found) == sent
    schema = json.loads(sim.org.schema(OTHER).schema_json)
    for number, record in enumerate(found):
        headers = dict(record.headers)
        assert record.key == headers["sf.event_uuid"]
        assert headers["sf.schema_id"].decode() == sim.org.schema(OTHER).schema_id
        assert headers["sf.event_name"] == b"Alert__e"
        assert f"hello {number}" in read_avro(record.value or b"", schema)["EventPayload__c"]


async def test_the_key_is_the_field_that_is_configured_and_an_event_without_it_is_a_dead_letter(kafka, catalogue, sim):
    sim.publish({"a": 1}, event_type="Alarm", topic=OTHER)
    without = sim.publish({"a": 1}, event_type=None, topic=OTHER).event_uuid
    topic = raw_topic(kafka, catalogue, OTHER)
    keys = {"salesforce_topics": OTHER, "raw_key_field": "EventType__c", **RAW}
    async with running(source_task(kafka.bootstrap_servers, catalogue, sim, **keys)):
        [record] = await records(kafka, topic, 1)
        [letter] = await records(kafka, catalogue.dead_letters, 1)
    assert record.key == b"Alarm"
    assert uuids([letter]) == [without]
    assert dict(letter.headers)["__connect.errors.stage"] == b"KEY_CONVERTER"


async def test_with_a_registry_a_standard_reader_decodes_events_before_and_after_a_schema_change(
    kafka, catalogue, sim, registry
):
    registry.credentials = ("bridge", "p:w")
    publish(sim, OTHER)
    sim.org.order(ChangeFields(topic=OTHER, add=[AddedField("Extra__c", "double", 1.5)]))
    publish(sim, OTHER)
    topic = raw_topic(kafka, catalogue, OTHER)
    keys = {
        "salesforce_topics": OTHER,
        "value_converter_schema_registry_url": registry.url,
        "value_converter_basic_auth_user_info": "bridge:p:w",
        **RAW,
    }
    async with running(source_task(kafka.bootstrap_servers, catalogue, sim, **keys)):
        before, after = await records(kafka, topic, 2)
    registry.credentials = None
    assert "Extra__c" not in await read_confluent(before, registry)
    assert (await read_confluent(after, registry))["Extra__c"] == 1.5
    assert registry.subjects == {f"{topic}-value": [101, 102]}
    assert len([path for method, path in registry.requests if method == "POST"]) == 2  # once per schema


async def test_change_events_keep_their_bytes_and_name_the_changed_fields(kafka, catalogue, sim, registry):
    change(sim, fields={"Name": {"FirstName": "Ana"}, "Phone": "1"}, nulled=["BillingAddress.City"])
    change(sim, fields={"Name": "Acme"}, change_type="CREATE")
    change(sim, change_type="GAP_UPDATE")
    change(sim, change_type="GAP_OVERFLOW")
    topic = raw_topic(kafka, catalogue, ACCOUNT)
    keys = {"salesforce_topics": ACCOUNT, "value_converter_schema_registry_url": registry.url, **RAW}
    async with running(source_task(kafka.bootstrap_servers, catalogue, sim, **keys)):
        found = await records(kafka, topic, 4)
    headers = [dict(record.headers) for record in found]
    assert {record.key for record in found} == {ACCOUNT_ID.encode()}
    assert json.loads(headers[0]["sf.change.changed_fields"]) == ["Phone", "Name.FirstName", "BillingAddress.City"]
    assert json.loads(headers[0]["sf.change.nulled_fields"]) == ["BillingAddress.City"]
    assert [each["sf.change.type"] for each in headers] == [b"UPDATE", b"CREATE", b"GAP_UPDATE", b"GAP_OVERFLOW"]
    assert [int(each["sf.change.commit_number"]) for each in headers] == [
        FIRST_COMMIT_NUMBER + number for number in range(4)
    ]
    update, create, gap, _ = [await read_confluent(record, registry) for record in found]
    assert update["Name"] == {"FirstName": "Ana", "LastName": None, "Salutation": None}
    assert update["ChangeEventHeader"]["commitNumber"] == FIRST_COMMIT_NUMBER
    assert create["Name"] == "Acme"
    assert gap["Phone"] is None


async def test_the_channel_of_all_changes_registers_each_type_under_its_own_subject(kafka, catalogue, sim, registry):
    sent = [change(sim, entity, fields={"Phone": "1"}) for entity in ("Account", "Contact", "Account")]
    topic = raw_topic(kafka, catalogue, "/data/ChangeEvents")
    keys = {
        "salesforce_topics": "/data/ChangeEvents",
        "value_converter_schema_registry_url": registry.url,
        "value_converter_value_subject_name_strategy": "TopicRecordNameStrategy",
        **RAW,
    }
    async with running(source_task(kafka.bootstrap_servers, catalogue, sim, **keys)):
        found = await records(kafka, topic, 3)
    assert uuids(found) == sent
    assert [(await read_confluent(record, registry))["ChangeEventHeader"]["entityName"] for record in found] == [
        "Account",
        "Contact",
        "Account",
    ]
    record = "com.sforce.eventbus"
    assert sorted(registry.subjects) == [
        f"{topic}-{record}.AccountChangeEvent",
        f"{topic}-{record}.ContactChangeEvent",
    ]


async def test_events_wait_for_a_registry_that_is_away(kafka, catalogue, sim, registry):
    registry.away = True
    sent = publish(sim, OTHER, 5)
    topic = raw_topic(kafka, catalogue, OTHER)
    keys = {"salesforce_topics": OTHER, "value_converter_schema_registry_url": registry.url, **RAW}
    async with running(source_task(kafka.bootstrap_servers, catalogue, sim, **keys)):
        await eventually(lambda: len(registry.requests) >= 2, "a second attempt")
        assert kafka.read_committed(topic) == []
        registry.away = False
        assert uuids(await records(kafka, topic, 5)) == sent
    assert kafka.read_committed(catalogue.dead_letters) == []


async def test_a_schema_that_the_registry_refuses_makes_dead_letters_and_holds_nothing_up(
    kafka, catalogue, sim, registry
):
    topic = raw_topic(kafka, catalogue, OTHER)
    async with aiohttp.ClientSession() as session:
        foreign = {"type": "record", "name": "Older", "fields": []}
        body = {"schema": json.dumps(foreign)}
        async with session.post(f"{registry.url}/subjects/{topic}-value/versions", json=body) as reply:
            assert reply.status == 200
    [refused] = publish(sim, OTHER)
    keys = {"salesforce_topics": OTHER, "value_converter_schema_registry_url": registry.url, **RAW}
    async with running(source_task(kafka.bootstrap_servers, catalogue, sim, **keys)):
        [letter] = await records(kafka, catalogue.dead_letters, 1)
    reason = dict(letter.headers)["__connect.errors.exception.message"].decode()
    assert uuids([letter]) == [refused]
    assert f"{topic}-value" in reason
    assert "incompatible" in reason
    assert read_avro(letter.value or b"", json.loads(sim.org.schema(OTHER).schema_json))


async def test_a_registry_that_refuses_us_ends_the_task_with_the_key_to_look_at(kafka, catalogue, sim, registry):
    registry.credentials = ("bridge", "right")
    publish(sim, OTHER)
    raw_topic(kafka, catalogue, OTHER)
    keys = {
        "salesforce_topics": OTHER,
        "value_converter_schema_registry_url": registry.url,
        "value_converter_basic_auth_user_info": "bridge:wr0ng",
        **RAW,
    }
    with pytest.raises(TaskFailed, match=r"value\.converter\.basic\.auth\.user\.info") as caught:
        await asyncio.wait_for(source_task(kafka.bootstrap_servers, catalogue, sim, **keys).run(lambda: None), 60)
    assert "wr0ng" not in str(caught.value)


async def test_a_payload_that_does_not_fit_its_schema_is_not_given_to_readers(kafka, catalogue, sim):
    sim.org.order(Damage(topic=OTHER, how="truncated", after_events=1))
    good, damaged, fine = publish(sim, OTHER, 3)
    topic = raw_topic(kafka, catalogue, OTHER)
    async with running(source_task(kafka.bootstrap_servers, catalogue, sim, salesforce_topics=OTHER, **RAW)):
        assert uuids(await records(kafka, topic, 2)) == [good, fine]
        assert uuids(await records(kafka, catalogue.dead_letters, 1)) == [damaged]


@pytest.mark.parametrize("policy", ["dead-letter", "raw"])
async def test_on_a_channel_only_the_named_types_are_read_as_byoc_events(kafka, catalogue, sim, policy):
    byoc, foreign = [], []
    for _ in range(5):
        byoc += publish(sim, EVENT)
        foreign += publish(sim, OTHER)  # with the same fields: by its content it could be taken for one
    topic = raw_topic(kafka, catalogue, CHANNEL)
    keys = {
        "salesforce_topics": CHANNEL,
        "salesforce_event_types": "ByocOutbound__e",
        "foreign_event_policy": policy,
        "topic_creation_default_partitions": "1",
    }
    async with running(source_task(kafka.bootstrap_servers, catalogue, sim, **keys)):
        found = await records(kafka, catalogue.dead_letters if policy == "dead-letter" else topic, 5)
    assert uuids(found) == foreign
    assert mirrored_ids(kafka, catalogue) == byoc
    if policy == "dead-letter":
        reason = dict(found[0].headers)["__connect.errors.exception.message"].decode()
        assert "the event is a Alert__e" in reason
        assert "ByocOutbound__e" in reason
