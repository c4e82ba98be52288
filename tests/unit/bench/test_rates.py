"""Rates and percentiles of the benchmarks."""

import pytest

from bench.errors import MeasurementError
from bench.rates import Sample, pace_of, percentile

# An idle start, then 1,000 a second at 0.5 of a core.
SAMPLES = [Sample(0.0, 5.0, 1), Sample(9.0, 5.1, 100), Sample(9.5, 5.35, 600), Sample(10.0, 5.6, 1100)]


def test_pace_leaves_out_what_comes_before_the_steady_part() -> None:
    pace = pace_of(SAMPLES, skip_share=0.05)
    assert pace.per_s == pytest.approx(1000)
    assert pace.cpu_us == pytest.approx(500)
    assert pace.cores == pytest.approx(0.5)


def test_pace_without_skipping_begins_at_the_first_sample() -> None:
    assert pace_of(SAMPLES, skip_share=0.0).per_s == pytest.approx(1099 / 10)


def test_work_that_came_in_one_step_has_no_pace() -> None:
    with pytest.raises(MeasurementError, match="--events"):
        pace_of([Sample(0.0, 0.0, 1), Sample(1.0, 1.0, 1000)], skip_share=0.1)


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [
        pytest.param([7], 0.5, 7, id="one value"),
        pytest.param([4, 1, 3, 2], 0.5, 2, id="even count: the lower middle"),
        pytest.param([3, 1, 2], 0.5, 2, id="odd count: the middle"),
        pytest.param(list(range(1, 101)), 0.99, 99, id="99 of 100"),
        pytest.param(list(range(1, 11)), 0.99, 10, id="99 of 10 is the largest"),
        pytest.param([5, 6], 0.0, 5, id="nothing: the smallest"),
    ],
)
def test_percentile_is_the_nearest_rank(values: list[float], share: float, expected: float) -> None:
    assert percentile(values, share) == expected


def test_percentile_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="no values"):
        percentile([], 0.5)
