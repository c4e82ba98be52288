"""A recorded run put back into a Kafka: the same records at the same offsets, the same committed offsets of groups."""

import subprocess
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaError, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from schemas.topics import Topics
from tests.support.kafka import TestBroker
from tests.support.processor import Processor, eventually
from tests.support.recorded import TABLES, Kept, Recorded

ROOT = Path(__file__).resolve().parents[2]
# Records keep their timestamps: the broker must neither drop them as too old nor refuse them as too far ahead.
_ANY_TIME = {"retention.ms": "-1", "message.timestamp.after.max.ms": str(2**63 - 1)}
_COORDINATOR_COMING = {
    KafkaError.NOT_COORDINATOR,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
}
_WAIT_S = 30.0
_PLAIN, _COMMITTED, _ABORTED = "plain", "committed", "aborted"

Write = tuple[str, list[Kept]]


def topic_name(topics: Topics, name: str) -> str:
    """The topic with a recorded name."""
    found: str = topics.changelog(name) if name in TABLES else getattr(topics, name)
    return found


def group_name(topics: Topics, group: str) -> str:
    """The consumer group with a recorded name."""
    names = {"streams": topics.app_id, "router": f"{topics.prefix}-partner-router"}
    return names.get(group, f"connect-{topics.prefix}-{group}")


def restore(kafka: TestBroker, topics: Topics, run: Recorded, names: Iterable[str] | None = None) -> None:
    """Create all topics of the catalogue and fill those with these recorded names, all by default."""
    filled = list(run.counts if names is None else names)
    kafka.create_topics(
        [replace(spec, config={**spec.config, **_ANY_TIME}) for spec in topics.catalogue(run.partitions)]
    )
    _write(kafka.bootstrap_servers, {topic_name(topics, name): _by_partition(run, name) for name in filled})
    for name in filled:
        assert kafka.end_offsets(topic_name(topics, name), committed=False) == run.ends(name), name
    admin: Any = AdminClient({"bootstrap.servers": kafka.bootstrap_servers, "log_level": 0})
    positions = [each for each in run.positions() if each.topic in filled]
    for group in {each.group for each in positions}:
        offsets = [
            TopicPartition(topic_name(topics, each.topic), each.partition, each.offset, each.metadata)
            for each in positions
            if each.group == group
        ]
        asked = ConsumerGroupTopicPartitions(group_name(topics, group), offsets)
        eventually(partial(_committed, admin, asked), f"the offsets of {asked.group_id} are committed")


def _committed(admin: Any, asked: Any) -> bool | None:
    """Commit a group's offsets; None while its coordinator is not there yet, as on a broker that was just started."""
    (answer,) = admin.alter_consumer_group_offsets([asked]).values()
    errors = [place.error for place in answer.result().topic_partitions if place.error is not None]
    assert all(error.code() in _COORDINATOR_COMING for error in errors), errors
    return None if errors else True


@contextmanager
def standing_worker(kafka: TestBroker, topics: Topics, run: Recorded, folder: Path) -> Iterator[Processor]:
    """A streams worker with the options of the recorded one, for which it is still the moment of the recorded end."""
    processor = Processor(kafka, topics, folder)
    log_file = folder / "streams.log"
    with log_file.open("wb") as log:
        child = subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.support.worker_at", str(run.stopped_at_ms)),
                *("--bootstrap-servers", kafka.bootstrap_servers, "--web-port", "0", "--data-dir", str(folder)),
                *(
                    "--no-supervisor",
                    "--prefix",
                    topics.prefix,
                    "--app-id",
                    topics.app_id,
                    "--partitions",
                    str(run.partitions),
                ),
                *("--session-timeout-s", "6", *run.options),
            ],
            stdout=log,
            stderr=log,
            cwd=ROOT,
        )

    def address() -> str | None:
        assert child.poll() is None, log_file.read_text()
        ready = [line for line in log_file.read_text().splitlines() if line.startswith("ready ")]
        return "http://" + ready[0].split("http=")[1].split()[0] if ready else None

    try:
        processor.url = eventually(address, "the worker is ready")
        yield processor
    finally:
        child.terminate()
        child.wait(_WAIT_S)


def _by_partition(run: Recorded, name: str) -> dict[int, deque[Write]]:
    found: dict[int, list[Kept]] = {number: [] for number in run.ends(name)}
    for kept in run.topic(name):
        found[kept.partition].append(kept)
    return {number: _writes(kept, run.ends(name)[number]) for number, kept in found.items()}


def _writes(records: list[Kept], end: int) -> deque[Write]:
    """How to write one partition so that each record gets its offset.

    Between them lay the markers of transactions and what was aborted or written again. A marker takes one offset; a
    larger gap is filled with an aborted transaction.
    """
    writes: deque[Write] = deque()
    waiting: list[Kept] = []
    position = 0
    for offset, record in [*((each.offset, each) for each in records), (end, None)]:
        gap = offset - position
        if gap == 1 and waiting:
            writes.append((_COMMITTED, waiting))
            waiting = []
        elif gap:
            assert gap > 1, "a marker has a record before it"
            filler = Kept(partition=0, offset=0, timestamp_ms=0, key=b"aborted", value=b"")
            writes += [(_PLAIN, waiting), (_ABORTED, [filler] * (gap - 1))]
            waiting = []
        if record is not None:
            waiting.append(record)
            position = offset + 1
    writes.append((_PLAIN, waiting))
    return writes


def _write(bootstrap_servers: str, topics: dict[str, dict[int, deque[Write]]]) -> None:
    """Make all writes, each partition's in their order, with as few transactions as that allows."""
    common = {"bootstrap.servers": bootstrap_servers, "linger.ms": 0, "log_level": 0}
    plain: Any = Producer({**common, "enable.idempotence": True})
    transactions: Any = Producer(
        {**common, "transactional.id": f"restore-{min(topics)}", "retry.backoff.ms": 2, "retry.backoff.max.ms": 100}
    )
    transactions.init_transactions(_WAIT_S)
    places = [(topic, number, writes) for topic, found in topics.items() for number, writes in found.items()]
    while any(writes for _, _, writes in places):
        for kind in (_PLAIN, _COMMITTED, _ABORTED):
            due = [(topic, number, writes) for topic, number, writes in places if writes and writes[0][0] == kind]
            if not due:
                continue
            producer = plain if kind == _PLAIN else transactions
            if kind != _PLAIN:
                transactions.begin_transaction()
            for topic, number, writes in due:
                for kept in writes.popleft()[1]:
                    headers = list(kept.headers) or None
                    producer.produce(topic, kept.value, kept.key, number, timestamp=kept.timestamp_ms, headers=headers)
            if kind != _COMMITTED:  # a commit sends what waits, an abort would drop it
                assert producer.flush(_WAIT_S) == 0, "everything is in its place"
            if kind != _PLAIN:
                (transactions.commit_transaction if kind == _COMMITTED else transactions.abort_transaction)(_WAIT_S)
