"""Reading to the end: committed records only, all of them, and no end before an open transaction."""

import threading
from collections.abc import Iterator

import confluent_kafka
import pytest

from byoc.errors import BrokerError
from byoc.kafka.read import read_committed
from tests.support.kafka import TestBroker, Unique

pytestmark = pytest.mark.broker


@pytest.fixture
def topic(kafka: TestBroker, unique: Unique) -> str:
    return kafka.create_topic(unique.name("read"), partitions=2)


@pytest.fixture
def producer(kafka: TestBroker, unique: Unique) -> Iterator[confluent_kafka.Producer]:
    """A transactional producer, ready to begin."""
    made = confluent_kafka.Producer(
        {
            "bootstrap.servers": kafka.bootstrap_servers,
            "transactional.id": unique.transactional_id,
            "retry.backoff.ms": 2,
            "retry.backoff.max.ms": 100,
        }
    )
    made.init_transactions(30)
    yield made
    made.purge()


def write(producer: confluent_kafka.Producer, topic: str, *values: str) -> None:
    """Write into the open transaction, in both partitions, and have the broker hold it."""
    for value in values:
        for partition in (0, 1):
            producer.produce(topic, value.encode(), partition=partition)
    producer.flush(30)


def test_aborted_records_are_not_read_and_committed_ones_are(kafka: TestBroker, producer, topic: str):
    for value, end in (("a", "commit"), ("b", "abort"), ("c", "commit"), ("d", "abort")):
        producer.begin_transaction()
        write(producer, topic, value)
        producer.commit_transaction(30) if end == "commit" else producer.abort_transaction(30)
    messages = kafka.read_committed(topic)
    assert sorted((m.partition, m.value) for m in messages) == [(0, b"a"), (0, b"c"), (1, b"a"), (1, b"c")]


def test_the_end_includes_a_transaction_that_is_open(kafka: TestBroker, producer, topic: str):
    kafka.produce(topic, [(b"k", b"before")])
    producer.begin_transaction()
    write(producer, topic, "open")
    commit = threading.Timer(1.0, lambda: producer.commit_transaction(30))
    commit.start()
    values = sorted(m.value for m in kafka.read_committed(topic))
    commit.join()
    assert values == [b"before", b"open", b"open"]


def test_a_transaction_that_stays_open_is_named(kafka: TestBroker, producer, topic: str):
    producer.begin_transaction()
    write(producer, topic, "open")
    with pytest.raises(BrokerError, match=rf"reading {topic}: partition 0 at offset 0 of 1, 1 at .*open transaction"):
        kafka.read_committed(topic, timeout_s=0.5)
    assert kafka.end_offsets(topic) == {0: 0, 1: 0}
    assert kafka.end_offsets(topic, committed=False) == {0: 1, 1: 1}
    producer.abort_transaction(30)
    assert kafka.read_committed(topic) == []


def test_records_that_arrive_while_reading_are_behind_the_end(kafka: TestBroker, producer, topic: str):
    late = confluent_kafka.Producer({"bootstrap.servers": kafka.bootstrap_servers})
    late.produce(topic, b"early", partition=0)
    late.flush(30)
    producer.begin_transaction()
    producer.produce(topic, b"open", partition=1)
    producer.flush(30)
    reading = read_committed(kafka.bootstrap_servers, topic)
    assert next(reading).value == b"early"
    # The open transaction keeps the reader reading while this one arrives in the other partition.
    late.produce(topic, b"late", partition=0)
    late.flush(30)
    producer.commit_transaction(30)
    assert [m.value for m in reading] == [b"open"]


def test_keys_values_and_headers_come_back_as_they_were(kafka: TestBroker, topic: str):
    kafka.produce(topic, [(b"key", b""), (None, b"\x00\xff"), (b"tombstone", None)])
    assert sorted((m.key or b"", m.value) for m in kafka.read_committed(topic) if m.value is not None) == [
        (b"", b"\x00\xff"),
        (b"key", b""),
    ]
    assert [m.key for m in kafka.read_committed(topic) if m.value is None] == [b"tombstone"]


def test_a_group_without_commits_has_no_offsets(kafka: TestBroker, unique: Unique, topic: str):
    assert kafka.committed_offsets(unique.group, topic) == {0: None, 1: None}
