"""Every delay that settings and pauses can lead to, on both event loops.

Whatever `commit_linger_ms` and `max_open_ms` are, and however long the process stood still meanwhile, a partition asks
for its commit without an error, and commits once: what was put is visible, with the newest offset.
"""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import uvloop
from hypothesis import example, given, settings
from hypothesis import strategies as st

from streams.runtime.partition import CommitTimes, OwnedPartition
from streams.settings import LONGEST_OPEN_MS
from tests.support.memory_transactions import MemoryTransactions

LOOPS = [pytest.param(asyncio.new_event_loop, id="asyncio"), pytest.param(uvloop.new_event_loop, id="uvloop")]
PATIENCE_S = 10.0

# 0, what rounds to 0 ms, what rounds to 1 ms, what a laptop uses, and the largest that the settings allow
EDGES_MS = [0.0, 5e-324, 0.0004, 0.4, 0.5, 0.6, 1.0, 2.0, 500.0, LONGEST_OPEN_MS]
_linger_ms = st.sampled_from(EDGES_MS) | st.floats(0, LONGEST_OPEN_MS)
_max_open_ms = st.sampled_from(EDGES_MS[1:]) | st.floats(0, LONGEST_OPEN_MS, exclude_min=True)
_calls = st.lists(st.booleans(), min_size=1, max_size=6)


@pytest.mark.parametrize("new_loop", LOOPS)
@settings(max_examples=150)
@example(linger_ms=0.0, max_open_ms=500.0, asked=[True, True], paused_s=0.0)
@example(linger_ms=0.4, max_open_ms=500.0, asked=[True, False, True], paused_s=0.0)
@example(linger_ms=2.0, max_open_ms=5e-324, asked=[False, True], paused_s=0.0)
@example(linger_ms=2.0, max_open_ms=1.0, asked=[False, False, True], paused_s=0.002)
@given(linger_ms=_linger_ms, max_open_ms=_max_open_ms, asked=_calls, paused_s=st.sampled_from([0.0, 0.0, 0.002]))
def test_any_delay_leads_to_one_commit(
    new_loop: Callable[[], asyncio.AbstractEventLoop],
    linger_ms: float,
    max_open_ms: float,
    asked: list[bool],
    paused_s: float,
) -> None:
    times = CommitTimes(linger_s=linger_ms / 1000, max_open_s=max_open_ms / 1000, settle_timeout_s=30.0)
    due_ms = min(linger_ms if any(asked) else max_open_ms, max_open_ms)
    commits, lost = _commits(new_loop, times, asked, paused_s, waits_for_timer=due_ms < 50)
    assert (commits, lost) == (1, [])


def _commits(
    new_loop: Callable[[], asyncio.AbstractEventLoop],
    times: CommitTimes,
    asked: list[bool],
    paused_s: float,
    *,
    waits_for_timer: bool,
) -> tuple[int, list[object]]:
    """How many transactions a partition commits that is asked `asked`, without a turn of the loop in between."""
    producer = MemoryTransactions()
    lost: list[object] = []

    async def run(executor: ThreadPoolExecutor) -> None:
        partition = OwnedPartition(0, producer, executor, lost.append, lambda _: None, times)
        async with partition.batch() as open_producer:
            open_producer.produce("out", b"value")
            partition.advance("in", 1)
        for drained in asked:
            time.sleep(paused_s)  # noqa: ASYNC251  the whole process stands still
            partition.commit_soon(drained=drained)
        deadline = time.monotonic() + PATIENCE_S
        while waits_for_timer and not producer.cluster.commits:
            assert time.monotonic() < deadline, "the timer never came"
            await asyncio.sleep(0)
        await partition.commit()  # alone when the timer is far away, without effect when it has come

    with ThreadPoolExecutor(1) as executor, asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(run(executor))
    return producer.cluster.commits, lost
