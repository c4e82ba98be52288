"""The progress of the demo: a live table on a terminal, plain lines elsewhere."""

import contextlib
from collections.abc import Iterator
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table

from byoc.errors import ByocError
from byoc.system.http import get_json
from byoc.system.system import System

PLAIN_EVERY = 5  # looks; a log file needs no line a second


class ProgressView:
    """The progress of a running system, as the parts themselves count it."""

    def __init__(self, console: Console, system: System) -> None:
        """On a terminal `console` shows a table that changes; elsewhere lines."""
        self._console = console
        self._system = system
        self._live: Live | None = None
        self._looks = 0

    @contextlib.contextmanager
    def showing(self) -> Iterator[None]:
        """Keep the table on the screen while the block runs; without a terminal `look` prints lines."""
        if not self._console.is_terminal:
            yield
            return
        with Live(console=self._console, refresh_per_second=4) as self._live:
            yield
        self._live = None

    def look(self) -> None:
        """Show the present counts."""
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
