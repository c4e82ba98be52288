"""Trying mutants: each in a copy of the sources, several copies at a time."""

import contextlib
import functools
import io
import multiprocessing
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click
import pytest

from byoc.local_kafka.local import LocalKafka
from byoc.settings import Settings
from tests.mutation.mutant import Mutant, test_path
from tests.mutation.place import ROOT
from tests.mutation.rows import TABLE_TESTS, RowMutant, without_row

COPIED = ("bench", "byoc", "connectors", "deploy", "docs", "schemas", "simulator", "streams", "tests", "pyproject.toml")
PATIENCE_S = 300
OPTIONS = ("-x", "-q", "-p", "no:cacheprovider", "-p", "no:randomly", "-p", "tests.mutation.unshrunk")

_copy: Path  # of this worker process


@dataclass(frozen=True, slots=True)
class Ending:
    """Whether a mutant was killed, by what, and how long that took."""

    name: str
    killed: bool
    reason: str
    took_s: float


@contextmanager
def _copies(count: int) -> Iterator[list[Path]]:
    """Folders with all that the tests need."""
    with tempfile.TemporaryDirectory() as folder:
        copies = [Path(folder) / str(number) for number in range(count)]
        for copy in copies:
            copy.mkdir()
            for name in COPIED:
                source = ROOT / name
                if source.is_dir():  # without compiled files: they would be run instead of a mutant
                    shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
                else:
                    shutil.copy(source, copy / name)
        yield copies


def try_all(mutants: Sequence[Mutant | RowMutant], jobs: int) -> Iterator[Ending]:
    """Try the mutants, `jobs` at a time; those whose tests need a Kafka come last, one after the other."""
    alone = [each for each in mutants if isinstance(each, Mutant) and each.needs_kafka()]
    others = [each for each in mutants if each not in alone]
    context = multiprocessing.get_context("spawn")
    with _copies(jobs) as copies:
        waiting = context.SimpleQueue()
        for copy in copies:
            waiting.put(copy)
        if others:
            with ProcessPoolExecutor(jobs, context, _start_worker, (waiting,)) as pool:
                yield from pool.map(_try_one, others)
        if alone:
            with LocalKafka() as kafka:
                environment = {"KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers, "REQUIRE_BROKER": "1"}
                for each in alone:
                    yield _try_mutant(each, copies[0], environment)


def _start_worker(waiting: "multiprocessing.SimpleQueue[Path]") -> None:
    global _copy  # noqa: PLW0603  # what one worker process is given once
    _copy = waiting.get()


def _try_one(mutant: Mutant | RowMutant) -> Ending:
    if isinstance(mutant, Mutant):
        return _try_mutant(mutant, _copy, {})
    began = time.monotonic()
    if not _table_is_green():
        return Ending(mutant.name, False, "the tests of the table are red without any mutant", 0.0)
    with without_row(mutant):
        killed = _table_tests() == pytest.ExitCode.TESTS_FAILED
    return Ending(mutant.name, killed, "", time.monotonic() - began)


@functools.cache
def _table_is_green() -> bool:
    return _table_tests() == pytest.ExitCode.OK


def _table_tests() -> int:
    """Run the tests of the transition table in this process; pytest's exit code."""
    with contextlib.redirect_stdout(io.StringIO()):
        return int(pytest.main([*OPTIONS, str(test_path(TABLE_TESTS))]))


def _try_mutant(mutant: Mutant, copy: Path, environment: Mapping[str, str]) -> Ending:
    """Run the mutant's tests on the copy; where they turn red, also without the mutant: then they must be green."""
    began = time.monotonic()
    path = copy / mutant.place().path.relative_to(ROOT)
    source = path.read_text(encoding="utf-8")
    _write(path, mutant.mutated())
    arguments = tuple(mutant.arguments())
    try:
        code, reason = _run(arguments, copy, environment)
    finally:
        _write(path, source)
    killed = code == pytest.ExitCode.TESTS_FAILED
    if killed and not _are_green(arguments, copy, tuple(environment.items())):
        killed, reason = False, "its tests are not green without it either"
    elif not killed and code != pytest.ExitCode.OK:
        reason = f"pytest ended with {code}: {reason}"
    return Ending(mutant.name, killed, reason, time.monotonic() - began)


def _write(path: Path, source: str) -> None:
    """Write a source with a later time than it ever had: compiled files are chosen by whole seconds and length."""
    at_s = path.stat().st_mtime + 2
    path.write_text(source, encoding="utf-8")
    os.utime(path, (at_s, at_s))


@functools.cache
def _are_green(arguments: tuple[str, ...], copy: Path, environment: tuple[tuple[str, str], ...]) -> bool:
    return _run(arguments, copy, dict(environment))[0] == pytest.ExitCode.OK


def _run(arguments: Sequence[str], copy: Path, environment: Mapping[str, str]) -> tuple[int, str]:
    """pytest's exit code and the first line of the first failure; a code that pytest has not when it does not end."""
    environment = {
        "PYTHONPATH": str(copy),
        "PATH": os.defpath,
        "BYOC_HOME": str(Settings().byoc_home),
        **environment,
    }
    command = [sys.executable, "-m", "pytest", *OPTIONS, *arguments]
    try:
        ran = subprocess.run(
            command, cwd=copy, env=environment, capture_output=True, text=True, timeout=PATIENCE_S, check=False
        )
    except subprocess.TimeoutExpired:
        return -1, f"no end within {PATIENCE_S} s"
    reasons = re.findall(r"^E  +(\S.*)$", ran.stdout, re.MULTILINE)
    return ran.returncode, reasons[0] if reasons else ""


def report(endings: Iterator[Ending]) -> bool:
    """Print a line for each mutant and the counts; true when all were killed."""
    killed: list[bool] = []
    for ending in endings:
        killed.append(ending.killed)
        verdict = "killed" if ending.killed else "SURVIVED"
        reason = f"  ({ending.reason[:90]})" if ending.reason else ""
        click.echo(f"{verdict:9} {ending.took_s:5.1f} s  {ending.name}{reason}")
    click.echo(f"mutants={len(killed)} killed={sum(killed)} survived={killed.count(False)}")
    return bool(killed) and all(killed)
