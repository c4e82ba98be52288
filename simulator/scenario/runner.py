"""Starts scenarios, one at a time, in the background of the servers."""

import asyncio
import logging

import msgspec

from simulator.org.org import Org
from simulator.scenario.options import ScenarioOptions
from simulator.scenario.player import Player

log = logging.getLogger(__name__)


class ScenarioRunningError(RuntimeError):
    """A scenario is playing; there is one at a time."""


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far the newest play is; `published` counts its own events, without the results of routing."""

    running: bool
    published: int
    planned: int
    plays: int


class ScenarioRunner:
    """Runs one scenario at a time, and knows how far it is."""

    def __init__(self, org: Org) -> None:
        """Play nothing yet."""
        self._org = org
        self._player: Player | None = None
        self._task: asyncio.Task[None] | None = None
        self._plays = 0

    def start(self, options: ScenarioOptions) -> None:
        """Begin a play. Raises `ScenarioRunningError`, and `UnknownTopicError` for a topic that does not exist."""
        if self._running:
            raise ScenarioRunningError("a scenario is running; wait for its end (GET /v1/scenario)")
        player = Player(self._org, options, play_number=self._plays)
        self._plays += 1
        self._player = player
        self._task = asyncio.create_task(self._run(player))

    def progress(self) -> Progress:
        """Return how far the newest play is; all zero before the first one."""
        player = self._player
        return Progress(
            running=self._running,
            published=player.published if player is not None else 0,
            planned=player.planned if player is not None else 0,
            plays=self._plays,
        )

    @property
    def finished(self) -> bool:
        """Say whether the ledger is complete: nothing plays after at least one play, and no routing request is open."""
        return self._plays > 0 and not self._running and self._org.desk.open_count == 0

    async def close(self) -> None:
        """Break off a running play."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    @property
    def _running(self) -> bool:
        return self._task is not None and not self._task.done()

    async def _run(self, player: Player) -> None:
        log.info("scenario started", extra={"planned": player.planned})
        await player.run()
        log.info("scenario ended", extra={"published": player.published})
