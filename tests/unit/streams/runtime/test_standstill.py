"""A worker that has work and does none of it ends; one that does some, however slowly, does not."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import pytest

from streams.runtime.errors import StoodStill, TransactionLost
from streams.runtime.partition import CommitTimes, OwnedPartition
from streams.runtime.partitions import Partitions
from streams.runtime.standstill import Standstill, Watch, Work
from tests.support.memory_transactions import MemoryCluster, MemoryTransactions

PATIENCE = 3


def work(step: int, place: str = "in-0") -> Work:
    return Work(place, (step,), "")


def standing(histories: Iterable[list[Work]]) -> list[int]:
    """The looks, counted from 0, at which something stood still."""
    standstill = Standstill(PATIENCE)
    return [number for number, found in enumerate(histories) if standstill.look(found)]


@pytest.mark.parametrize(
    ("steps", "stood"),
    [
        pytest.param([1, 1, 1, 1, 1], [3, 4], id="the same step at each look"),
        pytest.param([1, 1, 1, 2, 2, 2, 3], [], id="slowly"),
        pytest.param([1, 1, 1, None, 1, 1, 1], [], id="done, and new work at the same step"),
        pytest.param([None] * 9, [], id="nothing to do"),
    ],
)
def test_work_that_stays_at_its_step_stands_still(steps: list[int | None], stood: list[int]) -> None:
    assert standing([[] if step is None else [work(step)] for step in steps]) == stood


def test_one_place_that_moves_does_not_hide_another_that_stands() -> None:
    assert standing([[work(step), work(7, "in-1")] for step in range(5)]) == [3, 4]


@dataclass
class Inputs:
    """What waits in the inputs."""

    waiting: list[Work] = field(default_factory=list)

    def inputs_at_work(self) -> list[Work]:
        return self.waiting


class App:
    """A running app with one partition, and a watch that has `PATIENCE` seconds."""

    should_stop = rebalancing = in_recovery = False

    def __init__(self) -> None:
        self.lost: list[TransactionLost] = []
        self.stood: list[StoodStill] = []
        self.consumer = Inputs()
        times = CommitTimes(linger_s=3600, max_open_s=3600, settle_timeout_s=30)
        cluster = MemoryCluster()
        self.partitions = Partitions(
            lambda number: MemoryTransactions(number, cluster), self.lost.append, lambda _: None, times
        )
        self.watch = Watch(self, float(PATIENCE), self.stood.append)

    def look(self, times: int = PATIENCE) -> None:
        for _ in range(times):
            self.watch.look()


@pytest.fixture
async def app() -> App:
    app = App()
    await app.partitions.open({0})
    return app


def partition_of(app: App) -> OwnedPartition:
    found = app.partitions.get(0)
    assert found is not None
    return found


async def take(app: App, until: int) -> None:
    async with partition_of(app).batch():
        partition_of(app).advance("in", until)


async def test_an_input_that_is_not_taken_ends_the_worker_with_its_numbers(app: App) -> None:
    app.consumer.waiting = [Work("the input in-0", (5,), "waiting=2 ticketed=True")]
    app.look(PATIENCE + 1)
    assert str(app.stood[0]) == "standing still for 3 s: the input in-0 (waiting=2 ticketed=True)"


async def test_a_batch_that_is_not_committed_ends_the_worker(app: App) -> None:
    await take(app, 5)  # and nothing asks for the commit
    app.look(PATIENCE + 1)
    assert "the commit of partition 0 (uncommitted=in:5 is_whole=True is_locked=False" in str(app.stood[0])


async def test_a_batch_that_is_never_finished_ends_the_worker(app: App) -> None:
    async with partition_of(app).batch():
        app.look(PATIENCE + 1)
    assert "is_whole=False is_locked=True" in str(app.stood[0])


async def test_commits_are_progress_whatever_is_taken_in_between(app: App) -> None:
    for until in range(1, 9):
        await take(app, until)
        app.look(PATIENCE)
        await partition_of(app).commit()
    app.look(PATIENCE + 1)
    assert not app.stood


@pytest.mark.parametrize("moving", ["rebalancing", "in_recovery", "should_stop"])
async def test_while_partitions_move_nothing_stands_still_and_the_count_begins_anew(app: App, moving: str) -> None:
    app.consumer.waiting = [work(5)]
    app.look(PATIENCE)
    setattr(app, moving, True)
    app.look(PATIENCE * 2)
    setattr(app, moving, False)
    app.look(PATIENCE)
    assert not app.stood
    app.look(1)
    assert app.stood
