"""Runs targets, each in child processes, and collects what they found."""

import contextlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from tests.fuzz.child import ROOT, SHARED_BYTES, Found, Report, Shared

HUNG_S = 20.0  # without a next input


@dataclass(slots=True)
class Result:
    """What came out for one target. Findings are by their place; equal ones are counted once."""

    target: str
    inputs: int = 0
    slowest_ms: float = 0.0
    peak_mb: float = 0.0
    found: dict[str, Found] = field(default_factory=dict)

    def add(self, report: Report) -> None:
        """Take what a child reports."""
        self.inputs += report.inputs
        self.slowest_ms = max(self.slowest_ms, report.slowest_ms)
        self.peak_mb = max(self.peak_mb, report.peak_mb)
        for each in report.found:
            self.found.setdefault(each.place, each)

    def line(self) -> str:
        """The line of the table."""
        return (
            f"{self.target:20} inputs={self.inputs} findings={len(self.found)} "
            f"slowest_ms={self.slowest_ms:.1f} peak_mb={self.peak_mb:.0f}"
        )


def run_all(names: Iterable[str], *, seed: int, seconds: float) -> Iterator[Result]:
    """Run the targets one after the other, `seconds` in all; yields each when it is done."""
    wanted = list(names)
    for name in wanted:
        yield run_one(name, seed=seed, seconds=seconds / len(wanted))


def run_one(name: str, *, seed: int, seconds: float) -> Result:
    """Run one target for so many seconds, in as many processes as its crashes need. Their starts do not count."""
    result, start = Result(name), 0
    left_s = seconds
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        share = Path(folder) / "input"
        while left_s > 0.2:
            share.write_bytes(b"\xff" * 16 + bytes(SHARED_BYTES - 16))
            report = _in_a_child(name, seed, start, left_s, share)
            result.add(report)
            start, left_s = report.next, left_s - report.seconds
    return result


def _in_a_child(name: str, seed: int, start: int, seconds: float, share: Path) -> Report:
    arguments = ("--child", name, "--seed", str(seed), "--start", str(start), "--seconds", str(seconds))
    shared, report, began_s = Shared(share), share.with_name("report"), time.monotonic()
    report.unlink(missing_ok=True)
    with share.with_name("said").open("w+b") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.fuzz", *arguments, "--share", str(share)],
            cwd=ROOT,
            stdout=said,
            stderr=subprocess.STDOUT,
        )
        hung = _wait(process, shared)
        said.seek(0)
        words = said.read()[-1_500:].decode(errors="replace")
    if report.exists():
        return msgspec.msgpack.decode(report.read_bytes(), type=Report)
    number, data = shared.get()
    if number < 0:
        raise RuntimeError(f"fuzzing {name}: the process ended with {process.returncode} before an input: {words}")
    how = f"no end in {HUNG_S:g} s" if hung else f"the process ended with {process.returncode}"
    found = Found(name, "hung" if hung else "crash", f"{how}: {words}", data, number)
    took_s = time.monotonic() - began_s
    return Report(
        next=number + 1, inputs=number + 1 - start, slowest_ms=0.0, peak_mb=0.0, seconds=took_s, found=[found]
    )


def _wait(process: "subprocess.Popen[bytes]", shared: Shared) -> bool:
    """Wait for the end; kill it, and say so, when it stays with one input."""
    last, since_s = -2, time.monotonic()
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.2)
            return False
        number = shared.get()[0]
        if number != last:
            last, since_s = number, time.monotonic()
        elif time.monotonic() - since_s > HUNG_S * (1 if number >= 0 else 3):
            process.kill()
            process.wait()
            return True


def keep(found: Found, folder: Path) -> Path:
    """Write the input of a finding, and beside it what happened; returns the input's path."""
    folder.mkdir(parents=True, exist_ok=True)
    words = "".join(letter if letter.isalnum() else "-" for letter in found.place)[-80:]
    path = folder / f"{found.target}.{words}"
    path.write_bytes(found.data)
    path.with_name(path.name + ".txt").write_text(f"input {found.number}\n{found.what}\n", encoding="utf-8")
    return path
