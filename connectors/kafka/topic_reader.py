"""Reading a topic from a moment on, without a group: for a task that asks the log what has happened since.

The reader goes on where it stopped: each `read_on` returns what is new up to the ends that the partitions have when it
is called, open transactions waited for. Nothing is committed.
"""

import contextlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final

import confluent_kafka as ck
from confluent_kafka.admin import AdminClient, OffsetSpec

from connectors import clock
from connectors.errors import RetriableError
from connectors.kafka.consumed import ConsumedRecord

_END_OF_PARTITION: Final = ck.KafkaError._PARTITION_EOF  # noqa: SLF001 - librdkafka's own codes are spelled so
_POLL_S: Final = 0.05
_POLL_RECORDS: Final = 2_000


class TopicReader:
    """The records of a topic, or of some of its partitions, whose timestamp is `since_ms` or later. Blocks.

    Belongs to one thread. Opens its connections in `connect`, else in the first `read_on`.
    """

    def __init__(
        self,
        topic: str,
        since_ms: int,
        partitions: Sequence[int] | None = None,
        *,
        bootstrap_servers: str,
        client: Mapping[str, str] | None = None,
    ) -> None:
        """`since_ms` is epoch ms; `partitions` are all when None; `client` are further librdkafka settings."""
        self._topic = topic
        self._since_ms = since_ms
        self._partitions = partitions
        self._settings: dict[str, Any] = {"log_level": 0, **(client or {}), "bootstrap.servers": bootstrap_servers}
        self._admin: Any = None
        self._consumer: Any = None
        self._reached: dict[int, int] | None = None

    def connect(self, timeout_s: float) -> None:
        """Open the connections, so that the first `read_on` costs no more than a later one.

        Raises `RetriableError` when the topic does not exist or no broker answers.
        """
        with self._told():
            self._known(timeout_s)

    def start_over(self, since_ms: int, partitions: Sequence[int] | None) -> None:
        """Read these partitions from this time on in the next `read_on`, with the connections that are open."""
        self._since_ms = since_ms
        self._partitions = partitions
        self._reached = None

    def read_on(self, timeout_s: float) -> list[ConsumedRecord]:
        """What is new up to the present ends, in order per partition.

        Raises `RetriableError` when the topic or a partition does not exist, when no broker answers, or when the ends
        are not reached in `timeout_s`; what was read by then is lost to the caller, who makes a new reader.
        """
        with self._told():
            return self._read_on(timeout_s)

    def close(self) -> None:
        """Close the connections."""
        if self._consumer is not None:
            self._consumer.close()

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except ck.KafkaException as error:
            raise RetriableError(f"reading {self._topic}: {error.args[0].str()}") from error

    def _read_on(self, timeout_s: float) -> list[ConsumedRecord]:
        deadline_s = clock.monotonic_s() + timeout_s
        if self._reached is None:
            self._reached = self._begin(timeout_s)
        reached = self._reached
        # ends of uncommitted records: what an open transaction holds must not be taken for nothing
        ends = self._offsets(list(reached), OffsetSpec.latest(), timeout_s)
        waiting = {number for number, end in ends.items() if end > reached[number]}
        found: list[ConsumedRecord] = []
        while waiting:
            first = self._consumer.poll(_POLL_S)
            if first is not None:
                # consume() waits the whole time-out for a full batch, poll() returns with the first record
                for message in (first, *self._consumer.consume(_POLL_RECORDS, 0)):
                    self._take(message, found, reached)
                waiting = {number for number in waiting if reached[number] < ends[number]}
            if waiting and clock.monotonic_s() > deadline_s:
                raise RetriableError(
                    f"reading {self._topic} to its end: {sorted(waiting)} not there in {timeout_s:g} s"
                )
        return found

    def _known(self, timeout_s: float) -> Collection[int]:
        """The topic's partitions, by the consumer: its question does not create a topic that is missing."""
        if self._consumer is None:
            self._admin = AdminClient(self._settings)
            self._consumer = ck.Consumer(
                {
                    **self._settings,
                    "group.id": "byoc-topic-reader",  # the client demands one; nothing is committed to it
                    "enable.auto.commit": False,
                    "auto.offset.reset": "earliest",
                    "isolation.level": "read_committed",
                    "enable.partition.eof": True,
                    "fetch.wait.max.ms": 10,
                    "fetch.error.backoff.ms": 20,  # its 500 ms would come out of the time of a call
                }
            )
        found = self._consumer.list_topics(self._topic, timeout=timeout_s).topics[self._topic]
        if found.error is not None:
            raise RetriableError(f"reading {self._topic}: {found.error.str()}")
        # An admin client that does not know a topic asks for its leaders by itself, and does not always notice the
        # answer: 3 of 100 first questions had none in 3 s. One that knows them does not ask.
        self._admin.list_topics(self._topic, timeout=timeout_s)
        return found.partitions  # type: ignore[no-any-return]  # a dict by number

    def _begin(self, timeout_s: float) -> dict[int, int]:
        """Find where to begin; partition -> offset."""
        known = self._known(timeout_s)
        wanted = sorted(known) if self._partitions is None else list(self._partitions)
        missing = [number for number in wanted if number not in known]
        if missing:
            raise RetriableError(
                f"reading {self._topic}: it has no partition {missing[0]}; it needs as many as the topic of the calls"
            )
        ends = self._offsets(wanted, OffsetSpec.latest(), timeout_s)
        starts = self._offsets(wanted, OffsetSpec.for_timestamp(self._since_ms), timeout_s)
        # -1: no record is as young. The ends were asked for first: what was written since lies behind them.
        reached = {number: starts[number] if starts[number] >= 0 else ends[number] for number in wanted}
        self._consumer.assign([ck.TopicPartition(self._topic, number, at) for number, at in reached.items()])
        return reached

    def _offsets(self, partitions: Sequence[int], spec: Any, timeout_s: float) -> dict[int, int]:
        asked = {ck.TopicPartition(self._topic, number): spec for number in partitions}
        found = self._admin.list_offsets(
            asked, isolation_level=ck.IsolationLevel.READ_UNCOMMITTED, request_timeout=timeout_s
        )
        return {partition.partition: future.result().offset for partition, future in found.items()}

    def _take(self, message: Any, found: list[ConsumedRecord], reached: dict[int, int]) -> None:
        error = message.error()
        if error is None:
            found.append(
                ConsumedRecord(
                    topic=message.topic(),
                    partition=message.partition(),
                    offset=message.offset(),
                    key=message.key(),
                    value=message.value(),
                    timestamp_ms=message.timestamp()[1],
                )
            )
            at = message.offset() + 1
        elif error.code() == _END_OF_PARTITION:
            at = message.offset()  # behind the markers of transactions, which are never handed out
        else:
            raise RetriableError(f"reading {self._topic}: {error.str()}")
        reached[message.partition()] = max(reached[message.partition()], at)
