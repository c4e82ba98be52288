"""Inputs that reach new lines, with atheris (`pip install -e ".[fuzz]"`): `python -m tests.fuzz.coverage codec`.

For a night with one target. It keeps its corpus, and ends at its first finding, which `python -m tests.fuzz --replay`
tries again.
"""

import logging
import sys
from pathlib import Path

import click

try:
    import atheris
except ImportError:
    raise SystemExit("atheris is missing: pip install -e '.[fuzz]'; `python -m tests.fuzz` needs nothing") from None

with atheris.instrument_imports(include=["connectors", "schemas", "streams"]):
    from tests.fuzz.table import TARGETS


@click.command()
@click.argument("name", type=click.Choice(list(TARGETS)))
@click.option("--minutes", default=30.0, show_default=True, type=click.FloatRange(min=0.0))
@click.option("--seed", default=1, show_default=True)
@click.option("--keep", "folder", default=Path(".byoc/fuzz"), show_default=True, type=click.Path(path_type=Path))
def main(name: str, minutes: float, seed: int, folder: Path) -> None:
    """Fuzz one target by coverage."""
    target, corpus = TARGETS[name], folder / f"{name}.corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(target.seeds()):
        (corpus / f"seed-{number}").write_bytes(data)
    logging.disable(logging.CRITICAL)
    limits = [f"-max_total_time={int(minutes * 60)}", f"-seed={seed}", "-timeout=20", "-rss_limit_mb=2048"]
    atheris.Setup([sys.argv[0], *limits, f"-artifact_prefix={folder}/{name}.", str(corpus)], target.one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
