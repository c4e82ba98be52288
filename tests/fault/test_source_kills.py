"""A source killed at each step of its loop and at random moments, and one that comes back from the dead.

`python -m pytest tests/fault/test_source_kills.py --kills 200` kills as often as it says.
"""

import asyncio
import random
import signal

import pytest

from tests.support.dying_source import EXIT_FAILED, STEPS, dying_source
from tests.support.mirror import Mirror
from tests.support.simulator import running_simulator
from tests.support.sinks import eventually

pytestmark = [pytest.mark.broker, pytest.mark.slow]

ONCE = {"fenced", "position read"}  # in the life of a process


@pytest.fixture
async def mirror(kafka, catalogue):
    async with running_simulator(keepalive_s=30) as sim:
        yield Mirror(kafka, catalogue, sim)


@pytest.mark.parametrize("step", STEPS)
async def test_a_source_that_is_killed_at_a_step_of_its_loop_mirrors_each_event_once(mirror, step):
    mirror.publish(150)
    async with mirror.trickle():
        for times in (1, 1 if step in ONCE else 11):
            async with dying_source(mirror, step, times) as source:
                assert (await source.ended())[0] == -signal.SIGKILL, f"{step} never came"
    async with mirror.mirroring():
        await mirror.caught_up()
    mirror.verify()


@pytest.mark.timeout(1800)
async def test_a_source_that_is_killed_at_random_moments_mirrors_each_event_once(mirror, pytestconfig):
    kills = pytestconfig.getoption("--kills")
    rng = random.Random(kills)
    async with mirror.trickle(per_s=400):
        for _ in range(kills):
            async with dying_source(mirror) as source:
                await source.ready()
                await asyncio.sleep(rng.uniform(0, 0.3))
                source.send(signal.SIGKILL)
                assert (await source.ended())[0] == -signal.SIGKILL
    async with mirror.mirroring():
        await mirror.caught_up()
    mirror.verify()


@pytest.mark.parametrize("step", STEPS)
async def test_a_source_that_stood_still_while_another_took_over_writes_nothing_any_more(mirror, step):
    async with mirror.trickle(), dying_source(mirror, step, 1 if step in ONCE else 5, signal.SIGSTOP) as zombie:
        await eventually(lambda: zombie.is_stopped, "the source standing still")
        async with mirror.mirroring():
            await mirror.visible_events(len(mirror.published()))
            zombie.send(signal.SIGCONT)
            code, last_words = await zombie.ended()
            await mirror.visible_events(len(mirror.published()))
    async with mirror.mirroring():
        await mirror.caught_up()
    mirror.verify()
    assert code == EXIT_FAILED, last_words
    assert "another worker has taken this task over" in last_words
