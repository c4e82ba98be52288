"""Reading a topic from its beginning to its end, as `read_committed`."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, TopicPartition

from byoc.errors import BrokerError
from byoc.kafka.admin import end_offsets
from byoc.kafka.client import CLIENT_PROPERTIES, broker_errors, partitions_of

READ_TIMEOUT_S = 60.0
END_OF_PARTITION = -191  # librdkafka's own code RD_KAFKA_RESP_ERR__PARTITION_EOF


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One record of a topic. `key`, `value` are the bytes, None when absent; `timestamp_ms` is epoch milliseconds."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    timestamp_ms: int
    headers: tuple[tuple[str, bytes | None], ...]


def read_committed(bootstrap_servers: str, topic: str, *, timeout_s: float = READ_TIMEOUT_S) -> Iterator[Message]:
    """Yield every committed record from the beginning to the end that the topic has at the first step.

    Order is kept per partition. "The end" includes open transactions: the reader waits until they are committed
    or aborted, so a record is never left out silently. Raises `BrokerError` when that takes longer than `timeout_s`
    without a step forward, naming the partition, and for a topic that does not exist.
    """
    # Asked for as any reader sees it: with the committed end, a record of an open transaction would be passed over.
    ends = {p: end for p, end in end_offsets(bootstrap_servers, topic, committed=False).items() if end > 0}
    with broker_errors(f"reading {topic}", bootstrap_servers):
        consumer = Consumer(
            {
                "bootstrap.servers": bootstrap_servers,
                "group.id": "byoc-reader",  # never committed, never joined: partitions are assigned by hand
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "earliest",
                "fetch.wait.max.ms": 50,
                **CLIENT_PROPERTIES,
            }
        )
        try:
            # Fetching starts at once when the leaders are known; otherwise librdkafka looks again after 500 ms.
            partitions_of(consumer, topic)
            consumer.assign([TopicPartition(topic, p, OFFSET_BEGINNING) for p in ends])
            yield from _read_to(consumer, topic, ends, timeout_s)
        finally:
            consumer.close()


def _read_to(consumer: Any, topic: str, ends: dict[int, int], timeout_s: float) -> Iterator[Message]:
    positions = dict.fromkeys(ends, 0)
    unfinished = set(ends)
    deadline = time.monotonic() + timeout_s
    while unfinished:
        batch = consumer.consume(2000, 0.02)
        for raw in batch:
            # A control marker is never handed out, so only the end-of-partition event shows that it was passed.
            at_end = raw.error() is not None and raw.error().code() == END_OF_PARTITION
            if raw.error() is not None and not at_end:
                raise KafkaException(raw.error())
            partition = raw.partition()
            position = raw.offset() if at_end else raw.offset() + 1
            if position > positions[partition]:
                positions[partition] = position
                deadline = time.monotonic() + timeout_s
            if not at_end and raw.offset() < ends[partition]:
                yield _message(raw)
            if positions[partition] >= ends[partition]:
                unfinished.discard(partition)
        if unfinished and time.monotonic() > deadline:
            held = ", ".join(f"{p} at offset {positions[p]} of {ends[p]}" for p in sorted(unfinished))
            raise BrokerError(
                f"reading {topic}: partition {held} did not move for {timeout_s:g} s; an open transaction holds it "
                f"(it ends when its producer starts again, or after transaction.timeout.ms)"
            )


def _message(raw: Any) -> Message:
    return Message(
        topic=raw.topic(),
        partition=raw.partition(),
        offset=raw.offset(),
        key=raw.key(),
        value=raw.value(),
        timestamp_ms=raw.timestamp()[1],
        headers=tuple(raw.headers() or ()),
    )
