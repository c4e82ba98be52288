"""The only importer of confluent_kafka in `byoc`: topics, plain producing, and reading to the end."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    IsolationLevel,
    KafkaError,
    KafkaException,
    Producer,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, OffsetSpec, ResourceType

from byoc.errors import BrokerError
from schemas.kafka_settings import PARTITIONER
from schemas.topics import TopicSpec

ADMIN_TIMEOUT_S = 10.0
READ_TIMEOUT_S = 60.0
# librdkafka waits up to 10 s between connection attempts; commands that run for seconds cannot.
RECONNECT = {"reconnect.backoff.ms": 50, "reconnect.backoff.max.ms": 500}
QUIET = {"log_level": 0}
END_OF_PARTITION = -191  # librdkafka's own code RD_KAFKA_RESP_ERR__PARTITION_EOF
# What a broker answers while it takes over partitions, for example after a restart; the admin client does not retry.
LEADER_MOVING = {
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.UNKNOWN_LEADER_EPOCH,
    KafkaError.FENCED_LEADER_EPOCH,
    KafkaError.REPLICA_NOT_AVAILABLE,
    KafkaError.OFFSET_NOT_AVAILABLE,
    KafkaError.KAFKA_STORAGE_ERROR,
}


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


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundTopic:
    """What a cluster says about a topic that exists."""

    name: str
    partitions: int
    cleanup_policy: str


def answers(bootstrap_servers: str, *, timeout_s: float) -> bool:
    """Say whether a broker answers metadata and would create a topic now; creates none."""
    try:
        admin = _admin(bootstrap_servers)
        admin.list_topics(timeout=timeout_s)
        probe = NewTopic("byoc-readiness-probe", num_partitions=1, replication_factor=1)
        _results(admin.create_topics([probe], validate_only=True, request_timeout=timeout_s))
    except KafkaException as error:
        return bool(error.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS)
    return True


def describe_topics(bootstrap_servers: str, names: Iterable[str]) -> dict[str, FoundTopic]:
    """Return those of the topics that exist, by name. Raises `BrokerError`."""
    wanted = list(names)
    with _broker_errors("describing topics", bootstrap_servers):
        admin = _admin(bootstrap_servers)
        # Metadata of all topics: asking for a single absent one would wait for it to appear.
        metadata = admin.list_topics(timeout=ADMIN_TIMEOUT_S)
        present = [name for name in wanted if name in metadata.topics]
        resources = [ConfigResource(ResourceType.TOPIC, name) for name in present]
        configs = admin.describe_configs(resources, request_timeout=ADMIN_TIMEOUT_S) if resources else {}
        policies = {resource.name: future.result()["cleanup.policy"].value for resource, future in configs.items()}
    return {
        name: FoundTopic(
            name=name, partitions=len(metadata.topics[name].partitions), cleanup_policy=str(policies[name])
        )
        for name in present
    }


def create_topics(bootstrap_servers: str, specs: Sequence[TopicSpec], *, replication_factor: int = 1) -> list[str]:
    """Create the topics that are missing; return their names. A topic that exists is left as it is.

    Returns when every topic has a leader for each partition. Raises `BrokerError`.
    """
    if not specs:
        return []
    with _broker_errors("creating topics", bootstrap_servers):
        admin = _admin(bootstrap_servers)
        wanted = [
            NewTopic(
                spec.name, num_partitions=spec.partitions, replication_factor=replication_factor, config=spec.config
            )
            for spec in specs
        ]
        created = []
        for name, future in admin.create_topics(wanted, request_timeout=ADMIN_TIMEOUT_S).items():
            try:
                future.result()
            except KafkaException as error:
                if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                    raise
            else:
                created.append(name)
        _await_leaders(admin, {spec.name for spec in specs})
    return created


def delete_topics(bootstrap_servers: str, names: Iterable[str]) -> None:
    """Delete topics; one that does not exist is no error. Raises `BrokerError`."""
    wanted = sorted(set(names))  # Kafka refuses a request that names a topic twice
    if not wanted:
        return
    with _broker_errors("deleting topics", bootstrap_servers):
        admin = _admin(bootstrap_servers)  # named: a client that is collected fails the answers still under way
        for future in admin.delete_topics(wanted, request_timeout=ADMIN_TIMEOUT_S).values():
            try:
                future.result()
            except KafkaException as error:
                if error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                    raise


def topic_names(bootstrap_servers: str) -> list[str]:
    """Return the names of all topics of the cluster, internal ones left out. Raises `BrokerError`."""
    with _broker_errors("listing topics", bootstrap_servers):
        return sorted(n for n in _admin(bootstrap_servers).list_topics(timeout=ADMIN_TIMEOUT_S).topics if n[:2] != "__")


def end_offsets(bootstrap_servers: str, topic: str, *, committed: bool = True) -> dict[int, int]:
    """Return the end of each partition: behind the last committed record, or with `committed=False` behind any.

    Where the first is smaller than the second, a transaction is open. Raises `BrokerError`.
    """
    level = IsolationLevel.READ_COMMITTED if committed else IsolationLevel.READ_UNCOMMITTED
    deadline = time.monotonic() + ADMIN_TIMEOUT_S
    with _broker_errors(f"reading the end offsets of {topic}", bootstrap_servers):
        admin = _admin(bootstrap_servers)
        asked = {TopicPartition(topic, p): OffsetSpec.latest() for p in _partitions(admin, topic)}
        while True:
            futures = admin.list_offsets(asked, isolation_level=level, request_timeout=ADMIN_TIMEOUT_S)
            try:
                return {place.partition: int(future.result().offset) for place, future in futures.items()}
            except KafkaException as error:
                if error.args[0].code() not in LEADER_MOVING or time.monotonic() > deadline:
                    raise
            time.sleep(0.1)


def committed_offsets(bootstrap_servers: str, group: str, topic: str) -> dict[int, int | None]:
    """Return the committed offset of a consumer group per partition, None where there is none. Raises `BrokerError`."""
    with _broker_errors(f"reading the offsets of group {group}", bootstrap_servers):
        consumer = Consumer({"bootstrap.servers": bootstrap_servers, "group.id": group, **RECONNECT, **QUIET})
        try:
            places = [TopicPartition(topic, p) for p in _partitions(consumer, topic)]
            found = consumer.committed(places, timeout=ADMIN_TIMEOUT_S)
        finally:
            consumer.close()
    return {place.partition: place.offset if place.offset >= 0 else None for place in found}


def read_committed(bootstrap_servers: str, topic: str, *, timeout_s: float = READ_TIMEOUT_S) -> Iterator[Message]:
    """Yield every committed record from the beginning to the end that the topic has at the first step.

    Order is kept per partition. "The end" includes open transactions: the reader waits until they are committed
    or aborted, so a record is never left out silently. Raises `BrokerError` when that takes longer than `timeout_s`
    without a step forward, naming the partition, and for a topic that does not exist.
    """
    # Asked for as any reader sees it: with the committed end, a record of an open transaction would be passed over.
    ends = {p: end for p, end in end_offsets(bootstrap_servers, topic, committed=False).items() if end > 0}
    with _broker_errors(f"reading {topic}", bootstrap_servers):
        consumer = Consumer(
            {
                "bootstrap.servers": bootstrap_servers,
                "group.id": "byoc-reader",  # never committed, never joined: partitions are assigned by hand
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "earliest",
                "fetch.wait.max.ms": 50,
                **RECONNECT,
                **QUIET,
            }
        )
        try:
            # Fetching starts at once when the leaders are known; otherwise librdkafka looks again after 500 ms.
            consumer.list_topics(topic, timeout=ADMIN_TIMEOUT_S)
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


def produce(bootstrap_servers: str, topic: str, records: Iterable[tuple[bytes | None, bytes | None]]) -> int:
    """Write (key, value) records without a transaction, placed as all our producers place them; return their number.

    Returns when all are acknowledged. Raises `BrokerError` for the first that was not.
    """
    return produce_with_headers(bootstrap_servers, topic, ((key, value, {}) for key, value in records))


def produce_with_headers(
    bootstrap_servers: str, topic: str, records: Iterable[tuple[bytes | None, bytes | None, Mapping[str, bytes]]]
) -> int:
    """As `produce`, for (key, value, headers) records."""
    failures: list[KafkaError] = []
    count = 0

    def acknowledged(error: KafkaError | None, _message: object) -> None:
        if error is not None:
            failures.append(error)

    with _broker_errors(f"writing to {topic}", bootstrap_servers):
        producer = Producer(
            {
                "bootstrap.servers": bootstrap_servers,
                "enable.idempotence": True,
                "partitioner": PARTITIONER,
                "linger.ms": 5,
                "message.timeout.ms": int(READ_TIMEOUT_S * 1000),
                **RECONNECT,
                **QUIET,
            }
        )
        # Sending starts at once when the leaders are known; otherwise librdkafka looks again after 500 ms.
        _partitions(producer, topic)
        for key, value, headers in records:
            while not _queued(producer, topic, {"key": key, "value": value, "headers": dict(headers)}, acknowledged):
                producer.poll(0.1)
            count += 1
        remaining = producer.flush(READ_TIMEOUT_S)
        if failures:
            raise KafkaException(failures[0])
    if remaining:
        raise BrokerError(f"writing to {topic}: {remaining} of {count} records were not acknowledged")
    return count


def _queued(producer: Any, topic: str, record: dict[str, Any], acknowledged: Any) -> bool:
    """Hand one record to the producer; False when its queue is full and delivery reports must be served first."""
    try:
        producer.produce(topic, **record, on_delivery=acknowledged)
    except BufferError:
        return False
    producer.poll(0)
    return True


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


def _admin(bootstrap_servers: str) -> Any:
    return AdminClient({"bootstrap.servers": bootstrap_servers, **RECONNECT, **QUIET})


def _results(futures: Mapping[str, Any]) -> list[Any]:
    return [future.result() for future in futures.values()]


def _partitions(client: Any, topic: str) -> list[int]:
    found = client.list_topics(topic, timeout=ADMIN_TIMEOUT_S).topics[topic]
    if found.error is not None:
        raise KafkaException(found.error)
    return sorted(found.partitions)


def _await_leaders(admin: Any, names: set[str]) -> None:
    """Creation answers before the metadata of all brokers says so; producing in between fails."""
    deadline = time.monotonic() + ADMIN_TIMEOUT_S
    while True:
        described = admin.describe_topics(TopicCollection(sorted(names)), request_timeout=ADMIN_TIMEOUT_S)
        try:
            if all(p.leader is not None for topic in _results(described) for p in topic.partitions):
                return
        except KafkaException as error:
            if error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                raise
        if time.monotonic() > deadline:
            raise BrokerError(f"creating topics: no leader for all of {', '.join(sorted(names))}")
        time.sleep(0.02)


class _broker_errors:  # noqa: N801  # reads as a statement: `with _broker_errors("creating topics", servers):`
    """Turn confluent_kafka's errors into `BrokerError`: what was done, where, why, and what to check."""

    def __init__(self, doing: str, bootstrap_servers: str) -> None:
        self._where = f"{doing} at {bootstrap_servers}"

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: object) -> None:
        if isinstance(error, KafkaException):
            cause = error.args[0]
            if not isinstance(cause, KafkaError):
                raise BrokerError(f"{self._where}: {cause}") from None
            raise BrokerError(f"{self._where}: {cause.str()}{_remedy(cause)}") from None


def _remedy(cause: KafkaError) -> str:
    if cause.code() < 0:  # librdkafka's own: nothing was heard from a broker
        return (
            "; check that Kafka runs there (`byoc kafka status`) and the address "
            "(--bootstrap-servers or KAFKA_BOOTSTRAP_SERVERS)"
        )
    if cause.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
        return "; check the name and --prefix, or create the topics with `byoc topics create`"
    return ""
