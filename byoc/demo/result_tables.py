"""The two tables at the end of the demo: every entry type, and the verdict."""

from rich.table import Table

from byoc.verification.entry_types import Fate, TypeCount
from byoc.verification.verdict import Verdict


def table_of_types(types: list[TypeCount]) -> Table:
    """Return a table with a row for each entry type: its class, how many were published, and where they ended."""
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
    """Return the table of the verdict: published, mirrored, delivered, routed, and what must be zero."""
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
