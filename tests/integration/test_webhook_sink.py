"""The webhook sink against real Kafka and a real HTTP receiver that misbehaves on purpose."""

import asyncio
import contextlib
import itertools
import signal
import sys
from collections import defaultdict
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from byoc.partner.received import Line
from connectors import clock
from connectors.errors import TaskFailed
from connectors.kafka.producer import TransactionalProducer
from schemas.codec import encode
from schemas.records import DeliveryKind, ReceiptStatus
from schemas.topics import Topics
from tests.support.channel import RunningChannel, running_channel
from tests.support.kafka import TestBroker, Unique
from tests.support.sinks import (
    delivery,
    eventually,
    produce_deliveries,
    receipts,
    running,
    webhook_task,
)

pytestmark = pytest.mark.broker

CONVERSATIONS = 20


@pytest.fixture
async def channel(tmp_path: Path) -> AsyncIterator[RunningChannel]:
    async with running_channel(tmp_path / "received.jsonl") as channel:
        yield channel


def per_conversation(lines: list[Line]) -> dict[str, list[str]]:
    """Accepted delivery ids by conversation, each at its first acceptance, in order."""
    ids: defaultdict[str, list[str]] = defaultdict(list)
    for line in lines:
        if not line.repeat:
            ids[line.conversation_id].append(line.delivery_id)
    return dict(ids)


def everything(count: int, conversations: int = CONVERSATIONS) -> dict[str, list[str]]:
    """What `count` deliveries spread over the conversations should look like at the receiver."""
    ids: defaultdict[str, list[str]] = defaultdict(list)
    for number in range(count):
        ids[f"c{number % conversations}"].append(f"c{number % conversations}-{number // conversations}")
    return dict(ids)


def spread(count: int, conversations: int = CONVERSATIONS) -> list[tuple[str, int]]:
    return [(f"c{number % conversations}", number // conversations) for number in range(count)]


def group_of(topics: Topics) -> str:
    return f"connect-{topics.prefix}-webhook"


def fully_committed(kafka: TestBroker, topics: Topics) -> bool:
    return not behind(kafka, topics)


async def test_each_conversation_arrives_in_order_though_a_third_of_the_requests_fail(
    kafka: TestBroker, catalogue: Topics, channel: RunningChannel
) -> None:
    await channel.faults(share=0.33, seed=7)
    produce_deliveries(kafka, catalogue, [delivery(*each) for each in spread(600)])
    async with running(webhook_task(kafka.bootstrap_servers, catalogue, channel.url)):
        await eventually(lambda: len(channel.lines()) >= 600, "all deliveries are received")
    assert per_conversation(channel.lines()) == everything(600)
    stats = await channel.stats()
    assert stats["repeats"] == 0
    assert stats["faults"] > 100
    found = receipts(kafka, catalogue)
    assert sorted(receipt.delivery_id for receipt in found) == sorted(line.delivery_id for line in channel.lines())
    assert {receipt.status for receipt in found} == {ReceiptStatus.DELIVERED}
    assert fully_committed(kafka, catalogue)


async def test_receipts_lie_where_a_java_client_would_put_them(
    kafka: TestBroker, catalogue: Topics, channel: RunningChannel
) -> None:
    produce_deliveries(kafka, catalogue, [delivery(*each) for each in spread(CONVERSATIONS)])
    async with running(webhook_task(kafka.bootstrap_servers, catalogue, channel.url)):
        await eventually(lambda: len(channel.lines()) == CONVERSATIONS, "all deliveries are received")
    placed = {message.key: message.partition for message in kafka.read_committed(catalogue.deliveries)}
    assert {message.key: message.partition for message in kafka.read_committed(catalogue.receipts)} == placed
    assert len(set(placed.values())) > 1


async def test_a_delivery_of_an_aborted_transaction_never_leaves(
    kafka: TestBroker, catalogue: Topics, unique: Unique, channel: RunningChannel
) -> None:
    names = {"bootstrap_servers": kafka.bootstrap_servers, "transactional_id": unique.transactional_id}
    producer = TransactionalProducer(**names)
    producer.init(30)
    for number, end in enumerate((producer.abort, producer.commit)):
        producer.begin()
        producer.produce([(catalogue.deliveries, encode(delivery("c", number)), b"c", None)])
        assert producer.flush(30), "it has reached the broker, so that a reader could see it"
        end()
    async with running(webhook_task(kafka.bootstrap_servers, catalogue, channel.url)):
        await eventually(lambda: "c-1" in {line.delivery_id for line in channel.lines()}, "the committed one leaves")
    assert [line.delivery_id for line in channel.lines()] == ["c-1"]


async def test_retry_after_is_waited_for(kafka: TestBroker, catalogue: Topics, channel: RunningChannel) -> None:
    await channel.faults(share=1.0, status=429, retry_after_s=1)
    produce_deliveries(kafka, catalogue, [delivery("c", 0)])
    async with running(webhook_task(kafka.bootstrap_servers, catalogue, channel.url)):
        for refused in itertools.count(1):
            if (await channel.stats())["faults"]:
                break
            assert refused < 1000
            await asyncio.sleep(0.02)
        refused_at_s = clock.monotonic_s()
        await channel.faults()
        await eventually(lambda: len(channel.lines()) == 1, "the delivery is received")
        # without the header the next attempt comes within 0.02 s
        assert clock.monotonic_s() - refused_at_s > 0.7
    assert (await channel.stats())["faults"] == 1


async def test_a_refused_delivery_is_a_dead_letter_and_a_failed_receipt_and_the_next_one_arrives(
    kafka: TestBroker, catalogue: Topics, channel: RunningChannel
) -> None:
    await channel.faults(share=1.0, status=410)
    produce_deliveries(kafka, catalogue, [delivery("c", 0)])
    async with running(webhook_task(kafka.bootstrap_servers, catalogue, channel.url)):
        await eventually(lambda: bool(kafka.read_committed(catalogue.dead_letters)), "a dead letter")
        await channel.faults()
        produce_deliveries(kafka, catalogue, [delivery("c", 1)])
        await eventually(lambda: len(channel.lines()) == 1, "the second delivery is received")
    [letter] = kafka.read_committed(catalogue.dead_letters)
    [original, _] = kafka.read_committed(catalogue.deliveries)
    assert (letter.key, letter.value, letter.timestamp_ms) == (original.key, original.value, original.timestamp_ms)
    headers = dict(letter.headers)
    assert headers["__connect.errors.topic"] == catalogue.deliveries.encode()
    assert headers["__connect.errors.stage"] == b"TASK_PUT"
    assert headers["__connect.errors.exception.message"] == b"posting delivery c-0: the receiver answered 410"
    assert [(r.delivery_id, r.status, r.reason) for r in receipts(kafka, catalogue)] == [
        ("c-0", ReceiptStatus.FAILED, "answered 410"),
        ("c-1", ReceiptStatus.DELIVERED, None),
    ]
    assert [line.delivery_id for line in channel.lines()] == ["c-1"]


async def test_bytes_that_are_no_delivery_are_a_dead_letter(
    kafka: TestBroker, catalogue: Topics, channel: RunningChannel
) -> None:
    kafka.produce(catalogue.deliveries, [(b"c", b"\xc3\x01 not a record"), (b"c", None)])
    produce_deliveries(kafka, catalogue, [delivery("c", 1)])
    async with running(webhook_task(kafka.bootstrap_servers, catalogue, channel.url)):
        await eventually(lambda: len(channel.lines()) == 1, "the good delivery is received")
    letters = kafka.read_committed(catalogue.dead_letters)
    assert [letter.value for letter in letters] == [b"\xc3\x01 not a record", None]
    assert {dict(letter.headers)["__connect.errors.stage"] for letter in letters} == {b"VALUE_CONVERTER"}


async def test_without_tolerance_the_task_fails_and_the_record_stays_first(
    kafka: TestBroker, catalogue: Topics, channel: RunningChannel
) -> None:
    await channel.faults(share=1.0, status=400)
    produce_deliveries(kafka, catalogue, [delivery("c", 0), delivery("c", 1)])
    async with running(webhook_task(kafka.bootstrap_servers, catalogue, channel.url, errors_tolerance="none")) as run:
        with pytest.raises(TaskFailed, match="the receiver answered 400"):
            await asyncio.wait_for(run, 30)
    assert kafka.read_committed(catalogue.dead_letters) == []
    await channel.faults()
    async with running(webhook_task(kafka.bootstrap_servers, catalogue, channel.url)):
        await eventually(lambda: len(channel.lines()) == 2, "both deliveries are received after a restart")
    assert [line.delivery_id for line in channel.lines()] == ["c-0", "c-1"]


async def test_a_stuck_conversation_blocks_nobody_and_is_given_up_after_its_time(
    kafka: TestBroker, catalogue: Topics, channel: RunningChannel
) -> None:
    await channel.faults(share=1.0, conversation_id="c0")
    produce_deliveries(kafka, catalogue, [delivery(*each) for each in spread(400)])
    expected = everything(400)
    stuck = expected.pop("c0")
    task = webhook_task(kafka.bootstrap_servers, catalogue, channel.url, hold_max_s="8", retry_max="1000")
    async with running(task):
        await eventually(lambda: len(channel.lines()) >= 380, "all other conversations are received", patience_s=7)
        assert per_conversation(channel.lines()) == expected
        first = next(m for m in kafka.read_committed(catalogue.deliveries) if m.key == b"c0")
        waiting = {first.partition: first.offset}
        await eventually(lambda: behind(kafka, catalogue) == waiting, "only its partition waits, at the stuck record")
        await eventually(lambda: bool(kafka.read_committed(catalogue.dead_letters)), "the first one is given up")
        await channel.faults()
        await eventually(lambda: len(channel.lines()) == 399, "the conversation goes on")
    letter = kafka.read_committed(catalogue.dead_letters)[0]
    assert b"held for 8 s (answered 503)" in (dict(letter.headers)["__connect.errors.exception.message"] or b"")
    assert per_conversation(channel.lines())["c0"] == stuck[1:]


def behind(kafka: TestBroker, topics: Topics) -> dict[int, int]:
    """Committed offsets of the partitions that are not read to their end."""
    committed = kafka.committed_offsets(group_of(topics), topics.deliveries)
    ends = kafka.end_offsets(topics.deliveries)
    return {
        partition: committed.get(partition) or 0
        for partition in ends
        if (committed.get(partition) or 0) < ends[partition]
    }


async def test_no_more_is_held_than_allowed_though_the_receiver_is_slow(
    kafka: TestBroker, catalogue: Topics, channel: RunningChannel
) -> None:
    await channel.faults(delay_ms=30)
    produce_deliveries(kafka, catalogue, [delivery(*each) for each in spread(400)])
    task = webhook_task(kafka.bootstrap_servers, catalogue, channel.url, max_buffered="16", max_inflight="8")
    held: list[float] = []
    paused = 0
    async with running(task):
        while distinct(channel) < 400:
            held.append(gauge("kafka_connect_sink_task_sink_record_active_count", catalogue))
            paused += gauge("byoc_sink_paused", catalogue) == 1
            assert len(held) < 2000
            await asyncio.sleep(0.02)
    assert 0 < max(held) <= 16
    assert paused, "it was seen waiting"
    assert per_conversation(channel.lines()) == everything(400)
    assert fully_committed(kafka, catalogue)


def gauge(name: str, topics: Topics) -> float:
    labels = {"connector": f"{topics.prefix}-webhook", "task": "0"}
    return REGISTRY.get_sample_value(name, labels) or 0.0


async def test_an_expired_typing_indicator_is_dropped_and_the_message_behind_it_arrives(
    kafka: TestBroker, catalogue: Topics, channel: RunningChannel
) -> None:
    now_ms = clock.now_ms()
    typing = DeliveryKind.TYPING_STARTED
    produce_deliveries(
        kafka,
        catalogue,
        [
            delivery("c", 0, kind=typing, expires_at_ms=now_ms - 1),
            delivery("c", 1, kind=typing, expires_at_ms=now_ms + 60_000),
            delivery("c", 2),
        ],
    )
    async with running(webhook_task(kafka.bootstrap_servers, catalogue, channel.url)):
        await eventually(lambda: len(channel.lines()) == 2, "the two that are worth something are received")
    assert [line.delivery_id for line in channel.lines()] == ["c-1", "c-2"]
    assert (await channel.stats())["requests"] == 2
    assert [receipt.delivery_id for receipt in receipts(kafka, catalogue)] == ["c-1", "c-2"]
    assert kafka.read_committed(catalogue.dead_letters) == []
    assert fully_committed(kafka, catalogue)


async def test_a_typing_indicator_is_tried_until_it_expires_and_no_longer(
    kafka: TestBroker, catalogue: Topics, channel: RunningChannel
) -> None:
    await channel.faults(share=1.0)
    typing = delivery("c", 0, kind=DeliveryKind.TYPING_STARTED, expires_at_ms=clock.now_ms() + 4_000)
    produce_deliveries(kafka, catalogue, [typing])
    task = webhook_task(kafka.bootstrap_servers, catalogue, channel.url, retry_max="1000")
    async with running(task):
        await eventually(lambda: fully_committed(kafka, catalogue), "it is dropped", patience_s=10)
        refused = (await channel.stats())["faults"]
        await channel.faults()
    assert refused > 1
    assert channel.lines() == []
    assert receipts(kafka, catalogue) == []
    assert kafka.read_committed(catalogue.dead_letters) == []


@pytest.mark.slow
async def test_kill_9_loses_nothing_and_repeats_carry_the_same_webhook_id(
    kafka: TestBroker, catalogue: Topics, channel: RunningChannel
) -> None:
    total = 3000
    produce_deliveries(kafka, catalogue, [delivery(*each) for each in spread(total)])
    await channel.faults(share=0.1, seed=3, delay_ms=2)
    for kill_at in (total // 6, total // 2, total):
        async with killed_worker(kafka, catalogue, channel) as worker:
            await eventually(lambda at=kill_at: distinct(channel) >= at, f"{kill_at} received", patience_s=60)
            assert worker.returncode is None
    lines = channel.lines()
    assert per_conversation(lines) == everything(total)
    assert {receipt.delivery_id for receipt in receipts(kafka, catalogue)} <= {line.delivery_id for line in lines}
    async with running(webhook_task(kafka.bootstrap_servers, catalogue, channel.url)):
        await eventually(lambda: fully_committed(kafka, catalogue), "the last owner commits the rest")
    ids = {line.delivery_id for line in channel.lines()}
    assert {receipt.delivery_id for receipt in receipts(kafka, catalogue)} == ids
    assert len(ids) == total


def distinct(channel: RunningChannel) -> int:
    return len({line.delivery_id for line in channel.lines()})


@contextlib.asynccontextmanager
async def killed_worker(
    kafka: TestBroker, topics: Topics, channel: RunningChannel
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A sink in a process of its own that is killed with signal 9 at the end of the block."""
    worker = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.support.sink_worker",
        kafka.bootstrap_servers,
        topics.prefix,
        channel.url,
        stdout=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    try:
        assert worker.stdout is not None
        assert await asyncio.wait_for(worker.stdout.readline(), 30) == b"ready\n"
        yield worker
    finally:
        with contextlib.suppress(ProcessLookupError):
            worker.send_signal(signal.SIGKILL)
        await worker.communicate()


@pytest.mark.slow
async def test_a_second_task_takes_its_share_while_requests_are_under_way(
    kafka: TestBroker, catalogue: Topics, channel: RunningChannel
) -> None:
    total = 2000
    await channel.faults(share=0.05, seed=5, delay_ms=3)
    produce_deliveries(kafka, catalogue, [delivery(*each) for each in spread(total)])
    address = kafka.bootstrap_servers
    async with running(webhook_task(address, catalogue, channel.url)):
        await eventually(lambda: distinct(channel) >= total // 5, "the first worker is busy")
        async with running(webhook_task(address, catalogue, channel.url, task_id=1)):
            await eventually(lambda: distinct(channel) >= total // 2, "both are busy")
        await eventually(lambda: distinct(channel) == total, "all is received")
        await eventually(lambda: fully_committed(kafka, catalogue), "all is committed")
    assert per_conversation(channel.lines()) == everything(total)
    assert {receipt.delivery_id for receipt in receipts(kafka, catalogue)} == {
        line.delivery_id for line in channel.lines()
    }


async def test_the_receiver_away_for_a_while_only_delays(kafka: TestBroker, catalogue: Topics, tmp_path: Path) -> None:
    produce_deliveries(kafka, catalogue, [delivery(*each) for each in spread(40)])
    log_file = tmp_path / "received.jsonl"
    async with running_channel(log_file) as channel:
        port = int(channel.base_url.rsplit(":", 1)[1])
        url = channel.url
    async with running(webhook_task(kafka.bootstrap_servers, catalogue, url, retry_max="1000")) as run:
        await asyncio.wait({run}, timeout=1.5)
        async with running_channel(log_file, port=port) as channel:
            await eventually(lambda: len(channel.lines()) == 40, "all is received once it is back")
    assert per_conversation(channel.lines()) == everything(40)
    assert kafka.read_committed(catalogue.dead_letters) == []


async def test_a_wrong_secret_is_refused_and_nothing_is_received(
    kafka: TestBroker, catalogue: Topics, channel: RunningChannel
) -> None:
    produce_deliveries(kafka, catalogue, [delivery("c", 0)])
    task = webhook_task(
        kafka.bootstrap_servers,
        catalogue,
        channel.url,
        webhook_secret="whsec_d3JvbmctYnV0LWxvbmctZW5vdWdoLWZvci1hLXNlY3JldA==",
        retry_max="2",  # 401 can be true of a moment only, so it is tried again
    )
    async with running(task):
        await eventually(lambda: bool(kafka.read_committed(catalogue.dead_letters)), "a dead letter")
    assert channel.lines() == []
    assert (await channel.stats())["unverified"] == 3


@pytest.mark.parametrize(
    ("address", "message"),
    [
        pytest.param("127.0.0.1:1", "connecting to Kafka at 127.0.0.1:1", id="nobody listens"),
        pytest.param(None, "byoc topics create", id="topics are missing"),
    ],
)
async def test_what_is_missing_is_named(kafka: TestBroker, address: str | None, message: str) -> None:
    task = webhook_task(address or kafka.bootstrap_servers, Topics(prefix="nothing-here"), "http://127.0.0.1:1/")
    async with running(task) as run:
        with pytest.raises(TaskFailed, match=message):
            await asyncio.wait_for(run, 30)
