"""What a source task reports on `/metrics` of a real worker, and that `docs/failures.md` names all of it."""

import asyncio
import json
import re

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from connectors.kafka.offsets import offset_key
from connectors.pubsub.runner.offset_value import offset_of, partition_of
from connectors.runtime.rest import RestServer
from connectors.runtime.worker import Worker
from simulator.faults import fault
from tests.support.mirror import Mirror
from tests.support.simulator import running_simulator
from tests.support.sinks import eventually
from tests.support.source import source_config, source_worker
from tests.support.sources import ROOT

pytestmark = pytest.mark.broker

LOST = b"\x7f\xff\xff\xff\xff\xff\xff\xff\x00\x00"
DAY_MS = 86_400_000


class Metrics:
    """The samples of one connector."""

    def __init__(self, text: str, connector: str) -> None:
        self._samples = {
            (sample.name, *(sample.labels[name] for name in ("reason", "le") if name in sample.labels)): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.labels.get("connector") == connector
        }

    def __call__(self, name: str, *labels: str) -> float:
        return self._samples[name, *labels]

    @property
    def names(self) -> set[str]:
        return {key[0] for key in self._samples}


@pytest.fixture
async def mirror(kafka, catalogue):
    async with running_simulator(keepalive_s=0.5) as sim:
        yield Mirror(kafka, catalogue, sim)


async def reported(mirror: Mirror, name: str, before_stop) -> list[Metrics]:
    """Run a worker with one source connector; what it reports when all is mirrored, and after `before_stop`."""
    worker = Worker(source_worker(mirror.kafka.bootstrap_servers, mirror.topics))
    worker.add(name, source_config(mirror.sim, name=name, replay_gap_policy="earliest"))
    server = RestServer(worker, host="127.0.0.1", port=0, kafka_cluster_id="x", has_started=lambda: True)
    host, port = await server.start()
    worker.start()
    found = []
    try:
        async with aiohttp.ClientSession(f"http://{host}:{port}") as http:

            async def look() -> Metrics:
                async with http.get("/metrics") as response:
                    metrics = Metrics(await response.text(), name)
                found.append(metrics)
                return metrics

            await asyncio.wait_for(worker.settled(), 60)
            await mirror.caught_up()
            await look()
            await before_stop(look)
    finally:
        await worker.stop()
        await server.stop()
    return found


def store_position(mirror: Mirror, name: str, replay_id: bytes, at_ms: int) -> None:
    key = offset_key(name, partition_of(mirror.sim.topic))
    value = json.dumps(offset_of(replay_id, at_ms, None)).encode()
    mirror.kafka.produce(mirror.topics.connect_offsets, [(key, value)])


async def test_everything_that_happens_to_a_task_can_be_read_from_its_metrics(mirror):
    name = mirror.topics.prefix  # metrics live as long as the process, also those of other tests
    mirror.publish(50)
    mirror.order(fault.Damage(how="noise"))
    mirror.publish(1)
    mirror.order(fault.End(rpc="Subscribe", after_events=30))
    mirror.order(fault.Fail(rpc="Subscribe", error_code="service.auth.error", after_events=10))
    store_position(mirror, name, LOST, 1)

    async def silent(look):
        mirror.order(fault.Silence(rpc="Subscribe", after_events=0))
        await asyncio.sleep(1.5)
        await look()

    mirrored, later = await reported(mirror, name, silent)
    assert mirrored("kafka_connect_source_task_source_record_poll_total") == 51
    assert mirrored("kafka_connect_source_task_source_record_write_total") == 50
    assert mirrored("kafka_connect_source_task_source_record_active_count") == 0
    assert mirrored("byoc_source_received_bytes_total") > 51 * 500
    assert 50 < mirrored("byoc_source_credit") <= 100
    assert mirrored("byoc_source_transactions_total") == mirrored("byoc_source_transaction_seconds_count") >= 2
    assert mirrored("byoc_source_transaction_seconds_sum") > 0
    assert mirrored("byoc_source_commit_delay_seconds_count") >= 2
    assert mirrored("byoc_source_dead_letters_total") == 1
    assert mirrored("byoc_source_token_refreshes_total") == 1
    assert mirrored("byoc_source_replay_gaps_total") == 1
    for reason in ("ended", "service.auth.error", "replay_lost"):
        assert mirrored("byoc_source_reconnects_total", reason) == 1
    assert 0 <= mirrored("byoc_source_lag_seconds") < 60
    assert 0 <= mirrored("byoc_source_seconds_since_response") < 5
    assert 0 <= mirrored("byoc_source_position_age_seconds") < 5
    assert 0 <= mirrored("byoc_source_position_retention_used_ratio") < 0.0001
    assert later("byoc_source_seconds_since_response") > 1.4, "silence grows although nothing happens"


async def test_the_age_of_a_position_is_known_before_anything_is_received(mirror):
    """Two days old when the task starts, and Salesforce does not answer: an alarm must see how much time is left."""
    name = mirror.topics.prefix
    now_ms = mirror.sim.org.clock.now_ms()
    replay_id = mirror.publish(1)[0].replay_id
    store_position(mirror, name, replay_id, now_ms - 2 * DAY_MS)
    mirror.order(fault.Silence(rpc="Subscribe"))
    worker = Worker(source_worker(mirror.kafka.bootstrap_servers, mirror.topics))
    worker.add(name, source_config(mirror.sim, name=name))
    server = RestServer(worker, host="127.0.0.1", port=0, kafka_cluster_id="x", has_started=lambda: True)
    host, port = await server.start()
    worker.start()
    try:
        await eventually(lambda: mirror.opened() == 1, "the stream that stays silent")
        async with aiohttp.ClientSession() as http, http.get(f"http://{host}:{port}/metrics") as response:
            metrics = Metrics(await response.text(), name)
    finally:
        await worker.stop()
        await server.stop()
    assert metrics("byoc_source_position_retention_used_ratio") == pytest.approx(2 / 3, abs=0.01)
    assert metrics("byoc_source_seconds_since_response") != metrics("byoc_source_seconds_since_response")  # NaN


async def test_the_document_names_every_metric_of_a_task_and_no_other(mirror):
    name = mirror.topics.prefix
    mirror.publish(1)

    async def nothing(_look):
        pass

    (metrics,) = await reported(mirror, name, nothing)
    text = (ROOT / "docs" / "failures.md").read_text()
    named = set(re.findall(r"`((?:byoc_source|kafka_connect_source_task)_\w+)`", text))
    plain = {re.sub(r"_(total|created|bucket|sum|count)$", "", each) for each in metrics.names}
    # streams that were opened again and producers that were replaced: none yet
    rare = {"byoc_source_reconnects", "byoc_source_producer_restarts"}
    shown = {re.sub(r"_(total|created|bucket|sum|count)$", "", each) for each in named}
    assert shown - rare == plain
