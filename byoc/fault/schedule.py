"""Which worker gets which fault, in which order: a function of the seed."""

import random
from dataclasses import dataclass, replace
from enum import StrEnum


class Fault(StrEnum):
    """What is done to a worker."""

    KILL = "kill"  # kill -9, then a new process
    KILL_AT_ANSWER = "kill at an answer"  # kill -9 when Salesforce has just taken a routingResult: it is not committed
    RESTART = "restart"  # SIGTERM, then a new process
    FREEZE = "freeze"  # SIGSTOP for longer than the session timeout: others take over; then SIGCONT: a zombie
    REPLACE = "replace"  # SIGSTOP, a second process takes the part's place, then SIGCONT: a zombie


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One fault for the worker `part`: `before_s` of quiet come first, and a SIGSTOP lasts `frozen_s`."""

    part: str
    fault: Fault
    before_s: float
    frozen_s: float


# The connect worker has no peers that could take over while it is frozen, so it is replaced instead.
_CONNECT_FAULTS = (Fault.KILL, Fault.RESTART, Fault.REPLACE)
_STREAMS_FAULTS = (Fault.KILL, Fault.RESTART, Fault.FREEZE)
_WEIGHTS = (5, 2, 2)
_ANSWER_EVERY = 5  # rounds; the first is in the middle, when conversations with several requests are under way


def plan(seed: int, rounds: int, streams_workers: list[str], session_timeout_s: float) -> list[Round]:
    """Return `rounds` faults, two thirds of them for streams workers.

    `streams_workers` are their names. A freeze lasts longer than `session_timeout_s`, so that others take over. Every
    schedule with a round kills the connect worker between a call and the commit of its offset.
    """
    chance = random.Random(seed)  # noqa: S311  repeatable on purpose
    found = []
    for _ in range(rounds):
        part = "connect" if chance.random() < 1 / 3 else chance.choice(streams_workers)
        faults = _CONNECT_FAULTS if part == "connect" else _STREAMS_FAULTS
        found.append(
            Round(
                part=part,
                fault=chance.choices(faults, _WEIGHTS)[0],
                before_s=chance.uniform(0.5, 3.0),
                frozen_s=session_timeout_s + chance.uniform(1.0, 3.0),
            )
        )
    for number in range(rounds // 2, rounds, _ANSWER_EVERY):
        found[number] = replace(found[number], part="connect", fault=Fault.KILL_AT_ANSWER)
    return found
