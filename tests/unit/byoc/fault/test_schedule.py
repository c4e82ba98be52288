"""Which faults a schedule has."""

from itertools import pairwise

import pytest

from byoc.fault.schedule import Fault, plan

WORKERS = ["streams-1", "streams-2"]


@pytest.mark.parametrize("seed", range(50))
@pytest.mark.parametrize("rounds", [1, 2, 5, 20, 100])
def test_every_schedule_kills_the_sinks_between_a_call_and_its_commit(seed: int, rounds: int) -> None:
    schedule = plan(seed, rounds, WORKERS, 6.0)
    assert len(schedule) == rounds
    at_answer = [number for number, each in enumerate(schedule) if each.fault is Fault.KILL_AT_ANSWER]
    assert at_answer
    assert all(schedule[number].part == "connect" for number in at_answer)
    assert all(later - earlier == 5 for earlier, later in pairwise(at_answer))


def test_no_rounds_are_no_faults() -> None:
    assert plan(1, 0, WORKERS, 6.0) == []


def test_a_schedule_is_a_function_of_its_seed() -> None:
    assert plan(3, 20, WORKERS, 6.0) == plan(3, 20, WORKERS, 6.0)
    assert plan(3, 20, WORKERS, 6.0) != plan(4, 20, WORKERS, 6.0)
