"""Source positions in Kafka Connect's own format: one compacted topic, JSON keys and values.

    key    ["<connector>",{"topic":"/event/X__e"}]          canonical JSON: sorted keys, no spaces
    value  {"replayId":"<base64>", …}                        null means: reset

Canonical, because compaction compares bytes: two spellings of one key would live for ever side by side.
"""

import json
import logging
from collections.abc import Mapping
from typing import Any, Final

import confluent_kafka as ck
from confluent_kafka.admin import AdminClient, OffsetSpec

from connectors.errors import RetriableError

log = logging.getLogger(__name__)

_END_OF_PARTITION: Final = ck.KafkaError._PARTITION_EOF  # noqa: SLF001 - librdkafka's own codes are spelled so
SourcePartition = Mapping[str, str]


def canonical(value: Any) -> str:
    """JSON with sorted keys and without spaces, the same bytes for the same value."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def offset_key(connector: str, partition: SourcePartition) -> bytes:
    """The record key of a source partition of a connector."""
    return canonical([connector, dict(partition)]).encode()


def read_offsets(
    *, bootstrap_servers: str, topic: str, connector: str, timeout_s: float, client: Mapping[str, str] | None = None
) -> dict[str, dict[str, Any]]:
    """The offsets of a connector: canonical partition JSON -> offset map. Blocks.

    Reads the topic `read_committed` to the *uncommitted* end it had at the call: another task's open transaction may
    stand before our own last commit, and stopping there would be stopping at an older position. Raises
    `RetriableError` when the end is not reached within `timeout_s`.
    """
    settings: dict[str, Any] = {"log_level": 0, **(client or {}), "bootstrap.servers": bootstrap_servers}
    with_group = {
        "group.id": f"offsets-reader-{connector}",  # required by the client; nothing is committed to it
        "enable.auto.commit": False,
        "auto.offset.reset": "earliest",
        "isolation.level": "read_committed",
        "enable.partition.eof": True,
        "fetch.wait.max.ms": 10,
    }
    ends = _end_offsets(settings, topic, timeout_s)
    consumer: Any = ck.Consumer({**settings, **with_group})
    try:
        return _read(consumer, topic, connector, {number: end for number, end in ends.items() if end > 0}, timeout_s)
    finally:
        consumer.close()


def _end_offsets(settings: Mapping[str, Any], topic: str, timeout_s: float) -> dict[int, int]:
    admin: Any = AdminClient(dict(settings))
    try:
        partitions = admin.list_topics(topic, timeout=timeout_s).topics[topic].partitions
        asked = {ck.TopicPartition(topic, number): OffsetSpec.latest() for number in partitions}
        found = admin.list_offsets(asked, isolation_level=ck.IsolationLevel.READ_UNCOMMITTED, request_timeout=timeout_s)
        return {partition.partition: future.result().offset for partition, future in found.items()}
    except ck.KafkaException as error:
        raise RetriableError(f"reading the end of {topic}: {error.args[0].str()}") from error


def _read(
    consumer: Any, topic: str, connector: str, ends: dict[int, int], timeout_s: float
) -> dict[str, dict[str, Any]]:
    newest: dict[str, tuple[int, dict[str, Any] | None]] = {}
    waiting = dict(ends)
    consumer.assign([ck.TopicPartition(topic, number, ck.OFFSET_BEGINNING) for number in ends])
    idle_polls = 0
    while waiting:
        message = consumer.poll(0.1)
        if message is None:
            idle_polls += 1
            if idle_polls * 0.1 > timeout_s:
                raise RetriableError(
                    f"reading {topic} to its end: partitions {sorted(waiting)} did not get there in {timeout_s:g} s; a"
                    " transaction may be open on them"
                )
            continue
        error = message.error()
        if error is None:
            _keep(newest, connector, message)
            reached = message.offset() + 1
        elif error.code() == _END_OF_PARTITION:
            reached = message.offset()  # behind transaction markers, which are never delivered
        else:
            raise RetriableError(f"reading {topic}: {error.str()}")
        if reached >= waiting.get(message.partition(), reached + 1):
            del waiting[message.partition()]
    return {partition: offset for partition, (_, offset) in newest.items() if offset is not None}


def _keep(newest: dict[str, tuple[int, dict[str, Any] | None]], connector: str, message: Any) -> None:
    try:
        name, partition = json.loads(message.key() or b"")
        offset = json.loads(message.value()) if message.value() is not None else None
    except ValueError:
        log.warning("record in the offsets topic is not Kafka Connect's", extra={"offset": message.offset()})
        return
    if name != connector or not isinstance(partition, dict) or not isinstance(offset, dict | None):
        return
    # a tool that places keys by another partitioner puts a patched offset elsewhere: the later one wins
    written_at_ms = message.timestamp()[1]
    known = newest.get(canonical(partition))
    if known is None or written_at_ms >= known[0]:
        newest[canonical(partition)] = (written_at_ms, offset)
