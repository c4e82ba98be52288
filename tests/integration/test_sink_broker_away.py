"""Kafka goes away under a sink that delivers: it waits, holds a bounded amount, and goes on or stops in time."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from byoc.local_kafka.local import LocalKafka
from connectors import clock
from schemas.topics import Topics
from tests.support.channel import RunningChannel, running_channel
from tests.support.kafka import TestBroker
from tests.support.sinks import delivery, eventually, produce_deliveries, receipts, running, webhook_task

pytestmark = [pytest.mark.broker, pytest.mark.slow]

TOTAL = 400


@pytest.fixture
async def channel(tmp_path: Path) -> AsyncIterator[RunningChannel]:
    async with running_channel(tmp_path / "received.jsonl") as channel:
        yield channel


@pytest.fixture
def topics(own_kafka: LocalKafka) -> Topics:
    broker = TestBroker(own_kafka.bootstrap_servers)
    topics = broker.create_catalogue(Topics(prefix="away"))
    produce_deliveries(broker, topics, [delivery(f"c{number % 20}", number // 20) for number in range(TOTAL)])
    return topics


async def test_a_broker_that_is_killed_and_comes_back_only_delays(
    own_kafka: LocalKafka, topics: Topics, channel: RunningChannel
) -> None:
    await channel.faults(delay_ms=50)
    async with running(webhook_task(own_kafka.bootstrap_servers, topics, channel.url)) as run:
        await eventually(lambda: len(channel.lines()) > TOTAL // 4, "a quarter is received")
        await asyncio.to_thread(own_kafka.kill)
        await asyncio.wait({run}, timeout=2)
        await asyncio.to_thread(own_kafka.start)
        broker = TestBroker(own_kafka.bootstrap_servers)
        await eventually(lambda: len(receipts(broker, topics)) >= TOTAL, "every receipt is written", patience_s=60)
        ends = broker.end_offsets(topics.deliveries)
        group = "connect-away-webhook"
        await eventually(
            lambda: broker.committed_offsets(group, topics.deliveries) == ends, "every offset is committed"
        )
        assert not run.done()
    assert len({line.delivery_id for line in channel.lines()}) == TOTAL
    assert broker.read_committed(topics.dead_letters) == []


async def test_a_task_stops_in_time_though_the_broker_is_away(
    own_kafka: LocalKafka, topics: Topics, channel: RunningChannel
) -> None:
    async with running(webhook_task(own_kafka.bootstrap_servers, topics, channel.url)):
        await eventually(lambda: len(channel.lines()) > TOTAL // 4, "a quarter is received")
        await asyncio.to_thread(own_kafka.kill)
        began_s = clock.monotonic_s()
    assert clock.monotonic_s() - began_s < 25
