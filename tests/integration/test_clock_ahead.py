"""A machine whose clock is days ahead: Kafka refuses its records, and the worker says what to do."""

import time

import pytest

from streams.runtime.errors import TransactionLost
from streams.runtime.kafka_client import KafkaTransactions
from tests.support.kafka import TestBroker, Unique

pytestmark = pytest.mark.broker


@pytest.mark.parametrize("days", [1, 10, 10_000])
def test_a_clock_that_is_ahead_is_named_and_nothing_becomes_visible(
    kafka: TestBroker, unique: Unique, days: int
) -> None:
    topic = kafka.create_topic(unique.name("out"))
    producer = KafkaTransactions(
        bootstrap_servers=kafka.bootstrap_servers,
        transactional_id=unique.transactional_id,
        group_id=unique.group,
        partition=0,
    )
    producer.initialise()
    producer.produce(topic, b"now", b"key", 0)
    ahead_ms = time.time_ns() // 1_000_000 + days * 86_400_000
    producer.produce(topic, b"ahead", b"key", 0, timestamp=ahead_ms)
    with pytest.raises(TransactionLost, match=r"the clock of this machine is ahead .*; set the clocks"):
        producer.commit()
    producer.abort()
    assert kafka.read_committed(topic) == []
