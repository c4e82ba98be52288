"""Writing records outside any transaction, placed where all producers of the project place them."""

from collections.abc import Iterable
from typing import Final

from confluent_kafka import KafkaError, KafkaException, Producer

from byoc.errors import BrokerError
from byoc.kafka.client import QUIET, broker_errors, partitions_of
from schemas.kafka_settings import idempotent_producer

WRITE_TIMEOUT_S: Final = 60.0
BY_KEY: Final = -1  # librdkafka's number for "the partitioner chooses the partition by the key"


def produce(bootstrap_servers: str, topic: str, records: Iterable[tuple[bytes | None, bytes | None]]) -> int:
    """Write (key, value) records, each to the partition of its key; return their number.

    Returns when all are acknowledged. Raises `BrokerError` for the first that was not.
    """
    return produce_to_partitions(bootstrap_servers, topic, ((key, value, BY_KEY) for key, value in records))


def produce_to_partitions(
    bootstrap_servers: str, topic: str, records: Iterable[tuple[bytes | None, bytes | None, int]]
) -> int:
    """As `produce`, for (key, value, partition) records; `BY_KEY` leaves the partition to the key."""
    failures: list[KafkaError] = []
    count = 0

    def delivered(error: KafkaError | None, _message: object) -> None:
        if error is not None:
            failures.append(error)

    with broker_errors(f"writing to {topic}", bootstrap_servers):
        producer = Producer(
            {
                **idempotent_producer(bootstrap_servers),
                "message.timeout.ms": int(WRITE_TIMEOUT_S * 1000),
                # A report for each of a million records would be made and thrown away.
                "delivery.report.only.error": True,
                **QUIET,
            }
        )
        # Sending starts at once when the leaders are known; otherwise librdkafka looks again after 500 ms.
        partitions_of(producer, topic)
        for key, value, partition in records:
            while True:
                try:
                    producer.produce(topic, value, key, partition, on_delivery=delivered)
                    break
                except BufferError:  # the producer's queue is full: wait until some records are acknowledged
                    producer.poll(0.1)
            count += 1
        remaining = producer.flush(WRITE_TIMEOUT_S)
        if failures:
            raise KafkaException(failures[0])
    if remaining:
        raise BrokerError(f"writing to {topic}: {remaining} of {count} records were not acknowledged")
    return count
