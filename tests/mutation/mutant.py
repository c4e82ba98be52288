"""Guards taken out one at a time, in a copy of the sources, and the tests that must turn red."""

import functools
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click

ROOT = Path(__file__).resolve().parents[2]
COPIED = ("bench", "byoc", "connectors", "deploy", "docs", "schemas", "simulator", "streams", "tests", "pyproject.toml")
PATIENCE_S = 120
OPTIONS = ("-x", "-q", "-p", "no:cacheprovider", "-p", "no:randomly")


@dataclass(frozen=True, slots=True)
class Mutant:
    """A text of a file of ours, what it is replaced by, and the tests that must notice, as pytest takes them."""

    name: str
    file: str
    old: str
    new: str
    tests: str


@dataclass(frozen=True, slots=True)
class Ending:
    """Whether a mutant was killed, and by what."""

    killed: bool
    reason: str = ""


@contextmanager
def copied_sources() -> Iterator[Path]:
    """A folder with all that the tests need."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for name in COPIED:
            source = ROOT / name
            if source.is_dir():  # without compiled files: they would be run instead of a mutant
                shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("*.so"))
            else:
                shutil.copy(source, copy / name)
        yield copy


def mutated(mutant: Mutant, source: str) -> str:
    """The source with the guard taken out. Raises `ClickException` when its text is not there exactly once."""
    if source.count(mutant.old) != 1:
        raise click.ClickException(f"mutant {mutant.name!r}: its text is {source.count(mutant.old)} times in the file")
    return source.replace(mutant.old, mutant.new)


def ending_of(mutant: Mutant, copy: Path, environment: Mapping[str, str] | None = None) -> Ending:
    """Run the mutant's tests on the copy; where they turn red, also without the mutant: then they must be green."""
    path = copy / mutant.file
    source = path.read_text(encoding="utf-8")
    path.write_text(mutated(mutant, source), encoding="utf-8")
    try:
        code, reason = _run(mutant.tests, copy, environment or {})
    finally:
        path.write_text(source, encoding="utf-8")
    if code == 1 and not _are_green(mutant.tests, copy, tuple((environment or {}).items())):
        return Ending(False, "its tests are not green without it either")
    return Ending(code == 1, reason)


@functools.cache
def _are_green(tests: str, copy: Path, environment: tuple[tuple[str, str], ...]) -> bool:
    return _run(tests, copy, dict(environment))[0] == 0


def _run(tests: str, copy: Path, environment: Mapping[str, str]) -> tuple[int, str]:
    """pytest's exit code and the first line of the first failure."""
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", *OPTIONS, *shlex.split(tests)],
        cwd=copy,
        env={"PYTHONPATH": str(copy), "PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1", **environment},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    reasons = re.findall(r"^E  +(\S.*)$", ran.stdout, re.MULTILINE)
    return ran.returncode, reasons[0] if reasons else ""


def tell(mutants: Iterable[tuple[str, Callable[[], Ending]]], only: str) -> bool:
    """Try those whose name contains `only`, print a table; true when all were killed."""
    killed: list[bool] = []
    for name, try_it in mutants:
        if only in name:
            began = time.monotonic()
            ending = try_it()
            killed.append(ending.killed)
            verdict = "killed" if ending.killed else "SURVIVED"
            reason = f"  ({ending.reason[:90]})" if ending.reason else ""
            click.echo(f"{verdict:9} {time.monotonic() - began:5.1f} s  {name}{reason}")
    click.echo(f"mutants={len(killed)} killed={sum(killed)} survived={killed.count(False)}")
    return all(killed)
