"""Which core a benchmark measures on."""

import pytest

from bench.errors import MeasurementError
from bench.pinning import Cores, choose


def test_broker_and_measured_process_get_different_cores() -> None:
    assert choose({5, 3, 9}) == Cores(measured=5, rest=3)


def test_one_core_is_too_few() -> None:
    with pytest.raises(MeasurementError, match="needs two"):
        choose({0})
