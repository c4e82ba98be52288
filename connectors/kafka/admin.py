"""What a worker asks of the cluster before it starts: is it there, are the topics there, are they as they must be."""

from collections.abc import Iterable, Mapping
from typing import Any

import confluent_kafka as ck
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType

from connectors.errors import RetriableError, TerminalError

OFFSETS_PARTITIONS = 25  # Kafka Connect's default


def cluster_id(*, bootstrap_servers: str, timeout_s: float, client: Mapping[str, str] | None = None) -> str:
    """The cluster's id. Blocks. Raises `RetriableError` naming the address when nothing answers there."""
    return str(_metadata(_admin(bootstrap_servers, client), bootstrap_servers, timeout_s).cluster_id)


def require_topics(
    names: Iterable[str], *, bootstrap_servers: str, timeout_s: float, client: Mapping[str, str] | None = None
) -> dict[str, int]:
    """All topics exist; returns how many partitions each has. Blocks.

    Raises `TerminalError` naming those that do not exist, `RetriableError` without answer.
    """
    wanted = set(names)
    known = _metadata(_admin(bootstrap_servers, client), bootstrap_servers, timeout_s).topics
    missing = sorted(wanted - known.keys())
    if missing:
        raise TerminalError(
            f"looking for topics at {bootstrap_servers}: {', '.join(missing)} do not exist; create them with"
            " 'byoc topics create', or correct kafka.topic, errors.deadletterqueue.topic.name or topic.prefix"
        )
    return {name: len(known[name].partitions) for name in wanted}


def ensure_compacted(
    name: str, *, bootstrap_servers: str, timeout_s: float, client: Mapping[str, str] | None = None
) -> None:
    """The internal topic exists, created when missing, and is compacted. Blocks.

    Raises `TerminalError` for a topic that would lose positions with time, `RetriableError` without answer.
    """
    admin = _admin(bootstrap_servers, client)
    if name not in _metadata(admin, bootstrap_servers, timeout_s).topics:
        _create_compacted(admin, name, timeout_s)
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


def _create_compacted(admin: Any, name: str, timeout_s: float) -> None:
    topic = NewTopic(name, num_partitions=OFFSETS_PARTITIONS, config={"cleanup.policy": "compact"})
    try:
        admin.create_topics([topic], operation_timeout=timeout_s)[name].result()
    except ck.KafkaException as error:
        if error.args[0].code() != ck.KafkaError.TOPIC_ALREADY_EXISTS:  # another worker was faster
            raise RetriableError(f"creating topic {name}: {error.args[0].str()}") from error


def _admin(bootstrap_servers: str, client: Mapping[str, str] | None) -> Any:
    return AdminClient({"log_level": 0, **(client or {}), "bootstrap.servers": bootstrap_servers})


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
    """Committed offsets of a consumer group: (topic, partition, offset). Blocks. Raises `RetriableError`."""
    admin = _admin(bootstrap_servers, client)
    try:
        request = [ck.ConsumerGroupTopicPartitions(group_id)]
        found = admin.list_consumer_group_offsets(request, request_timeout=timeout_s)[group_id].result()
    except ck.KafkaException as error:
        raise RetriableError(f"reading the offsets of group {group_id}: {error.args[0].str()}") from error
    committed = [(p.topic, p.partition, p.offset) for p in found.topic_partitions if p.offset >= 0]
    return sorted(committed)
