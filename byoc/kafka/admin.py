"""Topics and offsets of a cluster: does it answer, which topics exist, create and delete them, where they end."""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from confluent_kafka import Consumer, IsolationLevel, KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    OffsetSpec,
    ResourceType,
)

from byoc.errors import BrokerError
from byoc.kafka.client import ADMIN_TIMEOUT_S, CLIENT_PROPERTIES, broker_errors, partitions_of
from schemas.topics import TopicSpec

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
class FoundTopic:
    """What a cluster says about a topic that exists."""

    name: str
    partitions: int
    cleanup_policy: str
    max_message_bytes: int


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
    with broker_errors("describing topics", bootstrap_servers):
        admin = _admin(bootstrap_servers)
        # Metadata of all topics: asking for a single absent one would wait for it to appear.
        metadata = admin.list_topics(timeout=ADMIN_TIMEOUT_S)
        present = [name for name in wanted if name in metadata.topics]
        resources = [ConfigResource(ResourceType.TOPIC, name) for name in present]
        configs = admin.describe_configs(resources, request_timeout=ADMIN_TIMEOUT_S) if resources else {}
        found = {resource.name: future.result() for resource, future in configs.items()}
    return {
        name: FoundTopic(
            name=name,
            partitions=len(metadata.topics[name].partitions),
            cleanup_policy=str(found[name]["cleanup.policy"].value),
            max_message_bytes=int(found[name]["max.message.bytes"].value),
        )
        for name in present
    }


def create_topics(bootstrap_servers: str, specs: Sequence[TopicSpec], *, replication_factor: int = 1) -> list[str]:
    """Create the topics that are missing; return their names. A topic that exists is left as it is.

    Returns when every topic has a leader for each partition. Raises `BrokerError`.
    """
    if not specs:
        return []
    with broker_errors("creating topics", bootstrap_servers):
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


def raise_max_message_bytes(bootstrap_servers: str, wanted: Mapping[str, int]) -> None:
    """Set `max.message.bytes` of topics, by name; their other settings stay.

    Returns when the broker that is asked says so too; it learns of it a moment later. Raises `BrokerError`.
    """
    if not wanted:
        return
    with broker_errors("altering topics", bootstrap_servers):
        admin = _admin(bootstrap_servers)
        changes = [
            ConfigResource(
                ResourceType.TOPIC,
                name,
                incremental_configs=[
                    ConfigEntry("max.message.bytes", str(size), incremental_operation=AlterConfigOpType.SET)
                ],
            )
            for name, size in wanted.items()
        ]
        _results(admin.incremental_alter_configs(changes, request_timeout=ADMIN_TIMEOUT_S))
    deadline = time.monotonic() + ADMIN_TIMEOUT_S
    while any(
        topic.max_message_bytes < wanted[topic.name] for topic in describe_topics(bootstrap_servers, wanted).values()
    ):
        if time.monotonic() > deadline:
            raise BrokerError(f"altering topics: no effect in {ADMIN_TIMEOUT_S:g} s on {', '.join(sorted(wanted))}")
        time.sleep(0.02)


def delete_topics(bootstrap_servers: str, names: Iterable[str]) -> None:
    """Delete topics; one that does not exist is no error. Raises `BrokerError`."""
    wanted = sorted(set(names))  # Kafka refuses a request that names a topic twice
    if not wanted:
        return
    with broker_errors("deleting topics", bootstrap_servers):
        admin = _admin(bootstrap_servers)  # named: a client that is collected fails the answers still under way
        for future in admin.delete_topics(wanted, request_timeout=ADMIN_TIMEOUT_S).values():
            try:
                future.result()
            except KafkaException as error:
                if error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                    raise


def topic_names(bootstrap_servers: str) -> list[str]:
    """Return the names of all topics of the cluster, internal ones left out. Raises `BrokerError`."""
    with broker_errors("listing topics", bootstrap_servers):
        return sorted(n for n in _admin(bootstrap_servers).list_topics(timeout=ADMIN_TIMEOUT_S).topics if n[:2] != "__")


def end_offsets(bootstrap_servers: str, topic: str, *, committed: bool = True) -> dict[int, int]:
    """Return the end of each partition: behind the last committed record, or with `committed=False` behind any.

    Where the first is smaller than the second, a transaction is open. Raises `BrokerError`.
    """
    level = IsolationLevel.READ_COMMITTED if committed else IsolationLevel.READ_UNCOMMITTED
    deadline = time.monotonic() + ADMIN_TIMEOUT_S
    with broker_errors(f"reading the end offsets of {topic}", bootstrap_servers):
        admin = _admin(bootstrap_servers)
        asked = {TopicPartition(topic, p): OffsetSpec.latest() for p in partitions_of(admin, topic)}
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
    with broker_errors(f"reading the offsets of group {group}", bootstrap_servers):
        consumer = Consumer({"bootstrap.servers": bootstrap_servers, "group.id": group, **CLIENT_PROPERTIES})
        try:
            places = [TopicPartition(topic, p) for p in partitions_of(consumer, topic)]
            found = consumer.committed(places, timeout=ADMIN_TIMEOUT_S)
        finally:
            consumer.close()
    return {place.partition: place.offset if place.offset >= 0 else None for place in found}


def _admin(bootstrap_servers: str) -> Any:
    return AdminClient({"bootstrap.servers": bootstrap_servers, **CLIENT_PROPERTIES})


def _results(futures: Mapping[str, Any]) -> list[Any]:
    return [future.result() for future in futures.values()]


def _await_leaders(admin: Any, names: set[str]) -> None:
    """Wait until all brokers know the new topics and their leaders serve them; producing to them before that fails."""
    deadline = time.monotonic() + ADMIN_TIMEOUT_S
    while not _are_led(admin, names):
        if time.monotonic() > deadline:
            raise BrokerError(f"creating topics: no leader for all of {', '.join(sorted(names))}")
        time.sleep(0.02)


def _are_led(admin: Any, names: set[str]) -> bool:
    """Whether every partition answers.

    A broker names the leader as soon as a topic exists, and serves its partitions as it makes their logs, one after
    the other: 17 topics took 4 to 8 s on a busy host.
    """
    described = admin.describe_topics(TopicCollection(sorted(names)), request_timeout=ADMIN_TIMEOUT_S)
    try:
        found = _results(described)
        if any(p.leader is None for topic in found for p in topic.partitions):
            return False
        admin.list_topics(timeout=ADMIN_TIMEOUT_S)  # a client that does not know the leaders may wait for them too long
        places = {TopicPartition(topic.name, p.id): OffsetSpec.latest() for topic in found for p in topic.partitions}
        for future in admin.list_offsets(places, request_timeout=ADMIN_TIMEOUT_S).values():
            future.result()
    except KafkaException as error:
        if error.args[0].code() not in {*LEADER_MOVING, KafkaError.UNKNOWN_TOPIC_OR_PART}:
            raise
        return False
    return True
