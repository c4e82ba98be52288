"""Which core runs the measured process, and which one everything else."""

import os
from dataclasses import dataclass

from bench.errors import MeasurementError


@dataclass(frozen=True, slots=True)
class Cores:
    """`measured` runs nothing but the measured process; `rest` runs broker, simulator, readers and the benchmark."""

    measured: int
    rest: int


def choose(usable: set[int]) -> Cores:
    """The first two of the usable cores. Raises `MeasurementError` when there is only one."""
    if len(usable) < 2:
        raise MeasurementError(
            f"choosing cores: {len(usable)} usable, a measurement needs two, one for the measured process and one for"
            " the broker; give the machine or container a second core"
        )
    rest, measured = sorted(usable)[:2]
    return Cores(measured=measured, rest=rest)


def claim() -> Cores:
    """Choose the cores and move this process to `rest`; its children follow, unless they are pinned elsewhere."""
    cores = choose(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores.rest})
    return cores
