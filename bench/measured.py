"""A measured process: it has a core of its own, writes its output to a file, and its CPU time is known."""

import contextlib
import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Self

from bench.errors import MeasurementError
from byoc.system.with_parent import with_parent

READY_TIMEOUT_S = 90.0
STOP_TIMEOUT_S = 30.0
METRICS_TIMEOUT_S = 5.0
RECORDS_METRIC = "byoc_streams_records_total"
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class Measured:
    """`python -m MODULE ARGUMENTS` on one core. A context manager that ends the process.

    With `profile_file` the process runs under cProfile and writes there when it ends in order; its event loop is what
    is seen, threads are not. Rates are then about half of the true ones.
    """

    def __init__(
        self, module: str, arguments: list[str], log_file: Path, *, core: int, profile_file: Path | None = None
    ) -> None:
        """Start the process on this core."""
        profiler = [] if profile_file is None else ["-m", "cProfile", "-o", str(profile_file)]
        self.log_file = log_file
        with log_file.open("wb") as log:
            self._process = subprocess.Popen(
                # a worker must not outlive a killed benchmark
                with_parent(
                    ["taskset", "-c", str(core), sys.executable, "-u", *profiler, "-m", module, *arguments],
                ),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def __enter__(self) -> Self:
        """Return the process, which runs already."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop the process."""
        self.stop()

    def wait_ready(self) -> dict[str, str]:
        """Return the `key=value` pairs of its `ready` line. Raises `MeasurementError` when there is none in time."""
        deadline = time.monotonic() + READY_TIMEOUT_S
        while time.monotonic() < deadline:
            for line in self.output().splitlines():
                if line.startswith("ready "):
                    return dict(pair.split("=", 1) for pair in line.split()[1:])
            self.check_running()
            time.sleep(0.05)
        raise MeasurementError(
            f"starting {self.log_file.stem}: not ready in {READY_TIMEOUT_S:g} s: {self.last_words()}"
        )

    def check_running(self) -> None:
        """Raise `MeasurementError` with its last output when it has ended."""
        if self._process.poll() is not None:
            raise MeasurementError(f"{self.log_file.stem} ended with {self._process.returncode}: {self.last_words()}")

    def cpu_s(self) -> float:
        """Return the CPU seconds used so far, user and system, of all threads."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S

    def resident_bytes(self) -> int:
        """Return the memory in use now."""
        pages = Path(f"/proc/{self._process.pid}/statm").read_text(encoding="ascii").split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    def stop(self) -> None:
        """Send SIGTERM, and SIGKILL to a process that does not end within 30 s."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_TIMEOUT_S)
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def output(self) -> str:
        """Return all that it has written."""
        return self.log_file.read_text(encoding="utf-8", errors="replace")

    def counted(self) -> str:
        """Return the input records that it says it has taken, or why it does not say: for an error message."""
        address = next(
            (line.split("http=")[1].split()[0] for line in self.output().splitlines() if "http=" in line), None
        )
        if address is None:
            return "no address to ask"
        try:
            with urllib.request.urlopen(f"http://{address}/metrics", timeout=METRICS_TIMEOUT_S) as answer:
                metrics = answer.read().decode()
        except OSError as failure:
            return f"no answer from {address}: {failure}"
        return next((line for line in metrics.splitlines() if line.startswith(RECORDS_METRIC)), "no such metric")

    def last_words(self) -> str:
        """Return the end of its output, for an error message."""
        lines = [line.strip() for line in self.output().splitlines() if line.strip()]
        return " | ".join(lines[-4:]) or "it wrote nothing"
