"""Observes how offsets rise while a measured process works."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from bench.errors import MeasurementError
from bench.kafka import Offsets
from bench.measured import Measured

POLL_S = 0.02
STALLED_S = 90.0  # a worker that stands still ends by itself after about 61 s, and says more than can be seen from here


@dataclass(frozen=True, slots=True)
class Observation:
    """Offsets first seen at `at_s` (monotonic); the process had used `cpu_s` of CPU by then, and so much memory."""

    at_s: float
    cpu_s: float
    resident_bytes: int
    offsets: Offsets


def follow(
    worker: Measured,
    offsets: Callable[[], Offsets],
    *,
    until: int,
    settle_s: float = 0.0,
    ends: Callable[[], Offsets] | None = None,
) -> list[Observation]:
    """Observe each change of the summed offsets until they reach `until` and did not change for `settle_s`.

    Raises `MeasurementError` when the process ends, or when nothing changes for `STALLED_S`. It says for each partition
    where the offsets stand, what `ends` says of the input, and how many records the process has counted: what was not
    written is missing at the end, what was not taken in the count, and what was not committed in the offsets only.
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
                f"{worker.log_file.stem} stands still at {last_total} of {until} records: {_shown(found)};"
                f" ends: {_shown(ends()) if ends else 'not asked'}; counted: {worker.counted()}; {worker.last_words()}"
            )
        time.sleep(POLL_S)


def _shown(offsets: Offsets) -> str:
    return " ".join(f"{partition}:{offset}" for partition, offset in sorted(offsets.items()))
