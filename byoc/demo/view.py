"""What a person sees while the demo plays: a live table on a terminal, plain lines elsewhere."""

import contextlib
from collections.abc import Iterator
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table

from byoc.errors import ByocError
from byoc.system.http import get_json
from byoc.system.system import System
from byoc.verification.entry_types import Fate, TypeCount
from byoc.verification.verdict import Verdict

PLAIN_EVERY = 5  # looks; a log file needs no line a second


class View:
    """Progress of a running system. Reads the parts' own statistics; counts nothing itself."""

    def __init__(self, console: Console, system: System) -> None:
        self._console = console
        self._system = system
        self._live: Live | None = None
        self._looks = 0

    @contextlib.contextmanager
    def showing(self) -> Iterator[None]:
        """Keep the live table on the screen; on anything but a terminal `look` prints lines."""
        if not self._console.is_terminal:
            yield
            return
        with Live(console=self._console, refresh_per_second=4) as self._live:
            yield
        self._live = None

    def look(self) -> None:
        """Show the state of now."""
        self._looks += 1
        try:
            facts = self._facts()
        except ByocError:  # a part is being restarted; the next look shows it
            return
        if self._live is not None:
            table = Table(title="byoc-streams", min_width=50)
            table.add_column("what")
            table.add_column("count", justify="right")
            for name, count in facts.items():
                table.add_row(name, str(count))
            self._live.update(table)
        elif self._looks % PLAIN_EVERY == 1:
            self._console.print("  ".join(f"{name} {count}" for name, count in facts.items()), highlight=False)

    def _facts(self) -> dict[str, Any]:
        stats = get_json(f"{self._system.simulator_url}/v1/stats")
        channel = get_json(f"{self._system.channel_url}/v1/stats")
        routing = stats["routing"]
        return {
            "published": stats["published"],
            "received by the partner": channel["distinct"],
            "routing open": routing["open"],
            "routed": routing["routed"],
            "refused": routing["refused"],
            "timed out": routing["timed_out"],
            "cancelled": routing["cancelled"],
        }


def table_of_types(types: list[TypeCount]) -> Table:
    """What became of each entry type: its class, how many were published, and where those ended."""
    table = Table(title="every entry type", padding=(0, 1, 0, 0))  # narrow enough for the 110 characters of a log
    table.add_column("entry type", no_wrap=True)
    table.add_column("class", no_wrap=True)
    for name in ("published", *Fate):
        table.add_column(str(name), justify="right", no_wrap=True)
    for row in types:
        fates = (str(row.fates[fate]) for fate in Fate)
        table.add_row(row.entry_type, row.expected, str(row.published), *fates)
    return table


def table_of(verdict: Verdict) -> Table:
    """The final table: what was published, mirrored, delivered, routed, timed out, and what must be zero."""
    table = Table(title="what became of it", min_width=50)
    table.add_column("what")
    table.add_column("count", justify="right")
    rows: list[tuple[str, int]] = [
        ("events published by Salesforce", verdict.published),
        ("  of these mirrored into Kafka", verdict.mirrored),
        *((f"  expected: {name}", count) for name, count in sorted(verdict.by_expectation.items())),
        ("messages received by the partner", verdict.delivered),
        ("typing and progress received", verdict.ephemeral),
        ("repeated posts that the partner dropped", verdict.repeats),
        ("entries withheld from the customer", verdict.withheld),
        *((f"routing: {name}", count) for name, count in sorted(verdict.outcomes.items())),
        *((f"call: {name}", count) for name, count in sorted(verdict.calls.items())),
        ("dead letters", verdict.dead_letters),
        ("lost", len(verdict.lost)),
        ("duplicated", len(verdict.duplicated)),
        ("reordered", len(verdict.reordered)),
        ("leaked", len(verdict.leaked)),
    ]
    for name, count in rows:
        table.add_row(name, str(count))
    return table
