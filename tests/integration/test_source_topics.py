"""Several topics in one connector: each its own position and owner, one token for all, whatever the number of tasks."""

import asyncio
import base64
import os
import signal

import pytest

from connectors.kafka.offsets import read_offsets
from connectors.runtime.worker import STOP_TIMEOUT_S, RunState, Worker
from schemas.topics import Topics
from simulator.faults.fault import RevokeTokens, Slow
from tests.support.kafka import TestBroker
from tests.support.simulator import RunningSimulator, message_payload, running_simulator
from tests.support.sinks import eventually
from tests.support.source import (
    NAME,
    connect_process,
    mirrored,
    mirrored_ids,
    source_config,
    source_worker,
    worker_properties,
)

pytestmark = pytest.mark.broker

TOPICS = tuple(f"/event/Byoc{name}__e" for name in ("One", "Two", "Three"))


@pytest.fixture
async def sim():
    async with running_simulator(keepalive_s=30, topics=TOPICS) as simulator:
        yield simulator


def publish(sim: RunningSimulator, count: int, topics: tuple[str, ...] = TOPICS) -> list[str]:
    """Publish messages round-robin over topics; return their event UUIDs in order of publishing."""
    return [
        sim.publish(message_payload("c1", sim.org.new_id(), "hello"), topic=topics[number % len(topics)]).event_uuid
        for number in range(count)
    ]


def connector(sim: RunningSimulator, topics: tuple[str, ...] = TOPICS, **keys: str) -> dict[str, str]:
    return source_config(sim, salesforce_topics=", ".join(topics), **keys)


async def has_mirrored(kafka: TestBroker, topics: Topics, count: int) -> None:
    await eventually(lambda: len(mirrored(kafka, topics)) >= count, f"{count} events")


def stored(kafka: TestBroker, topics: Topics) -> dict[str, bytes]:
    """Partition JSON -> replay id of every stored position."""
    offsets = read_offsets(
        bootstrap_servers=kafka.bootstrap_servers, topic=topics.connect_offsets, connector=NAME, timeout_s=30.0
    )
    return {partition: base64.b64decode(offset["replayId"]) for partition, offset in offsets.items()}


async def started(kafka: TestBroker, topics: Topics, config: dict[str, str]) -> Worker:
    """A worker whose tasks all serve."""
    worker = Worker(source_worker(kafka.bootstrap_servers, topics))
    worker.add(NAME, config)
    worker.start()
    await asyncio.wait_for(worker.settled(), 60)
    assert [task.state for task in worker.connectors[NAME].tasks if task.state is not RunState.RUNNING] == []
    return worker


@pytest.mark.parametrize("tasks", ["2", "9"])
async def test_each_topic_is_mirrored_once_and_has_its_position_whatever_the_number_of_tasks(
    kafka, catalogue, sim, tasks
):
    sent = publish(sim, 90)
    worker = await started(kafka, catalogue, connector(sim, tasks_max=tasks))
    assert len(worker.connectors[NAME].tasks) == min(int(tasks), 3)
    try:
        sent += publish(sim, 90)
        await has_mirrored(kafka, catalogue, 180)
    finally:
        await worker.stop()
    assert mirrored_ids(kafka, catalogue) == sent
    last = {event.topic: event.replay_id for event in mirrored(kafka, catalogue)}
    assert stored(kafka, catalogue) == {f'{{"topic":"{topic}"}}': last[topic] for topic in TOPICS}


async def test_tasks_can_be_made_more_or_fewer_between_two_runs(kafka, catalogue, sim):
    sent = []
    for tasks in ("3", "1", "2"):
        worker = await started(kafka, catalogue, connector(sim, tasks_max=tasks))
        sent += publish(sim, 60)
        await has_mirrored(kafka, catalogue, len(sent) - 30)  # stopped under way
        await worker.stop()
    worker = await started(kafka, catalogue, connector(sim, tuple(reversed(TOPICS)), tasks_max="3"))
    await has_mirrored(kafka, catalogue, len(sent))
    await worker.stop()
    assert mirrored_ids(kafka, catalogue) == sent


async def test_an_older_owner_of_a_topic_cannot_go_on_after_the_topic_has_moved_to_another_task(
    kafka, catalogue, sim, tmp_path
):
    """The number of its task was 1 and is now 0: what fences the older owner must not be that number."""
    worker = worker_properties(kafka.bootstrap_servers, catalogue)
    old = connector(sim, TOPICS[:2], tasks_max="2")
    sent = publish(sim, 20, TOPICS[1:2])
    async with connect_process(tmp_path, worker, old) as zombie:
        await has_mirrored(kafka, catalogue, 20)
        os.kill(zombie.process.pid, signal.SIGSTOP)
        new = await started(kafka, catalogue, connector(sim, TOPICS[1:2]))
        try:
            sent += publish(sim, 20, TOPICS[1:2])
            await has_mirrored(kafka, catalogue, 40)
            os.kill(zombie.process.pid, signal.SIGCONT)
            assert await asyncio.wait_for(zombie.process.wait(), 60) == 1  # fenced: --exit-on-failure
        finally:
            os.kill(zombie.process.pid, signal.SIGCONT) if zombie.process.returncode is None else None
            await new.stop()
    assert mirrored_ids(kafka, catalogue) == sent


async def test_a_revoked_token_is_replaced_once_for_all_tasks(kafka, catalogue, sim):
    worker = await started(kafka, catalogue, connector(sim, tasks_max="3"))
    try:
        assert sim.org.tokens.issued == 1
        sim.org.order(RevokeTokens(cut=True))
        sent = publish(sim, 30)
        await has_mirrored(kafka, catalogue, 30)
    finally:
        await worker.stop()
    assert mirrored_ids(kafka, catalogue) == sent
    assert sim.org.tokens.issued == 2


async def test_a_topic_that_cannot_go_on_ends_its_task_and_no_other(kafka, catalogue, sim):
    worker = Worker(source_worker(kafka.bootstrap_servers, catalogue))
    worker.add(NAME, connector(sim, (TOPICS[0], "/event/NoSuch__e", TOPICS[1], TOPICS[2]), tasks_max="2"))
    worker.start()
    try:
        await asyncio.wait_for(worker.settled(), 60)
        wrong, right = worker.connectors[NAME].tasks
        assert wrong.state is RunState.FAILED
        assert "/event/NoSuch__e" in (wrong.trace or "")
        assert right.state is RunState.RUNNING
    finally:
        await worker.stop()


async def test_several_busy_tasks_stop_well_within_the_time_and_go_on_exactly_there(kafka, catalogue, sim):
    sent = publish(sim, 6_000)
    sim.org.order(Slow(rpc="Subscribe", seconds=0.05, times=None))  # 100 events at a time: a second's work
    worker = await started(kafka, catalogue, connector(sim, tasks_max="3"))
    await eventually(lambda: sum(kafka.end_offsets(catalogue.events).values()) >= 500, "500 events")
    before_s = asyncio.get_running_loop().time()
    await worker.stop()
    assert asyncio.get_running_loop().time() - before_s < STOP_TIMEOUT_S / 2
    at_stop = mirrored(kafka, catalogue)
    assert 500 <= len(at_stop) < len(sent)
    newest = {topic: max(e.replay_id for e in at_stop if e.topic == topic) for topic in {e.topic for e in at_stop}}
    positions = stored(kafka, catalogue)
    assert {topic: positions[f'{{"topic":"{topic}"}}'] for topic in newest} == newest
    worker = await started(kafka, catalogue, connector(sim, tasks_max="3"))
    await has_mirrored(kafka, catalogue, len(sent))
    await worker.stop()
    assert mirrored_ids(kafka, catalogue) == sent


async def test_a_worker_with_several_topics_in_a_task_that_is_killed_mirrors_each_event_once(
    kafka, catalogue, sim, tmp_path
):
    worker = worker_properties(kafka.bootstrap_servers, catalogue)
    config = connector(sim, tasks_max="2")
    sent = publish(sim, 6_000)
    for life in range(2):
        async with connect_process(tmp_path, worker, config) as process:
            target = (life + 1) * 1_500
            await eventually(lambda target=target: sum(kafka.end_offsets(catalogue.events).values()) > target, "a kill")
            await process.kill()
    async with connect_process(tmp_path, worker, config) as process:
        await has_mirrored(kafka, catalogue, len(sent))
        assert await process.stop() == 0
    assert mirrored_ids(kafka, catalogue) == sent
