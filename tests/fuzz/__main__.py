"""Give foreign inputs to the code that reads them: `python -m tests.fuzz --minutes 30`.

An input comes from its seed and its number, so that a run can be had again. Ends with 1 when there are findings; each
is a file that `--replay` takes.
"""

import sys
from pathlib import Path

import click
import msgspec

from tests.fuzz import child
from tests.fuzz.run import keep, run_all
from tests.fuzz.table import TARGETS


@click.command()
@click.option("--minutes", default=1.0, show_default=True, type=click.FloatRange(min=0.0), help="For all targets.")
@click.option("--only", multiple=True, type=click.Choice(list(TARGETS)), help="A target; may be given several times.")
@click.option("--seed", default=1, show_default=True, help="Other seeds make other inputs.")
@click.option("--replay", type=click.Path(path_type=Path, exists=True), help="Try the input of one finding again.")
@click.option("--keep", "folder", default=Path(".byoc/fuzz"), show_default=True, type=click.Path(path_type=Path))
@click.option("--child", "child_of", hidden=True)
@click.option("--start", default=0, hidden=True)
@click.option("--seconds", default=1.0, hidden=True)
@click.option("--share", type=click.Path(path_type=Path), hidden=True)
def main(
    minutes: float,
    only: tuple[str, ...],
    seed: int,
    replay: Path | None,
    folder: Path,
    child_of: str | None,
    start: int,
    seconds: float,
    share: Path | None,
) -> None:
    """Print a line for each target, and the sums."""
    if child_of is not None and share is not None:
        child.prepare()
        report = child.run(child_of, seed=seed, start=start, seconds=seconds, shared=child.Shared(share))
        share.with_name("report").write_bytes(msgspec.msgpack.encode(report))
    elif replay is not None:
        _replay(replay, only)
    else:
        _run(only or tuple(TARGETS), seed, minutes * 60, folder)


def _run(names: tuple[str, ...], seed: int, seconds: float, folder: Path) -> None:
    inputs = findings = 0
    for result in run_all(names, seed=seed, seconds=seconds):
        click.echo(result.line())
        for found in result.found.values():
            click.echo(f"  {found.place}: {found.what.strip().splitlines()[-1][:200]} -> {keep(found, folder)}")
        inputs, findings = inputs + result.inputs, findings + len(result.found)
    click.echo(f"inputs={inputs} findings={findings}")
    sys.exit(1 if findings else 0)


def _replay(path: Path, only: tuple[str, ...]) -> None:
    name = only[0] if only else path.name.partition(".")[0]
    if name not in TARGETS:
        raise click.ClickException(f"{path.name} names no target; say which with --only")
    child.prepare()
    target = TARGETS[name]
    child.try_one(target, target.seeds()[0])
    found, took_s, grew_mb = child.try_one(target, path.read_bytes())
    if found is not None:
        click.echo(found.what.rstrip())
    click.echo(
        f"{name} inputs=1 findings={int(found is not None)} slowest_ms={took_s * 1000:.1f} peak_mb={grew_mb:.0f}"
    )
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
