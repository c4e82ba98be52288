"""Rates and percentiles from samples. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sample:
    """`count` was first seen at `at_s` (monotonic seconds)."""

    at_s: float
    count: int


def steady_rate(samples: Sequence[Sample], *, skip_share: float = 0.1) -> float | None:
    """Counts per second between the first sample behind `skip_share` of the work and the last one.

    Samples must be taken at the moments when the count changed, so that work that is committed in large steps is not
    credited for the time before a step. None when there are fewer than two such samples.
    """
    if not samples:
        return None
    steady = [sample for sample in samples if sample.count >= samples[-1].count * skip_share]
    first, last = steady[0], steady[-1]
    if last.at_s <= first.at_s:
        return None
    return (last.count - first.count) / (last.at_s - first.at_s)


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` (0 to 1) of the values do not exceed. Raises `ValueError` for none."""
    if not values:
        raise ValueError("taking a percentile of no values")
    ordered = sorted(values)
    rank = -(-len(ordered) * share // 1)  # rounded up: nearest-rank definition
    return ordered[max(0, int(rank) - 1)]
