"""Which part is broken how, in which order: a function of the seed. Pure."""

import random
from dataclasses import dataclass
from enum import StrEnum


class Blow(StrEnum):
    """What happens to a part."""

    KILL = "kill"  # kill -9, then a new process
    RESTART = "restart"  # SIGTERM, then a new process
    FREEZE = "freeze"  # SIGSTOP for longer than the session timeout: others take over; then SIGCONT: a zombie
    REPLACE = "replace"  # SIGSTOP, a second process takes the part's place, then SIGCONT: a zombie


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One blow. `before_s` is how long the system runs undisturbed first, `frozen_s` how long a SIGSTOP lasts."""

    part: str
    blow: Blow
    before_s: float
    frozen_s: float


# The connect worker has no peers that could take over while it is frozen, so it is replaced instead.
_CONNECT_BLOWS = (Blow.KILL, Blow.RESTART, Blow.REPLACE)
_STREAMS_BLOWS = (Blow.KILL, Blow.RESTART, Blow.FREEZE)
_WEIGHTS = (5, 2, 2)


def plan(seed: int, rounds: int, streams_workers: list[str], session_timeout_s: float) -> list[Round]:
    """`rounds` blows, two thirds of them on streams workers."""
    chance = random.Random(seed)  # noqa: S311  repeatable on purpose
    found = []
    for _ in range(rounds):
        part = "connect" if chance.random() < 1 / 3 else chance.choice(streams_workers)
        blows = _CONNECT_BLOWS if part == "connect" else _STREAMS_BLOWS
        found.append(
            Round(
                part=part,
                blow=chance.choices(blows, _WEIGHTS)[0],
                before_s=chance.uniform(0.5, 3.0),
                frozen_s=session_timeout_s + chance.uniform(1.0, 3.0),
            )
        )
    return found
