"""The results: medians, the table on the screen, and `bench/results/latest.json`."""

import json
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.rates import Pace

RESULTS_FILE = Path(__file__).parent / "results" / "latest.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One number. `runs` are the single measurements; `notes` say what else was seen, for the table only."""

    name: str
    unit: str
    runs: tuple[float, ...]
    notes: str = ""

    @property
    def value(self) -> float:
        """The median of the runs."""
        return statistics.median(self.runs)

    def as_json(self) -> dict[str, object]:
        """The form in the file."""
        return {"name": self.name, "value": self.value, "unit": self.unit, "runs": list(self.runs)}


def rated(name: str, unit: str, paces: Sequence[Pace]) -> Result:
    """The result of runs that each had a rate."""
    cpu_us = " ".join(f"{pace.cpu_us:.0f}" for pace in paces)
    cores = " ".join(f"{pace.cores:.2f}" for pace in paces)
    return Result(
        name=name,
        unit=unit,
        runs=tuple(pace.per_s for pace in paces),
        notes=f"us CPU each {cpu_us}; cores used {cores}",
    )


def save(results: Sequence[Result], file: Path = RESULTS_FILE) -> None:
    """Write the results; those of other names that an earlier run left in the file stay.

    A file that is not a list of results is replaced.
    """
    measured = {result.name: result.as_json() for result in results}
    kept = [entry for entry in _saved(file) if entry["name"] not in measured]
    file.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(sorted([*kept, *measured.values()], key=lambda entry: str(entry["name"])), indent=2)
    file.write_text(text + "\n", encoding="utf-8")


def _saved(file: Path) -> list[dict[str, object]]:
    try:
        entries = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return []
    if not isinstance(entries, list):
        return []
    return [entry for entry in entries if isinstance(entry, dict) and "name" in entry]


def show(results: Iterable[Result], console: Console) -> None:
    """Print the table."""
    table = Table("name", "median", "unit", "runs", "notes")
    for result in results:
        runs = " ".join(_number(run) for run in result.runs)
        table.add_row(result.name, _number(result.value), result.unit, runs, result.notes)
    console.print(table)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"
