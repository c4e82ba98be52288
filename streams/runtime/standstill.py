"""Ends a worker that has work and does none of it.

A process that lives, answers and stands still is worse than one that ends: nobody restarts it. Every failure that is
known here ends the worker. This is for those that are not.
"""

import asyncio
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from streams.runtime.errors import StoodStill
from streams.runtime.partition import OwnedPartition

LOOK_EVERY_S = 1.0


@dataclass(frozen=True, slots=True)
class Work:
    """Something that has to be done at a `place`. `step` changes whenever some of it is; `numbers` are for the log."""

    place: str
    step: tuple[int | None, ...]
    numbers: str


class Standstill:
    """Work that was seen again and again at the same step. Pure bookkeeping.

    It counts looks, not seconds: a process that was stopped for an hour, or could not look, has not stood still.
    """

    def __init__(self, patience: int) -> None:
        """Work stands still when its step was the same at `patience` looks after the first."""
        self._patience = patience
        self._seen: dict[str, tuple[tuple[int | None, ...], int]] = {}

    def look(self, found: Iterable[Work]) -> list[Work]:
        """The work of `found` that stands still. What is not found any more was done."""
        before, self._seen = self._seen, {}
        standing = []
        for work in found:
            step, looks = before.get(work.place, (None, 0))
            looks = looks + 1 if step == work.step else 0
            self._seen[work.place] = work.step, looks
            if looks >= self._patience:
                standing.append(work)
        return standing

    def forget(self) -> None:
        """Begin anew: partitions move."""
        self._seen = {}


class Inputs(Protocol):
    """What the watch asks the consumer."""

    def inputs_at_work(self) -> Iterable[Work]:
        """The inputs that have records waiting."""


class WatchedApp(Protocol):
    """What the watch asks the app."""

    @property
    def partitions(self) -> Iterable[OwnedPartition]:
        """The owned partitions."""

    @property
    def consumer(self) -> Inputs:
        """The consumer."""

    should_stop: bool
    rebalancing: bool
    in_recovery: bool


class Watch:
    """Looks at the work of all owned partitions, and ends the process when some of it stands still."""

    def __init__(self, app: WatchedApp, longest_s: float, on_standstill: Callable[[StoodStill], None]) -> None:
        """`longest_s` is what a step of the work may take; `on_standstill` must end the process."""
        self._app = app
        self._longest_s = longest_s
        self._on_standstill = on_standstill
        self._standstill = Standstill(math.ceil(longest_s / LOOK_EVERY_S))

    async def run(self) -> None:
        """Look once per `LOOK_EVERY_S` until the app stops."""
        while not self._app.should_stop:
            await asyncio.sleep(LOOK_EVERY_S)
            self.look()

    def look(self) -> None:
        """Look once. While partitions move or recover nothing is taken: they have their own time-outs."""
        if self._app.rebalancing or self._app.in_recovery or self._app.should_stop:
            self._standstill.forget()
            return
        standing = self._standstill.look([*self._app.consumer.inputs_at_work(), *self._uncommitted()])
        if standing:
            self._on_standstill(StoodStill(self._longest_s, [f"{work.place} ({work.numbers})" for work in standing]))

    def _uncommitted(self) -> Iterable[Work]:
        for partition in self._app.partitions:
            if partition.has_uncommitted_input():
                yield Work(f"the commit of partition {partition.number}", (partition.commits,), partition.numbers())
