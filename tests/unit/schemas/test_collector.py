"""The collector leaves what lives already alone, and looks less often than by default."""

import gc
from collections.abc import Iterator

import pytest

from schemas.collector import spare_collector


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    thresholds = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*thresholds)


def test_what_lives_is_frozen_and_young_objects_may_become_many() -> None:
    before = gc.get_threshold()
    spare_collector()
    assert gc.get_freeze_count() > 1_000
    assert gc.get_threshold()[0] > 10 * before[0]
    assert gc.isenabled()
