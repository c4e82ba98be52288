"""The only importer of confluent_kafka in this package: transactional producers and the topic check.

All calls but `produce`, `poll` and `is_nearly_full` block and belong into an executor: `begin_transaction()` alone took
64 % of the event loop's time when it ran there, because it waits for the client's own thread.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType

from schemas.kafka_settings import ABORTED_KEY, TOPIC_MAX_MESSAGE_BYTES, transactional_producer
from schemas.process.log_lines import KAFKA_CLIENT
from streams.runtime.errors import BrokerUnreachable, TopicMismatch, TransactionLost

CALL_TIMEOUT_S = 5.0
GIVE_UP_AFTER_S = 30.0  # a retriable failure is repeated for so long; the restart of a broker takes less
QUEUE_SIZE = 500_000  # records that the client holds before `produce` raises `BufferError`
NEARLY_FULL = 0.8  # of the queue; what is left holds many batches, so that `BufferError` is rare
_FENCED = (KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH)  # noqa: SLF001  constant's public name

Offsets = Mapping[tuple[str, int], int]


class TransactionalProducer(Protocol):
    """One producer's transactions, one after another. No two calls may overlap.

    `initialise` is called first and once. From then on a transaction is open, except between `commit` and `begin`.
    Those calls that wait for Kafka raise `TransactionLost` when the transaction cannot be settled.
    """

    @property
    def produce(self) -> Callable[..., None]:
        """`produce(topic, value, key, partition[, headers=[...]])` into the open transaction. Raises `BufferError`.

        Headers cost 2 us even when there are none.
        """

    def initialise(self) -> None:
        """Fence the previous producer of this partition, settle what it left open, and begin."""

    def send_offsets(self, offsets: Offsets) -> None:
        """Make the input `offsets` (next to read, by topic and partition) part of the open transaction."""

    def commit(self) -> None:
        """Make what was produced and the offsets visible together."""

    def begin(self) -> None:
        """Begin the next transaction."""

    def abort(self) -> None:
        """Drop what was produced since `begin`."""

    def poll(self) -> None:
        """Serve the client's callbacks; does not block."""

    def is_nearly_full(self) -> bool:
        """True when the client's queue has room for a few more batches only; does not block."""

    def make_room(self) -> None:
        """Wait a moment, at most 50 ms, for a full queue to send some records to the broker."""


class KafkaTransactions:
    """The producer of one source partition's transactions: `TransactionalProducer` on librdkafka.

    Raises `TransactionLost` from every call whose failure is not retriable. A retriable failure repeats the same call:
    a commit that timed out has an unknown outcome, so aborting and sending again could send twice.
    """

    def __init__(
        self,
        *,
        bootstrap_servers: str,
        transactional_id: str,
        group_id: str,
        partition: int,
        written: Iterable[tuple[str, int]] = (),
        queue_size: int = QUEUE_SIZE,
    ) -> None:
        """`written` are the topic partitions that transactions of this id write to, by this process or another.

        `queue_size` is the number of records that the client holds until a broker has acknowledged them.
        """
        self.partition = partition
        self._written = list(written)
        self._producer = Producer(
            {
                **transactional_producer(bootstrap_servers, transactional_id),
                # A commit flushes at once; between commits this makes larger batches. 20 ms cost 1.5 us an event more.
                "linger.ms": 100,
                "queue.buffering.max.messages": queue_size,
                "log_level": 3,
                "logger": KAFKA_CLIENT,
            }
        )
        self._nearly_full = int(queue_size * NEARLY_FULL)
        self._group = _group_metadata(bootstrap_servers, group_id)
        self.produce: Callable[..., None] = self._producer.produce

    def initialise(self) -> None:
        """Fence the previous owner, wait until what it left open is settled, and begin."""
        self._repeat(lambda: self._producer.init_transactions(CALL_TIMEOUT_S))
        self.begin()
        if self._written:
            self._abort_hanging()

    def _abort_hanging(self) -> None:
        """Abort what the coordinator says is settled and is not (ADR 0006).

        A broker that comes back after a crash as the only replica can lose the markers of a commit under way: its
        records stay open in the logs, and our first commit would make them visible. An abort that touches the same
        partitions closes them, and drops their pending offsets.
        """
        for topic, partition in self._written:
            self.produce(topic, b"", ABORTED_KEY, partition)
        self._repeat(self._flush)
        self.abort()
        self.begin()

    def _flush(self) -> None:
        # Only what has reached its partition makes the partition part of the transaction.
        if self._producer.flush(CALL_TIMEOUT_S):
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT, "records are still on their way", False, True))  # noqa: SLF001  constant's public name

    def send_offsets(self, offsets: Offsets) -> None:
        """Make the input `offsets` (next to read, by topic and partition) part of the open transaction."""
        positions = [TopicPartition(topic, partition, offset) for (topic, partition), offset in offsets.items()]
        self._repeat(lambda: self._producer.send_offsets_to_transaction(positions, self._group, CALL_TIMEOUT_S))

    def commit(self) -> None:
        """Send what still waits in the client, and make it and the offsets visible together."""
        self._repeat(lambda: self._producer.commit_transaction(CALL_TIMEOUT_S))

    def begin(self) -> None:
        """Begin the next transaction."""
        self._repeat(self._producer.begin_transaction)

    def abort(self) -> None:
        """Drop what was produced since `begin`."""
        self._repeat(lambda: self._producer.abort_transaction(CALL_TIMEOUT_S))

    def poll(self) -> None:
        """Serve the client's callbacks; does not block."""
        self._producer.poll(0)

    def is_nearly_full(self) -> bool:
        """True when the client's queue has room for a few more batches only; does not block."""
        return len(self._producer) > self._nearly_full

    def make_room(self) -> None:
        """Wait a moment, at most 50 ms, for a full queue to send some records to the broker."""
        self._producer.poll(0.05)

    def _repeat(self, call: Callable[[], object]) -> None:
        give_up_at = time.monotonic() + GIVE_UP_AFTER_S
        while True:
            try:
                call()
            except KafkaException as failure:
                error = failure.args[0]
                if error.retriable() and time.monotonic() < give_up_at:
                    continue
                raise TransactionLost(self.partition, _reason(error), fenced=error.code() in _FENCED) from failure
            else:
                return


def _reason(error: KafkaError) -> str:
    if error.code() == KafkaError.INVALID_TIMESTAMP:
        return (
            f"Kafka refuses the time of its records ({error.str()}): the clock of this machine is ahead of the"
            " broker's by more than message.timestamp.after.max.ms, an hour by default; set the clocks"
        )
    found: str = error.str()
    return found


def _group_metadata(bootstrap_servers: str, group_id: str) -> object:
    # Without a member id Kafka accepts transactional offset commits too: the transactional id does the fencing.
    consumer = Consumer(
        {"bootstrap.servers": bootstrap_servers, "group.id": group_id, "log_level": 3, "logger": KAFKA_CLIENT}
    )
    try:
        metadata: object = consumer.consumer_group_metadata()
        return metadata
    finally:
        consumer.close()


def check_topics(
    bootstrap_servers: str,
    names: Iterable[str],
    partitions: int,
    *,
    written: Iterable[str] = (),
    timeout_s: float = 10.0,
) -> None:
    """Make sure that all `names` exist with `partitions` partitions, and that those `written` take large records.

    A record that the client takes and the topic refuses would end this process, and the next one at the same record. A
    principal that may not read the settings of a topic is believed that they are right. Raises `BrokerUnreachable`, or
    `TopicMismatch` naming each topic, what was found and what is needed.
    """
    admin = AdminClient({"bootstrap.servers": bootstrap_servers, "log_level": 0, "logger": KAFKA_CLIENT})
    try:
        found = admin.list_topics(timeout=timeout_s).topics
    except KafkaException as failure:
        raise BrokerUnreachable(
            f"connecting to Kafka at {bootstrap_servers}: no answer in {timeout_s:g} s; check the address and that the"
            " broker runs"
        ) from failure
    wrong = []
    for name in names:
        count = len(found[name].partitions) if name in found else 0
        if count != partitions:
            wrong.append(f"{name} has {count} partitions, {partitions} are needed" if count else f"{name} is missing")
    for name, size in _message_limits(admin, [name for name in written if name in found], timeout_s).items():
        if size < TOPIC_MAX_MESSAGE_BYTES:
            wrong.append(f"{name} has max.message.bytes={size}, at least {TOPIC_MAX_MESSAGE_BYTES} are needed")
    if wrong:
        raise TopicMismatch(
            f"checking topics at {bootstrap_servers}: {'; '.join(wrong)}. Create them with `byoc topics create`,"
            " raise max.message.bytes with `byoc topics alter`, or set the partition count to that of the existing"
            " topics"
        )


def _message_limits(admin: AdminClient, names: list[str], timeout_s: float) -> dict[str, int]:
    """`max.message.bytes` of the topics whose settings can be read."""
    resources = [ConfigResource(ResourceType.TOPIC, name) for name in names]
    limits = {}
    for resource, future in admin.describe_configs(resources, request_timeout=timeout_s).items() if resources else ():
        try:
            limits[resource.name] = int(future.result()["max.message.bytes"].value)
        except KafkaException:  # mostly TOPIC_AUTHORIZATION_FAILED
            continue
    return limits
