"""Source positions in Kafka Connect's own format: one compacted topic, JSON keys and values.

    key    ["<connector>",{"topic":"/event/X__e"}]          canonical JSON: sorted keys, no spaces
    value  {"replayId":"<base64>", …}                        null means: reset

Keys are canonical because compaction compares bytes: two spellings of one key would both be kept for ever.
"""

import json
import logging
import threading
from collections.abc import Mapping
from typing import Any, Final

import confluent_kafka as ck
from confluent_kafka.admin import AdminClient, OffsetSpec

from connectors.errors import RetriableError
from schemas.process.log_lines import KAFKA_CLIENT

log = logging.getLogger(__name__)

_END_OF_PARTITION: Final = ck.KafkaError._PARTITION_EOF  # noqa: SLF001 - librdkafka's own codes are spelled so
_POLL_S: Final = 0.1
SourcePartition = Mapping[str, str]


def canonical(value: Any) -> str:
    """JSON with sorted keys and without spaces, the same bytes for the same value."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def offset_key(connector: str, partition: SourcePartition) -> bytes:
    """The record key of a source partition of a connector."""
    return canonical([connector, dict(partition)]).encode()


def read_offsets(
    *,
    bootstrap_servers: str,
    topic: str,
    connector: str,
    timeout_s: float,
    client: Mapping[str, str] | None = None,
    given_up: threading.Event | None = None,
) -> dict[str, dict[str, Any]]:
    """The offsets of a connector: canonical partition JSON -> offset map. Blocks.

    Reads the topic `read_committed` up to the end that it has at the call, uncommitted records included: an open
    transaction of another task may stand before this connector's last commit, and to stop there would give an older
    position. Raises `RetriableError` when the end is not reached within `timeout_s`, or when `given_up` is set before.
    """
    settings: dict[str, Any] = {
        "log_level": 0,
        "logger": KAFKA_CLIENT,
        **(client or {}),
        "bootstrap.servers": bootstrap_servers,
    }
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
        reader = _Reader(consumer, topic, connector, given_up or threading.Event())
        return reader.read({number: end for number, end in ends.items() if end > 0}, timeout_s)
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


class _Reader:
    """Reads the partitions of the offsets topic to given ends and keeps the newest offset of each source partition."""

    def __init__(self, consumer: Any, topic: str, connector: str, given_up: threading.Event) -> None:
        self._consumer = consumer
        self._topic = topic
        self._connector = connector
        self._given_up = given_up
        self._newest: dict[str, tuple[int, dict[str, Any] | None]] = {}

    def read(self, ends: Mapping[int, int], timeout_s: float) -> dict[str, dict[str, Any]]:
        """Canonical partition JSON -> offset map. `ends` are those of partitions that hold something."""
        waiting = dict(ends)
        self._consumer.assign([ck.TopicPartition(self._topic, number, ck.OFFSET_BEGINNING) for number in ends])
        idle_polls = 0
        while waiting:
            message = self._consumer.poll(_POLL_S)
            if message is not None:
                self._take(message, waiting)
                continue
            idle_polls += 1
            if self._given_up.is_set() or idle_polls * _POLL_S > timeout_s:
                raise RetriableError(
                    f"reading {self._topic} to its end: partitions {sorted(waiting)} did not get there in"
                    f" {idle_polls * _POLL_S:.0f} s; a transaction may be open on them"
                )
        return {partition: offset for partition, (_, offset) in self._newest.items() if offset is not None}

    def _take(self, message: Any, waiting: dict[int, int]) -> None:
        error = message.error()
        if error is None:
            self._keep(message)
            reached = message.offset() + 1
        elif error.code() == _END_OF_PARTITION:
            reached = message.offset()  # behind transaction markers, which are never delivered
        else:
            raise RetriableError(f"reading {self._topic}: {error.str()}")
        if reached >= waiting.get(message.partition(), reached + 1):
            del waiting[message.partition()]

    def _keep(self, message: Any) -> None:
        try:
            name, partition = json.loads(message.key() or b"")
            offset = json.loads(message.value()) if message.value() is not None else None
        except ValueError:
            log.warning("record in the offsets topic is not Kafka Connect's", extra={"offset": message.offset()})
            return
        if name != self._connector or not isinstance(partition, dict) or not isinstance(offset, dict | None):
            return
        # a tool that places keys by another partitioner puts a patched offset elsewhere: the later one wins
        written_at_ms = message.timestamp()[1]
        known = self._newest.get(canonical(partition))
        if known is None or written_at_ms >= known[0]:
            self._newest[canonical(partition)] = (written_at_ms, offset)
