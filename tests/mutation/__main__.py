"""Take each guard out, one at a time, and see a test turn red.

`python -m tests.mutation [core|source|edges|calls|sinks|worker]` takes one part, or all of them.

Works on copies of the sources, and on a Kafka of its own for the tests that need one. Ends with 1 when a mutant survives.
"""

import sys

import click

from tests.mutation.calls import CALLS
from tests.mutation.core import GUARDS
from tests.mutation.edges import EDGES
from tests.mutation.mutant import Mutant
from tests.mutation.rows import ROW_MUTANTS, RowMutant
from tests.mutation.run import report, try_all
from tests.mutation.sinks import SINKS
from tests.mutation.source import FURTHER, ROWS
from tests.mutation.worker import WORKER

PARTS: dict[str, list[Mutant | RowMutant]] = {
    "core": [*GUARDS, *ROW_MUTANTS],
    "source": [*ROWS, *FURTHER],
    "edges": [*EDGES],
    "calls": [*CALLS],
    "sinks": [*SINKS],
    "worker": [*WORKER],
}


@click.command()
@click.argument("parts", nargs=-1, type=click.Choice(list(PARTS)))
@click.option("--only", default="", help="Mutants whose name contains this, such as `guard 3`, `row:` or `row 5:`.")
@click.option("--jobs", default=2, show_default=True, type=click.IntRange(1), help="How many are tried at a time.")
@click.option("--check", is_flag=True, help="Only see whether every mutant finds its code and its tests.")
def main(parts: tuple[str, ...], only: str, jobs: int, check: bool) -> None:
    """Print which mutants the tests kill; without PARTS, of all parts."""
    mutants = [each for part in parts or PARTS for each in PARTS[part] if only in each.name]
    if not mutants:
        raise click.ClickException(f"no mutant has {only!r} in its name")
    lost = [what for each in mutants if (what := each.check())]
    for what in lost:
        click.echo(what, err=True)
    if lost:
        raise click.ClickException(f"{len(lost)} of {len(mutants)} mutants have lost their place")
    if check:
        click.echo(f"mutants={len(mutants)} lost=0")
    elif not report(try_all(mutants, jobs)):
        sys.exit(1)


if __name__ == "__main__":
    main()
