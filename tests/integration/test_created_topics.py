"""What is true of topics when they have been created: their partitions are served, not only named."""

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from tests.support.kafka import TestBroker, Unique

pytestmark = pytest.mark.broker


def test_each_partition_answers_the_first_question(kafka: TestBroker) -> None:
    # made before: a new client needs longer than a question takes
    admin = AdminClient({"bootstrap.servers": kafka.bootstrap_servers})
    topics = Unique().topics
    specs = topics.catalogue(4)
    kafka.create_topics(specs)
    admin.list_topics(timeout=10)
    places = {TopicPartition(spec.name, n): OffsetSpec.latest() for spec in specs for n in range(spec.partitions)}
    answers = admin.list_offsets(places, request_timeout=10)
    assert {future.result().offset for future in answers.values()} == {0}
