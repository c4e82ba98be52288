"""Records that are legal but large, or odd, on a real Kafka: the worker lives, and each costs itself only."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from confluent_kafka import KafkaException, Producer
from msgspec.structs import replace

from byoc.cli import main
from byoc.kafka import admin
from schemas import records
from schemas.codec import encode
from schemas.dead_letters import POINTER_HEADER
from schemas.kafka_settings import LARGEST_CONTENT_BYTES, PARTITIONER, TOPIC_MAX_MESSAGE_BYTES, transactional_producer
from schemas.topics import Topics, TopicSpec
from tests.support import domain
from tests.support.kafka import TestBroker, Unique
from tests.support.processor import complaint, live, running_processor

pytestmark = pytest.mark.broker

KEY = domain.CONVERSATION.encode()


def static(fields: dict[str, Any], entry_id: str) -> records.OutboundEvent:
    found: records.OutboundEvent = live(
        domain.event(domain.envelope(domain.static_body(fields, entry_id), entry_id=entry_id))
    )
    return found


def produce(kafka: TestBroker, topic: str, values: Iterable[bytes]) -> None:
    """As a client of somebody else does, whose limit is the topic's and who compresses."""
    properties = {"message.max.bytes": 100_000_000, "compression.type": "gzip", "partitioner": PARTITIONER}
    producer = Producer({"bootstrap.servers": kafka.bootstrap_servers, **properties})
    for value in values:
        producer.produce(topic, value, KEY)
    assert producer.flush(30) == 0


def hard_records() -> tuple[list[Any], list[Any], list[Any], list[Any]]:
    """Large ones that fit, long names, those that are refused, and those with odd numbers."""
    title = {"titleItem": {"itemType": "TitleItem", "title": "t" * 600_000}}
    large = [
        static({"formatType": "RichLink", "linkItem": title}, "rich-link"),
        static({"formatType": "Attachments", "text": "a" * 500_000}, "attachments"),
        static({"formatType": "Attachments", "text": "m" * 1_000_000}, "a megabyte"),
        static({"formatType": "Attachments", "text": "\x01" * 160_000}, "control characters"),
    ]
    names = [
        live(
            domain.entry(
                "ParticipantChanged",
                {
                    "entries": [
                        {
                            "operation": "add",
                            "participant": {"subject": f"r{n}", "role": "Agent"},
                            "displayName": "n" * 125_000,
                        }
                    ]
                },
            )
        )
        for n in range(16)
    ]
    poison = [
        replace(live(domain.message("late", entry_id="late")), created_at_ms=2**63 - 1),
        static({"formatType": "Attachments", "text": "x" * 3_200_000}, "too large"),
        live(domain.message("long id", entry_id="i" * 100_000)),
    ]
    odd = [
        live(domain.entry("QueuePosition", {"position": 10**30})),
        live(domain.entry("SessionStatusChanged", {"sessionStatus": "Active", "sessionStartTime": 10**30})),
    ]
    return large, names, poison, odd


def test_large_and_odd_records_cost_themselves_only(kafka: TestBroker, catalogue: Topics, tmp_path: Path) -> None:
    large, names, poison, odd = hard_records()
    undecodable = [b"u" * 1_000_500, b"v" * (LARGEST_CONTENT_BYTES - 200), b"w" * 4_000_000]
    with running_processor(kafka, catalogue, tmp_path) as processor:
        processor.publish(live(domain.message("before", entry_id="before")))
        for number, each in enumerate([*large, *names, *poison, *odd]):
            produce(
                kafka,
                catalogue.events,
                [encode(each), encode(live(domain.message(f"{number}", entry_id=f"g{number}")))],
            )
        produce(kafka, catalogue.events, undecodable)
        produce(kafka, catalogue.receipts, [encode(replace(domain.receipt("read"), at_ms=2**63 - 1))])
        produce(kafka, catalogue.routing_decisions, [encode(replace(domain.decision(), decided_at_ms=-1))])
        produce(kafka, catalogue.commands, [encode(replace(domain.command(), command_id="i" * 1_000_000))])
        processor.publish(live(domain.message("after", entry_id="after")))
        expected = 1 + 25 + len(large) + 1
        found = processor.await_records(catalogue.deliveries, records.Delivery, expected)
        processor.await_consumed()
        letters = _letters(kafka, catalogue, len(poison) + len(undecodable) + 3)
        assert processor.child is not None
        assert processor.stop() == 0
    order = [delivery.entry_id for delivery in found]
    assert (order[0], order[-1]) == ("before", "after")
    assert [each for each in order if each.startswith("g")] == [f"g{number}" for number in range(25)]
    assert [each for each in order if each in {"rich-link", "attachments", "a megabyte", "control characters"}] == [
        each.payload and json.loads(each.payload)["payload"]["identifier"] for each in large
    ]
    reasons = [dict(letter.headers)["__connect.errors.exception.message"] or b"" for letter in letters]
    for word in (
        b"created_at_ms",
        b"Delivery",
        b"identifier",
        b"single-object",
        b"at_ms",
        b"decided_at_ms",
        b"command_id",
    ):
        assert any(word in reason for reason in reasons), word
    pointers = [json.loads(letter.value or b"") for letter in letters if dict(letter.headers).get(POINTER_HEADER)]
    assert max(each["size"] for each in pointers) >= 4_000_000
    assert {each["topic"] for each in pointers} == {catalogue.events}
    assert b"u" * 1_000_500 in [letter.value for letter in letters]


def _letters(kafka: TestBroker, topics: Topics, count: int) -> list[Any]:
    from tests.support.processor import eventually

    def look() -> list[Any] | None:
        found = kafka.read_committed(topics.dead_letters)
        return found if len(found) >= count else None

    found: list[Any] = eventually(look, "dead letters")
    assert len(found) == count
    return found


def test_what_the_client_accepts_every_topic_accepts(kafka: TestBroker, catalogue: Topics, unique: Unique) -> None:
    producer = Producer(transactional_producer(kafka.bootstrap_servers, unique.transactional_id))
    producer.init_transactions(30)
    producer.begin_transaction()
    for topic in (catalogue.deliveries, catalogue.dead_letters, catalogue.changelog("conversations")):
        for size in (10, LARGEST_CONTENT_BYTES - 1_500, 10, LARGEST_CONTENT_BYTES - 1_500):
            producer.produce(topic, b"x" * size, b"key", headers=[("reason", b"r" * 1_000)])
    with pytest.raises(KafkaException, match="MSG_SIZE_TOO_LARGE"):
        producer.produce(catalogue.deliveries, b"x" * (LARGEST_CONTENT_BYTES + 1_100), b"key")
    producer.commit_transaction(30)


def test_topics_of_an_older_version_are_named_and_raised(kafka: TestBroker, unique: Unique, tmp_path: Path) -> None:
    topics = unique.topics
    older = [replace_config(spec) if spec.name != topics.receipts else spec for spec in topics.catalogue(4)]
    kafka.create_topics(older)
    options = ("--bootstrap-servers", kafka.bootstrap_servers, "--prefix", unique.prefix, "--app-id", unique.app_id)
    said = complaint(*options, "--web-port", "0", "--data-dir", str(tmp_path))
    assert f"{topics.deliveries} has max.message.bytes=1048588, at least {TOPIC_MAX_MESSAGE_BYTES}" in said
    assert "byoc topics alter" in said
    checked = CliRunner().invoke(main, ["topics", "check", *options])
    assert checked.exit_code == 1
    assert f"{topics.changelog('seen')} has max.message.bytes=1048588" in checked.output
    altered = CliRunner().invoke(main, ["topics", "alter", *options])
    assert (altered.exit_code, f"altered {topics.deliveries}" in altered.output) == (0, True), altered.output
    assert CliRunner().invoke(main, ["topics", "check", *options]).exit_code == 0
    found = admin.describe_topics(kafka.bootstrap_servers, [topics.deliveries])
    assert found[topics.deliveries].cleanup_policy == "delete"


def replace_config(spec: TopicSpec) -> TopicSpec:
    config = {name: value for name, value in spec.config.items() if name != "max.message.bytes"}
    return TopicSpec(name=spec.name, partitions=spec.partitions, config=config)
