"""The speed of this machine at this moment, so that results of different machines and hours can be compared."""

import os
import time

from bench.pinning import Cores

_ROUNDS = 3_000_000


def loop_ns(cores: Cores) -> float:
    """Nanoseconds per round of an empty Python loop on the measured core, which must be idle; elapsed time.

    15 ns on a core of its own at 2.8 GHz. A shared machine that is busy elsewhere shows two to four times that.
    """
    os.sched_setaffinity(0, {cores.measured})
    try:
        started_ns = time.perf_counter_ns()
        for _ in range(_ROUNDS):
            pass
        return (time.perf_counter_ns() - started_ns) / _ROUNDS
    finally:
        os.sched_setaffinity(0, {cores.rest})
