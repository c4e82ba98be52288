"""A measurement that stands still says what was written, taken and committed."""

from pathlib import Path

import pytest

from bench import following
from bench.errors import MeasurementError
from bench.measured import Measured


def test_a_standstill_names_each_partition_and_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "STALLED_S", 0.1)
    with (
        Measured("http.server", ["--bind", "127.0.0.1", "0"], tmp_path / "worker-0.log", core=0) as worker,
        pytest.raises(MeasurementError) as caught,
    ):
        following.follow(worker, lambda: {1: 2, 0: 3}, until=6, ends=lambda: {0: 3, 1: 3})
    told = str(caught.value)
    assert told.startswith(
        "worker-0 stands still at 5 of 6 records: 0:3 1:2; ends: 0:3 1:3; counted: no address to ask; "
    )
