"""What Kafka does to a source: answers that get lost, restarts in mid-transaction, absence.

`python -m pytest tests/fault/test_source_and_kafka.py --broker-away-s 60` lets the broker stay away as long as it says.
"""

import asyncio
import signal
import time

import pytest

from tests.support.dying_source import dying_source
from tests.support.kafka import TestBroker
from tests.support.kafka_proxy import Api, kafka_proxy
from tests.support.mirror import Mirror
from tests.support.simulator import running_simulator
from tests.support.sinks import eventually

pytestmark = [pytest.mark.broker, pytest.mark.slow]


@pytest.fixture
async def mirror(own_kafka, unique):
    """An org and a Kafka of this test alone."""
    kafka = TestBroker(own_kafka.bootstrap_servers)
    async with running_simulator(keepalive_s=30) as sim:
        yield Mirror(kafka, kafka.create_catalogue(unique.topics), sim)


async def test_an_answer_of_kafka_that_gets_lost_leaves_each_event_once(mirror, own_kafka):
    """The broker has committed, written or taken note; the source is not told, and asks again."""
    async with kafka_proxy(own_kafka.port) as proxy:
        behind = Mirror(TestBroker(proxy.bootstrap_servers), mirror.topics, mirror.sim)
        async with behind.mirroring():
            mirror.publish(50)
            await mirror.caught_up()
            for api, times in ((Api.END_TXN, 1), (Api.END_TXN, 3), (Api.PRODUCE, 2), (Api.ADD_PARTITIONS_TO_TXN, 1)):
                lost = proxy.lost
                proxy.lose(api, times)
                mirror.publish(50)
                await mirror.caught_up()
                await eventually(lambda lost=lost, times=times: proxy.lost == lost + times, f"{api.name} lost")
                mirror.publish(10)
                await mirror.caught_up()
    mirror.verify()


async def test_a_broker_that_restarts_in_the_middle_of_a_transaction_costs_nothing(mirror, own_kafka):
    async with mirror.trickle(), dying_source(mirror, "before commit", 5, signal.SIGSTOP) as source:
        await eventually(lambda: source.is_stopped, "the source in its transaction")
        await asyncio.to_thread(own_kafka.kill)
        await asyncio.to_thread(own_kafka.start)
        source.send(signal.SIGCONT)
        await mirror.visible_events(len(mirror.published()))
        source.send(signal.SIGTERM)
        assert await source.ended() == (0, "ready")
    async with mirror.mirroring():
        await mirror.caught_up()
    mirror.verify()


async def test_memory_is_bounded_however_long_the_broker_is_away(mirror, own_kafka, pytestconfig):
    most = {"max_inflight_events": "300"}
    async with mirror.mirroring(**most) as task:
        mirror.publish(50)
        await mirror.caught_up()
        await asyncio.to_thread(own_kafka.kill)
        until_s = time.monotonic() + pytestconfig.getoption("--broker-away-s")
        inflight = 0
        while time.monotonic() < until_s:
            mirror.publish(20)
            await asyncio.sleep(0.05)
            inflight = max(inflight, task.subscription.position.inflight_events)
            assert task.subscription.position.inflight_events + task.subscription.credit.outstanding <= 300
        assert inflight == 300
        await asyncio.to_thread(own_kafka.start)
        await mirror.caught_up()
    mirror.verify()
