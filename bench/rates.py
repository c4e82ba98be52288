"""Rates and percentiles from samples. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from bench.errors import MeasurementError


@dataclass(frozen=True, slots=True)
class Sample:
    """`count` was first seen at `at_s` (monotonic seconds), when the process had used `cpu_s` of CPU."""

    at_s: float
    cpu_s: float
    count: int


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast and how expensive: counts per second, CPU microseconds per count, cores in use.

    `cores` near 1 means that the process was the limit; far below it, something else was.
    """

    per_s: float
    cpu_us: float
    cores: float


def pace_of(samples: Sequence[Sample], *, skip_share: float) -> Pace:
    """The pace between the first sample behind `skip_share` of the work and the last one.

    Samples must be taken at the moments when the count changed, so that work that is committed in large steps is not
    credited with the time before a step. Raises `MeasurementError` when fewer than two such samples remain.
    """
    steady = [sample for sample in samples if sample.count >= samples[-1].count * skip_share]
    if len(steady) < 2:
        raise MeasurementError(f"all work came in {len(steady)} steps; measure with more --events")
    first, last = steady[0], steady[-1]
    seconds, count, cpu_s = last.at_s - first.at_s, last.count - first.count, last.cpu_s - first.cpu_s
    return Pace(count / seconds, cpu_s / count * 1e6, cpu_s / seconds)


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` (0 to 1) of the values do not exceed. Raises `ValueError` for none."""
    if not values:
        raise ValueError("taking a percentile of no values")
    ordered = sorted(values)
    rank = -(-len(ordered) * share // 1)  # rounded up: the nearest-rank definition
    return ordered[max(0, int(rank) - 1)]
