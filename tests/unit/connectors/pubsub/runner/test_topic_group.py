"""Several topics in one task: spread evenly, ready together, ended together."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.errors import TaskFailed
from connectors.pubsub.runner.topic_group import TopicGroup, grouped


class Topic:
    """Serves when it is told to, and works until it is stopped or told to fail."""

    def __init__(self):
        self.serve = asyncio.Event()
        self.end = asyncio.Event()
        self.error = None
        self.stopped = False

    async def run(self, ready):
        await self.serve.wait()
        ready()
        await self.end.wait()
        if self.error is not None:
            raise self.error

    async def stop(self):
        self.stopped = True
        self.serve.set()
        self.end.set()

    def fail(self, message):
        self.error = TaskFailed(message)
        self.serve.set()
        self.end.set()


@given(st.lists(st.integers(), min_size=1), st.integers(min_value=1, max_value=20))
def test_topics_are_spread_in_order_and_evenly(topics, most):
    groups = grouped(topics, most)
    assert [topic for group in groups for topic in group] == topics
    assert len(groups) == min(most, len(topics))
    assert max(map(len, groups)) - min(map(len, groups)) <= 1


async def test_the_task_is_ready_when_every_topic_serves():
    topics = [Topic(), Topic()]
    ready = asyncio.Event()
    group = TopicGroup(topics)
    run = asyncio.create_task(group.run(ready.set))
    topics[1].serve.set()
    await asyncio.sleep(0.01)
    assert not ready.is_set()
    topics[0].serve.set()
    await asyncio.wait_for(ready.wait(), 5)
    await group.stop()
    await asyncio.wait_for(run, 5)


async def test_a_topic_that_fails_stops_the_others_in_order_and_is_the_reason():
    topics = [Topic(), Topic(), Topic()]
    for topic in topics:
        topic.serve.set()
    run = asyncio.create_task(TopicGroup(topics).run(lambda: None))
    await asyncio.sleep(0)
    topics[1].fail("the reason")
    with pytest.raises(TaskFailed, match="the reason"):
        await asyncio.wait_for(run, 5)
    assert topics[0].stopped
    assert topics[2].stopped


async def test_a_task_that_is_cancelled_leaves_nothing_running():
    topics = [Topic(), Topic()]
    run = asyncio.create_task(TopicGroup(topics).run(lambda: None))
    await asyncio.sleep(0.01)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert len(asyncio.all_tasks()) == 1
