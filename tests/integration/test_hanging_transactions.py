"""What a crashed broker left open of a previous owner's transaction stays invisible when its successor commits."""

from collections.abc import Iterator

import pytest

from schemas.topics import TopicSpec
from streams.runtime.kafka_client import KafkaTransactions
from tests.support.hanging import leave_hanging, unverified_writes
from tests.support.kafka import TestBroker, Unique

pytestmark = pytest.mark.broker


@pytest.fixture
def places(kafka: TestBroker, unique: Unique) -> Iterator[list[tuple[str, int]]]:
    """An output and a compacted changelog, partition 1 of each."""
    output, changelog = unique.name("out"), unique.name("changelog")
    kafka.create_topics(
        [
            TopicSpec(name=output, partitions=2, config={}),
            TopicSpec(name=changelog, partitions=2, config={"cleanup.policy": "compact"}),
        ]
    )
    with unverified_writes(kafka.bootstrap_servers):
        yield [(output, 1), (changelog, 1)]


async def test_records_left_hanging_by_the_previous_owner_are_not_committed_by_the_next(
    kafka: TestBroker, unique: Unique, places: list[tuple[str, int]]
) -> None:
    await leave_hanging(kafka.bootstrap_servers, unique.transactional_id, places, b"hanging")
    transactions = KafkaTransactions(
        bootstrap_servers=kafka.bootstrap_servers,
        transactional_id=unique.transactional_id,
        group_id=unique.group,
        partition=1,
        written=places,
    )
    transactions.initialise()
    settled = [kafka.read_committed(topic) for topic, _ in places]
    for topic, partition in places:
        transactions.produce(topic, b"ours", b"k", partition)
    transactions.commit()
    found = [[message.value for message in kafka.read_committed(topic)] for topic, _ in places]
    assert (settled, found) == ([[], []], [[b"ours"], [b"ours"]])
