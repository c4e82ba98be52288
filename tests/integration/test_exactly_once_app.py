"""The runtime inside one process, on a real Kafka: the order of its steps, seen from between them."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from faust.types.tuples import TP

from byoc.local_kafka.local import LocalKafka
from schemas.topics import TopicSpec
from streams.runtime.consumer import partition_of
from streams.runtime.errors import RecoveryStuck, TransactionLost
from streams.runtime.kafka_client import KafkaTransactions
from streams.runtime.partition import CommitTimes, OwnedPartition
from tests.support.counting_worker import PARTITIONS, CountingWorker
from tests.support.kafka import TestBroker, Unique

pytestmark = pytest.mark.broker

PATIENCE_S = 40.0


class Counting:
    """Names, topics and options of one counting application."""

    def __init__(self, kafka: TestBroker, unique: Unique, folder: Path) -> None:
        self.kafka = kafka
        self.app_id, self.topic = unique.app_id, unique.name("in")
        self.output, self.changelog = f"{self.topic}-out", f"{self.app_id}-counts-changelog"
        self._folder = folder
        names = (self.topic, self.output, self.changelog)
        kafka.create_topics([TopicSpec(name=name, partitions=PARTITIONS, config={}) for name in names])

    def worker(self, **options: str) -> CountingWorker:
        arguments = {"app": self.app_id, "topic": self.topic, "kafka": self.kafka.bootstrap_servers}
        return CountingWorker({**arguments, "datadir": str(self._folder), **options})

    def send(self, numbers: range) -> None:
        events = ((b"k%d" % (n % 8), msgspec.json.encode({"n": n})) for n in numbers)
        self.kafka.produce(self.topic, events)

    def outputs(self) -> list[dict[str, int]]:
        return [msgspec.json.decode(message.value or b"") for message in self.kafka.read_committed(self.output)]

    def transactions_of(self, partition: int) -> KafkaTransactions:
        """A producer with the transactional id of the partition: a previous owner."""
        return KafkaTransactions(
            bootstrap_servers=self.kafka.bootstrap_servers,
            transactional_id=f"{self.app_id}-{partition}",
            group_id=self.app_id,
            partition=partition,
        )


@pytest.fixture
def counting(kafka: TestBroker, unique: Unique, tmp_path: Path) -> Counting:
    return Counting(kafka, unique, tmp_path)


@asynccontextmanager
async def running(app: Any) -> AsyncIterator[Any]:
    """The app in this loop; it may still be recovering."""
    app.finalize()
    start = asyncio.create_task(app.start())  # ends with the first recovery
    try:
        yield app
        await start
    finally:
        await app.stop()


async def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        await asyncio.sleep(0.02)


async def recovered(app: Any) -> None:
    await until(app.tables.recovery.completed.is_set, "the recovery")


async def test_nothing_is_handed_out_before_the_inputs_start_and_nothing_is_lost_then(counting: Counting) -> None:
    """The first start has no committed offsets to seek back to: what was handed out too early would be lost."""
    counting.send(range(100))
    worker = counting.worker()
    worker.app.conf.stream_recovery_delay = 2.0
    async with running(worker.app) as app:
        await until(lambda: bool(app.assignor.assigned_actives()) and len(app.partitions) == PARTITIONS, "assignment")
        assert not app.tables.recovery.completed.is_set()
        early = await app.consumer._thread.getmany(None, timeout=1.0)
        assert early.records == {}
        await recovered(app)
        await until(lambda: counting.kafka.end_offsets(counting.topic) == committed(counting), "the commit")
    outputs = counting.outputs()
    assert sorted(output["n"] for output in outputs) == list(range(100))


def settle(producer: KafkaTransactions, offsets: dict[tuple[str, int], int]) -> None:
    """A whole commit, as an owner makes it."""
    producer.send_offsets(offsets)
    producer.commit()
    producer.begin()


def committed(counting: Counting) -> dict[int, int]:
    found = counting.kafka.committed_offsets(counting.app_id, counting.topic)
    return {partition: offset or 0 for partition, offset in found.items()}


async def test_a_previous_owner_is_fenced_before_the_recovery_reads_anything(counting: Counting) -> None:
    """Its last commit is either seen by the recovery or refused; here it comes while the recovery runs."""
    counting.send(range(8))
    zombie = counting.transactions_of(0)
    await asyncio.to_thread(zombie.initialise)
    zombie.produce(counting.output, msgspec.json.encode({"n": 0, "c": 1}), b"k0", 0)
    worker = counting.worker()
    new_producer = worker.app.partitions._new_producer

    def slowly(partition: int) -> Any:
        time.sleep(1.0)  # in an executor; a recovery that does not wait for it is over by then
        return new_producer(partition)

    worker.app.partitions._new_producer = slowly
    commits: list[object] = []

    def zombie_commits() -> None:
        try:
            settle(zombie, {(counting.topic, 0): 1})
        except TransactionLost as lost:
            commits.append(lost.fenced)
        else:
            commits.append("committed")

    worker.app.on_recovered = zombie_commits
    async with running(worker.app) as app:
        await recovered(app)
        await until(lambda: counting.kafka.end_offsets(counting.topic) == committed(counting), "the commit")
    assert commits == [True]
    assert sorted(output["n"] for output in counting.outputs()) == list(range(8))


def clock_ms() -> int:
    return int(time.monotonic() * 1000)


def marks_of(app: Any) -> list[int]:
    return [app.consumer.watermark_ms(number, clock_ms()) for number in range(PARTITIONS)]


async def test_an_input_that_ends_in_markers_is_drained_up_to_an_answer_of_the_broker(counting: Counting) -> None:
    upstream = counting.transactions_of(9)
    await asyncio.to_thread(upstream.initialise)
    for n in range(6):
        upstream.produce(counting.topic, msgspec.json.encode({"n": n}), b"k", n % 2)
        await asyncio.to_thread(settle, upstream, {})
    async with running(counting.worker().app) as app:
        await recovered(app)
        places = [TP(counting.topic, number) for number in range(PARTITIONS)]
        await until(lambda: all(app.consumer.is_drained(tp) for tp in places), "all inputs to be drained")
        moment_ms = clock_ms()
        marks = marks_of(app)
        assert max(marks) < moment_ms, "nothing is known yet of what is written at this moment"
        deadline = time.monotonic() + PATIENCE_S
        while min(marks) < moment_ms and time.monotonic() < deadline:
            await app.consumer.look_again()
            marks = marks_of(app)
            await asyncio.sleep(0.02)
        assert moment_ms <= min(marks) <= max(marks) <= clock_ms()
        assert len(app.handoff._inputs) == 2  # those with records


async def test_acks_of_tickets_leave_nothing_behind(counting: Counting) -> None:
    worker = counting.worker()
    worker.app.conf.broker_commit_interval = 0.1
    async with running(worker.app) as app:
        await recovered(app)
        for start in range(0, 60, 20):
            counting.send(range(start, start + 20))
            await until(lambda: counting.kafka.end_offsets(counting.topic) == committed(counting), "the commit")
        await until(lambda: not app.consumer._acked and not app.consumer._acked_index, "the books to be empty")


async def test_a_changelog_of_many_transactions_is_recovered_to_its_end(counting: Counting) -> None:
    """12,000 records, a marker after every 300, the last offset of each partition a marker."""
    await asyncio.to_thread(write_changelog, counting, 60)
    worker = counting.worker()
    async with running(worker.app) as app:
        await recovered(app)
        recovered_values = {key: (partition, value) for partition, key, value in worker.counts.items_by_partition()}
        assert recovered_values == {key: (partition_of(key, PARTITIONS), (60).to_bytes(8)) for key in KEYS}
        counting.kafka.produce(counting.topic, [(key, b'{"n": 1}') for key in KEYS])
        await until(lambda: counting.kafka.end_offsets(counting.topic) == committed(counting), "the commit")
    assert [output["c"] for output in counting.outputs()] == [61] * len(KEYS)


KEYS = [b"key-%d" % number for number in range(200)]


def write_changelog(counting: Counting, updates: int) -> None:
    """What earlier owners left: `updates` values of each key, counting up."""
    for number in range(PARTITIONS):
        producer = counting.transactions_of(number)
        producer.initialise()
        mine = [key for key in KEYS if partition_of(key, PARTITIONS) == number]
        written = 0
        for value in range(1, updates + 1):
            for key in mine:
                producer.produce(counting.changelog, value.to_bytes(8), key, number)
                written += 1
                if written % 300 == 0:
                    settle(producer, {})
        settle(producer, {})


async def test_a_second_recovery_does_not_end_by_the_signal_of_the_first(counting: Counting) -> None:
    """It would end before it read anything, and count on from an old state."""
    await asyncio.to_thread(write_changelog, counting, 2)
    async with running(counting.worker().app) as app:
        await recovered(app)
        recovery = app.tables.recovery
        assert recovery.signal_recovery_end.is_set()
        recovery._set_recovery_started()
        assert not recovery.signal_recovery_end.is_set()
        recovery._set_recovery_ended()


async def test_a_rebalance_that_begins_at_the_end_of_a_recovery_keeps_the_flow_stopped(
    counting: Counting, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    app = counting.worker().app
    app.finalize()
    seek = app.consumer.perform_seek

    async def seek_while_partitions_are_revoked() -> None:
        await seek()
        app.consumer._thread.assignment_epoch += 1

    app.consumer.perform_seek = seek_while_partitions_are_revoked
    start = asyncio.create_task(app.start())
    try:
        await until(lambda: "Another rebalance began at the end of recovery" in caplog.text, "the recovery to give way")
        assert not app.tables.recovery.completed.is_set()
    finally:
        await app.stop()
        await start


async def test_a_recovery_that_kafka_does_not_answer_is_an_error(counting: Counting) -> None:
    """Stock ends it in silence, and the worker idles for ever."""
    async with running(counting.worker().app) as app:
        await recovered(app)
        with pytest.raises(RecoveryStuck, match="did not answer within"):
            await app.tables.recovery._wait(asyncio.Event().wait(), timeout=0.05)


async def test_a_client_queue_that_is_smaller_than_a_batch_delays_records_and_loses_none(counting: Counting) -> None:
    counting.send(range(2_000))
    async with running(counting.worker(queue_size="50").app) as app:
        await recovered(app)
        await until(lambda: counting.kafka.end_offsets(counting.topic) == committed(counting), "the commit")
    assert sorted(output["n"] for output in counting.outputs()) == list(range(2_000))


async def test_a_queue_that_kafka_takes_nothing_from_loses_the_transaction_in_time(
    own_kafka: LocalKafka, unique: Unique
) -> None:
    """The event loop stands still meanwhile, so there must be an end to it."""
    TestBroker(own_kafka.bootstrap_servers).create_topic(unique.name("out"), partitions=1)
    producer = KafkaTransactions(
        bootstrap_servers=own_kafka.bootstrap_servers,
        transactional_id=unique.transactional_id,
        group_id=unique.group,
        partition=0,
        queue_size=100,
    )
    await asyncio.to_thread(producer.initialise)
    lost: list[TransactionLost] = []
    times = CommitTimes(linger_s=60, max_open_s=60, settle_timeout_s=1)
    with ThreadPoolExecutor(1) as executor:
        partition = OwnedPartition(0, producer, executor, lost.append, lambda _: None, times)
        own_kafka.kill()
        began = time.monotonic()
        with pytest.raises(TransactionLost, match="queue was full; it waited 1 s"):
            await fill(partition, unique.name("out"), 101)
    assert 1 <= time.monotonic() - began < 3
    assert producer.is_nearly_full()
    assert len(lost) == 1


async def fill(partition: OwnedPartition, topic: str, count: int) -> None:
    async with partition.batch():
        for _ in range(count):
            partition.produce_when_room(topic, b"v", b"k")
