"""Questions to the cluster before a worker or task starts: its id, its topics, their settings; and group offsets."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import confluent_kafka as ck
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType

from connectors import clock
from connectors.errors import RetriableError, TerminalError
from schemas.process.log_lines import KAFKA_CLIENT
from schemas.topics import LARGEST_RECORD

_OFFSETS_PARTITIONS = 25  # Kafka Connect's default


def cluster_id(*, bootstrap_servers: str, timeout_s: float, client: Mapping[str, str] | None = None) -> str:
    """The cluster's id. Blocks. Raises `RetriableError` naming the address when nothing answers there."""
    return str(_metadata(_admin(bootstrap_servers, client), bootstrap_servers, timeout_s).cluster_id)


def require_topics(
    names: Iterable[str], *, bootstrap_servers: str, timeout_s: float, client: Mapping[str, str] | None = None
) -> dict[str, int]:
    """Check that all topics exist; return how many partitions each has. Blocks.

    Raises `TerminalError` naming those that do not exist, `RetriableError` without an answer.
    """
    wanted = set(names)
    known = _metadata(_admin(bootstrap_servers, client), bootstrap_servers, timeout_s).topics
    missing = sorted(wanted - known.keys())
    if missing:
        raise TerminalError(
            f"looking for topics at {bootstrap_servers}: {', '.join(missing)} do not exist; create them with"
            " 'byoc topics create', or correct kafka.topic, raw.topic,"
            " errors.deadletterqueue.topic.name or topic.prefix"
        )
    return {name: len(known[name].partitions) for name in wanted}


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicCreation:
    """With what topics are created that do not exist. A `replication_factor` of -1 is the brokers' default."""

    partitions: int
    replication_factor: int = -1


def create_missing(
    names: Iterable[str],
    creation: TopicCreation,
    *,
    bootstrap_servers: str,
    timeout_s: float,
    client: Mapping[str, str] | None = None,
) -> None:
    """Create the topics that do not exist, large enough for the largest event; others stay as they are. Blocks.

    Raises `RetriableError`.
    """
    admin = _admin(bootstrap_servers, client)
    wanted = set(names)
    for name in wanted - _metadata(admin, bootstrap_servers, timeout_s).topics.keys():
        partitions, replicas = creation.partitions, creation.replication_factor
        topic = NewTopic(name, num_partitions=partitions, replication_factor=replicas, config=LARGEST_RECORD)
        _create(admin, topic, timeout_s)
    deadline_s = clock.monotonic_s() + timeout_s
    # the controller has made them; the brokers know it a moment later
    while wanted - _metadata(admin, bootstrap_servers, timeout_s).topics.keys():
        if clock.monotonic_s() > deadline_s:
            raise RetriableError(f"creating {', '.join(sorted(wanted))}: they did not appear in {timeout_s:g} s")
        time.sleep(0.05)


def ensure_compacted(
    name: str, *, bootstrap_servers: str, timeout_s: float, client: Mapping[str, str] | None = None
) -> None:
    """Create the internal topic when it does not exist, and check that it is compacted. Blocks.

    Raises `TerminalError` when it is not compacted, because it would lose positions with time, and `RetriableError`
    without an answer.
    """
    admin = _admin(bootstrap_servers, client)
    if name not in _metadata(admin, bootstrap_servers, timeout_s).topics:
        compacted = NewTopic(name, num_partitions=_OFFSETS_PARTITIONS, config={"cleanup.policy": "compact"})
        _create(admin, compacted, timeout_s)
    resource = ConfigResource(ResourceType.TOPIC, name)
    try:
        found = admin.describe_configs([resource], request_timeout=timeout_s)[resource].result()
    except ck.KafkaException as error:
        raise RetriableError(f"reading the configuration of topic {name}: {error.args[0].str()}") from error
    policy = found["cleanup.policy"].value
    if policy != "compact":
        raise TerminalError(
            f"checking topic {name}: cleanup.policy is {policy}, which loses positions with time; set it to compact, or"
            " name another topic in offset.storage.topic"
        )


def _create(admin: Any, topic: Any, timeout_s: float) -> None:
    try:
        admin.create_topics([topic], operation_timeout=timeout_s)[topic.topic].result()
    except ck.KafkaException as error:
        if error.args[0].code() != ck.KafkaError.TOPIC_ALREADY_EXISTS:  # another worker was faster
            raise RetriableError(f"creating topic {topic.topic}: {error.args[0].str()}") from error


def _admin(bootstrap_servers: str, client: Mapping[str, str] | None) -> Any:
    return AdminClient(
        {"log_level": 0, "logger": KAFKA_CLIENT, **(client or {}), "bootstrap.servers": bootstrap_servers}
    )


def _metadata(admin: Any, bootstrap_servers: str, timeout_s: float) -> Any:
    try:
        return admin.list_topics(timeout=timeout_s)
    except ck.KafkaException as error:
        raise RetriableError(
            f"connecting to Kafka at {bootstrap_servers}: {error.args[0].str()}; check bootstrap.servers and that the"
            " broker runs"
        ) from error


def group_offsets(
    group_id: str, *, bootstrap_servers: str, timeout_s: float, client: Mapping[str, str] | None = None
) -> list[tuple[str, int, int]]:
    """The committed offsets of a consumer group, sorted: (topic, partition, offset). Blocks.

    Raises `RetriableError`.
    """
    admin = _admin(bootstrap_servers, client)
    try:
        request = [ck.ConsumerGroupTopicPartitions(group_id)]
        found = admin.list_consumer_group_offsets(request, request_timeout=timeout_s)[group_id].result()
    except ck.KafkaException as error:
        raise RetriableError(f"reading the offsets of group {group_id}: {error.args[0].str()}") from error
    committed = [(p.topic, p.partition, p.offset) for p in found.topic_partitions if p.offset >= 0]
    return sorted(committed)
