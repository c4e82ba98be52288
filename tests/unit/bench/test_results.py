"""The file and the table of the benchmarks."""

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from bench.results import Result, save, show

RATE = Result(name="source.events_per_s", unit="events/s", runs=(40_000.0, 52_000.0, 50_000.0), notes="1 core")
DELAY = Result(name="e2e.p50_ms", unit="ms", runs=(21.0,))


def test_file_is_a_list_of_name_median_unit_and_runs(tmp_path: Path) -> None:
    file = tmp_path / "results" / "latest.json"
    save([RATE], file)
    assert json.loads(file.read_text()) == [
        {
            "name": "source.events_per_s",
            "value": 50_000.0,
            "unit": "events/s",
            "runs": [40_000.0, 52_000.0, 50_000.0],
        }
    ]


def test_measuring_one_thing_keeps_the_others_and_replaces_its_own_number(tmp_path: Path) -> None:
    file = tmp_path / "latest.json"
    save([RATE, DELAY], file)
    save([Result(name="e2e.p50_ms", unit="ms", runs=(30.0,))], file)
    assert {entry["name"]: entry["value"] for entry in json.loads(file.read_text())} == {
        "source.events_per_s": 50_000.0,
        "e2e.p50_ms": 30.0,
    }


@pytest.mark.parametrize("content", ["", "{", "{}", '[1, {"value": 2}]'], ids=["empty", "cut off", "object", "others"])
def test_a_file_that_holds_no_results_is_replaced(tmp_path: Path, content: str) -> None:
    file = tmp_path / "latest.json"
    file.write_text(content)
    save([DELAY], file)
    assert [entry["name"] for entry in json.loads(file.read_text())] == ["e2e.p50_ms"]


def test_table_shows_median_runs_and_notes() -> None:
    screen = io.StringIO()
    show([RATE, DELAY], Console(width=140, file=screen))
    text = screen.getvalue()
    assert "source.events_per_s" in text
    assert "50,000" in text
    assert "40,000 52,000 50,000" in text
    assert "1 core" in text
    assert "21.0" in text
