"""The only importer of Kafka clients in the benchmarks: offsets that are polled often, writing, reading from an offset.

`byoc.kafka` makes a client for each question. That is right for a command and too slow for a question every 20 ms.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TypeVar

from aiokafka.partitioner import murmur2
from confluent_kafka import Consumer, IsolationLevel, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from bench.errors import MeasurementError
from byoc.kafka import write as plain_writing

CALL_TIMEOUT_S = 30.0
BY_KEY = plain_writing.BY_KEY
_END_OF_PARTITION = -191  # librdkafka's own code

_QUIET = {"log_level": 0}

T = TypeVar("T")
Record = tuple[bytes, bytes | None, int]  # key, value, partition
Offsets = dict[int, int]


@dataclass(frozen=True, slots=True)
class Committed:
    """One committed record."""

    partition: int
    offset: int
    value: bytes
    headers: dict[str, bytes]


def partition_of(key: bytes, partitions: int) -> int:
    """Return the partition of a key, as all clients of the project place it."""
    return int(murmur2(key) & 0x7FFFFFFF) % partitions


def write(bootstrap_servers: str, topic: str, records: Iterable[Record]) -> int:
    """Write records outside any transaction; return their number when all are acknowledged. Raises `BrokerError`."""
    return plain_writing.produce_to_partitions(bootstrap_servers, topic, records)


def _patiently(doing: str, ask: Callable[[], T]) -> T:
    """Ask again while Kafka moves leaders or coordinators, as it does just after topics were created."""
    deadline = time.monotonic() + CALL_TIMEOUT_S
    while True:
        try:
            return ask()
        except KafkaException as failure:
            error = failure.args[0]
            if time.monotonic() > deadline:
                raise MeasurementError(f"{doing}: {error.str()}") from failure
        time.sleep(0.1)


class GroupProgress:
    """How far a consumer group has committed one topic."""

    def __init__(self, bootstrap_servers: str, group: str, topic: str, partitions: int) -> None:
        """`partitions` is how many the topic has."""
        self._consumer = Consumer({**_QUIET, "bootstrap.servers": bootstrap_servers, "group.id": group})
        self._places = [TopicPartition(topic, number) for number in range(partitions)]

    def offsets(self) -> Offsets:
        """Return the committed offset of each partition; 0 where there is none."""
        found = _patiently(
            "asking for committed offsets", lambda: self._consumer.committed(self._places, timeout=CALL_TIMEOUT_S)
        )
        return {place.partition: max(0, place.offset) for place in found}

    def close(self) -> None:
        """Close the client."""
        self._consumer.close()


class CommittedEnds:
    """The end of a topic as a `read_committed` reader sees it."""

    def __init__(self, bootstrap_servers: str, topic: str, partitions: int) -> None:
        """`partitions` is how many the topic has."""
        self._admin = AdminClient({**_QUIET, "bootstrap.servers": bootstrap_servers})
        self._asked = {TopicPartition(topic, number): OffsetSpec.latest() for number in range(partitions)}

    def offsets(self) -> Offsets:
        """Return the end offset of each partition; commit markers have offsets too."""

        def ask() -> Offsets:
            futures = self._admin.list_offsets(self._asked, isolation_level=IsolationLevel.READ_COMMITTED)
            return {place.partition: int(future.result(CALL_TIMEOUT_S).offset) for place, future in futures.items()}

        return _patiently("asking for end offsets", ask)


class CommittedReader:
    """Reads a topic as `read_committed` from given offsets on. A context manager."""

    def __init__(self, bootstrap_servers: str, topic: str, start: Offsets) -> None:
        """`start` holds the first offset to read in each partition."""
        self._topic = topic
        self._consumer: Any = Consumer(
            {
                **_QUIET,
                "bootstrap.servers": bootstrap_servers,
                "group.id": "byoc-bench-reader",  # never joined: partitions are assigned by hand
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "fetch.queue.backoff.ms": 1,
            }
        )
        self._consumer.assign([TopicPartition(topic, number, offset) for number, offset in start.items()])
        self._at_end: set[int] = set()
        self._partitions = set(start)

    def __enter__(self) -> Self:
        """Return the reader."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the client."""
        self._consumer.close()

    def poll(self, timeout_s: float) -> Iterator[Committed]:
        """Yield what arrives within `timeout_s`, as soon as there is something."""
        first = self._consumer.poll(timeout_s)
        if first is None:
            return
        yield from self._kept(first)
        for message in self._consumer.consume(1000, 0):
            yield from self._kept(message)

    def to_end(self, quiet_s: float = 60.0) -> Iterator[Committed]:
        """Yield everything up to the present end. Raises `MeasurementError` after `quiet_s` without a record."""
        self._at_end.clear()
        give_up_s = time.monotonic() + quiet_s
        while self._at_end != self._partitions:
            # waits until it has so many or the time is over, so the time must be short
            messages = self._consumer.consume(2000, 0.2)
            for message in messages:
                yield from self._kept(message)
            if messages:
                give_up_s = time.monotonic() + quiet_s
            elif time.monotonic() > give_up_s:
                raise MeasurementError(f"reading {self._topic}: nothing came for {quiet_s:g} s before its end")

    def _kept(self, message: Any) -> Iterator[Committed]:
        error = message.error()
        if error is None:
            self._at_end.discard(message.partition())
            headers = {name: value or b"" for name, value in message.headers() or ()}
            yield Committed(message.partition(), message.offset(), message.value() or b"", headers)
        elif error.code() == _END_OF_PARTITION:
            self._at_end.add(message.partition())
        else:
            raise MeasurementError(f"reading {self._topic}: {error.str()}")
