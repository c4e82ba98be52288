"""Observes how offsets rise while a measured process works."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from bench.errors import MeasurementError
from bench.kafka import Offsets
from bench.measured import Measured

POLL_S = 0.02
STALLED_S = 60.0


@dataclass(frozen=True, slots=True)
class Observation:
    """Offsets first seen at `at_s` (monotonic); the process had used `cpu_s` of CPU by then, and so much memory."""

    at_s: float
    cpu_s: float
    resident_bytes: int
    offsets: Offsets


def follow(worker: Measured, offsets: Callable[[], Offsets], *, until: int, settle_s: float = 0.0) -> list[Observation]:
    """Observe each change of the summed offsets until they reach `until` and did not change for `settle_s`.

    Raises `MeasurementError` when the process ends, or when nothing changes for a minute.
    """
    seen: list[Observation] = []
    last_total, changed_s = 0, time.monotonic()
    while True:
        worker.check_running()
        found, now_s = offsets(), time.monotonic()
        total = sum(found.values())
        if total > last_total:
            seen.append(Observation(now_s, worker.cpu_s(), worker.resident_bytes(), found))
            last_total, changed_s = total, now_s
        if last_total >= until and now_s - changed_s >= settle_s:
            return seen
        if now_s - changed_s > STALLED_S:
            raise MeasurementError(
                f"{worker.log_file.stem} stands still at {last_total} of {until} records: {worker.last_words()}"
            )
        time.sleep(POLL_S)
