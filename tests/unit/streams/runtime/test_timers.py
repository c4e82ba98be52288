"""Deadlines pass when the clock and all older input have passed them."""

from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from streams.runtime.errors import TransactionLost
from streams.runtime.partition import CommitTimes, OwnedPartition
from streams.runtime.partitions import Partitions
from streams.runtime.timers import EXPIRED_AT_ONCE, Timers
from tests.support.memory_transactions import MemoryCluster, MemoryTransactions


@dataclass
class Inputs:
    """How far the inputs were taken; None for to their end. `news_ms` is what a look at the broker adds to that."""

    taken_until_ms: int | None = None
    news_ms: int | None = None
    looks: int = 0

    async def look_again(self) -> None:
        self.looks += 1
        if self.news_ms is not None:
            self.taken_until_ms = self.news_ms

    def watermark_ms(self, partition: int, now_ms: int) -> int:
        return now_ms if self.taken_until_ms is None else self.taken_until_ms


class App:
    """A running app with two partitions."""

    should_stop = rebalancing = in_recovery = False

    def __init__(self) -> None:
        self.cluster = MemoryCluster()
        self.lost: list[TransactionLost] = []
        self.consumer = Inputs()
        times = CommitTimes(linger_s=3600, max_open_s=3600, settle_timeout_s=30)
        self.partitions = Partitions(
            lambda number: MemoryTransactions(number, self.cluster), self.lost.append, lambda _: None, times
        )
        self.now_ms = 100
        self.due: list[tuple[int, int, str, str]] = []
        self.expired: list[tuple[int, list[tuple[str, str]], int, int]] = []
        self.timers = Timers(self, lambda: self.due, self._expire, lambda: self.now_ms)

    def _expire(self, partition: OwnedPartition, due: Sequence[tuple[str, str]], until_ms: int, now_ms: int) -> None:
        self.expired.append((partition.number, list(due), until_ms, now_ms))

    def partition(self, number: int) -> OwnedPartition:
        found = self.partitions.get(number)
        assert found is not None
        return found


@pytest.fixture
async def app() -> App:
    app = App()
    await app.partitions.open({0, 1})
    return app


async def test_after_a_recovery_each_owned_value_has_its_timer_and_old_timers_are_gone(app: App) -> None:
    app.partition(0).timers.add(1, "t", "old")
    app.due = [(0, 50, "t", "a"), (1, 60, "t", "b"), (7, 10, "t", "another worker's")]
    app.timers.rebuild()
    await app.timers.look()
    assert app.expired == [(0, [("t", "a")], 100, 100), (1, [("t", "b")], 100, 100)]


@pytest.mark.parametrize(
    ("due_ms", "taken_until_ms", "expired"),
    [
        pytest.param(100, None, True, id="at its time"),
        pytest.param(101, None, False, id="before its time"),
        pytest.param(80, 79, False, id="older input waits"),
        pytest.param(80, 80, True, id="all older input was taken"),
    ],
)
async def test_a_deadline_passes_with_the_clock_and_behind_older_input(
    app: App, due_ms: int, taken_until_ms: int | None, expired: bool
) -> None:
    app.partition(0).timers.add(due_ms, "t", "a")
    app.consumer.taken_until_ms = taken_until_ms
    await app.timers.look()
    assert bool(app.expired) is expired
    assert len(app.partition(0).timers) == (0 if expired else 1)


async def test_what_was_written_just_before_a_deadline_is_looked_for_first(app: App) -> None:
    app.partition(0).timers.add(100, "t", "a")
    app.consumer.news_ms = 99  # a record that waits: no fetch had seen it
    await app.timers.look()
    assert (app.consumer.looks, app.expired) == (1, [])


async def test_nothing_is_asked_while_nothing_is_due(app: App) -> None:
    app.partition(0).timers.add(101, "t", "a")
    await app.timers.look()
    assert app.consumer.looks == 0


@pytest.mark.parametrize("state", ["rebalancing", "in_recovery"])
async def test_no_deadline_passes_while_partitions_move_or_recover(app: App, state: str) -> None:
    app.partition(0).timers.add(1, "t", "a")
    setattr(app, state, True)
    await app.timers.look()
    assert app.expired == []


async def test_a_partition_that_moves_away_while_its_lock_is_waited_for_expires_nothing(app: App) -> None:
    leaving = app.partition(0)
    leaving.timers.add(1, "t", "a")
    await app.partitions.release({0})
    await app.timers._fire(leaving)
    assert app.expired == []


async def test_many_deadlines_pass_in_several_batches(app: App) -> None:
    for number in range(EXPIRED_AT_ONCE + 1):
        app.partition(0).timers.add(1, "t", str(number))
    await app.timers.look()
    await app.timers.look()
    assert [len(due) for _, due, _, _ in app.expired] == [EXPIRED_AT_ONCE, 1]


async def test_what_expired_is_committed(app: App) -> None:
    app.partition(0).timers.add(1, "t", "a")
    await app.timers.look()
    await app.partition(0).commit()
    assert (app.cluster.commits, app.lost) == (1, [])
