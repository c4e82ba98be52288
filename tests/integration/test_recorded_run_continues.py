"""What an older version has left in Kafka, in the hands of the current one: it goes on where the other stopped."""

import json
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from connectors.kafka.offsets import read_offsets
from connectors.pubsub.runner.offset_value import replay_id_of
from schemas import records
from schemas.codec import DecodeError, decode, encode
from schemas.topics import Topics
from tests.support.channel import running_channel
from tests.support.domain import T0, Partition
from tests.support.kafka import TestBroker, Unique
from tests.support.recorded import OUTPUTS, Recorded, read_value, state_of, written_value
from tests.support.restored import group_name, restore, standing_worker, topic_name
from tests.support.sinks import delivery, eventually, produce_deliveries, receipts, running, webhook_task

pytestmark = pytest.mark.broker


@pytest.fixture(scope="module")
def run() -> Recorded:
    return Recorded("v0_1")


def recorded_events(run: Recorded) -> list[records.OutboundEvent]:
    """Those that can be read."""
    found = []
    for kept in run.topic("events"):
        try:
            event = decode(records.OutboundEvent, kept.value or b"")
            json.loads(event.payload)
        except (DecodeError, json.JSONDecodeError):
            continue
        found.append(event)
    return found


def new_messages(run: Recorded) -> dict[str, records.OutboundEvent]:
    """One more message for each recorded conversation: as one before, delivered if any was, under new ids and now."""
    delivered = {decode(records.Delivery, kept.value or b"").event_uuid for kept in run.topic("deliveries")}
    found: dict[str, records.OutboundEvent] = {}
    for number, event in enumerate(sorted(recorded_events(run), key=lambda each: each.event_uuid in delivered)):
        entry = json.loads(event.payload).get("payload") or {}
        if entry.get("entryType") == "Message":
            found[event.conversation_id] = replace(
                event,
                event_uuid=f"new-{event.event_uuid}",
                replay_id=b"\x7f" + number.to_bytes(9),
                created_at_ms=run.stopped_at_ms,
                received_at_ms=run.stopped_at_ms,
                payload=event.payload.replace(entry["identifier"], f"new-{entry['identifier']}"),
            )
    return found


def applied_to_recorded_state(run: Recorded, events: dict[str, records.OutboundEvent]) -> Partition:
    """A partition in memory with the recorded conversations, to which the events were applied."""
    partition = Partition(run.rules)
    for key, value in run.state("conversations").items():
        partition.state.tables["conversations"][key] = read_value("conversations", key, value)
    for event in events.values():
        partition.read(event, run.stopped_at_ms - T0)
    return partition


def newest(kafka: TestBroker, topic: str) -> dict[str, bytes]:
    """The state that a changelog holds."""
    values = {(found.key or b"").decode(): found.value for found in kafka.read_committed(topic)}
    return {key: value for key, value in values.items() if value is not None}


def bytes_of(kafka: TestBroker, topics: Topics, name: str) -> list[tuple[int, bytes | None]]:
    """(partition, value) of all records of a topic."""
    found = [(each.partition, each.offset, each.value) for each in kafka.read_committed(topic_name(topics, name))]
    return [(partition, value) for partition, _, value in sorted(found, key=lambda each: each[:2])]


def recorded_bytes(run: Recorded, name: str) -> list[tuple[int, bytes | None]]:
    return [(kept.partition, kept.value) for kept in run.topic(name)]


@pytest.mark.slow
def test_a_worker_goes_on_with_state_and_offsets_that_an_older_one_left(
    kafka: TestBroker, unique: Unique, run: Recorded, tmp_path: Path
) -> None:
    topics = unique.topics
    restore(kafka, topics, run)
    with standing_worker(kafka, topics, run, tmp_path) as worker:
        shown = worker.get("/v1/routing/requests")["requests"]
        assert_shown_as_recorded(run, shown)
        for name in (*OUTPUTS, "dead_letters"):
            assert bytes_of(kafka, topics, name) == recorded_bytes(run, name), f"{name}: nothing is sent again"

        # Salesforce repeats everything; nothing of it is new
        worker.publish(*(replace(event, replay_id=b"\x7e") for event in recorded_events(run)))
        worker.await_consumed()
        for name in OUTPUTS:
            assert bytes_of(kafka, topics, name) == recorded_bytes(run, name), f"{name}: a repeat repeats nothing"

        messages = new_messages(run)
        worker.publish(*messages.values())
        worker.await_consumed()
    expected = applied_to_recorded_state(run, messages)
    conversations = expected.state.tables["conversations"]
    assert set(messages) == set(conversations), "each recorded conversation goes on"
    written = {key: written_value("conversations", value)[key] for key, value in conversations.items()}
    assert newest(kafka, topics.changelog("conversations")) == written
    assert newest(kafka, topics.changelog("routing")) == run.state("routing")
    seen = state_of(seen=newest(kafka, topics.changelog("seen")))
    assert {key: seen.seen(key) for key in expected.state.tables["seen"]} == expected.state.tables["seen"]

    sent = [value for _, value in bytes_of(kafka, topics, "deliveries")]
    before = [value for _, value in recorded_bytes(run, "deliveries")]
    assert len(expected.deliveries) == len(messages) - 1, "a consultation between reps reaches no customer"
    assert sorted(map(str, sent)) == sorted(map(str, before + [encode(each) for each in expected.deliveries]))
    for name in (*OUTPUTS, "dead_letters"):
        if name != "deliveries":
            assert bytes_of(kafka, topics, name) == recorded_bytes(run, name), name


def assert_shown_as_recorded(run: Recorded, shown: list[dict[str, Any]]) -> None:
    """The routing requests of the query API are those of the recorded state."""
    recorded = [read_value("routing", key, value) for key, value in run.state("routing").items()]
    assert len(shown) == len(recorded)
    found = {(each["conversation_id"], each["request_id"]): (each["state"], each["outcome"]) for each in shown}
    assert found == {(each.conversation_id, each.request_id): (each.state, each.outcome) for each in recorded}


async def test_a_sink_goes_on_behind_what_an_older_one_has_posted(
    kafka: TestBroker, unique: Unique, run: Recorded, tmp_path: Path
) -> None:
    topics = unique.topics
    restore(kafka, topics, run, ["deliveries"])
    group, topic = group_name(topics, "webhook"), topics.deliveries
    committed = {each.partition: each.offset for each in run.positions() if each.group == "webhook"}
    assert kafka.committed_offsets(group, topic) == committed
    async with running_channel(tmp_path / "received.jsonl") as channel:
        produce_deliveries(kafka, topics, [delivery(key, 1) for key in run.state("conversations")])
        async with running(webhook_task(kafka.bootstrap_servers, topics, channel.url)):
            await eventually(lambda: len(receipts(kafka, topics)) >= len(run.state("conversations")), "all are posted")
        posted = [line.delivery_id for line in channel.lines()]
    assert sorted(posted) == sorted(f"{key}-1" for key in run.state("conversations"))


def test_a_source_finds_the_position_that_an_older_one_stored(kafka: TestBroker, unique: Unique, run: Recorded) -> None:
    restore(kafka, unique.topics, run, ["connect_offsets"])
    found = read_offsets(
        bootstrap_servers=kafka.bootstrap_servers,
        topic=unique.topics.connect_offsets,
        connector=run.connector,
        timeout_s=30.0,
    )
    last = json.loads(run.topic("connect_offsets")[-1].value or b"")
    assert list(found.values()) == [last]
    headers = [dict(kept.headers) for kept in run.topic("events")]
    mirrored = [each["sf.replay_id"] for each in headers if "sf.schema_id" in each]  # the source writes both
    assert replay_id_of(last, run.source_topic) == max(mirrored)
