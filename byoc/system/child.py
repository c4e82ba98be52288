"""One `byoc` command as a child process with a log file."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from byoc.errors import ByocError
from byoc.private_files import append_privately
from byoc.system.with_parent import with_parent

READY_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 30.0


class ChildError(ByocError):
    """A part did not start, or ended by itself; the message carries the end of its log."""


class Child:
    """A running command. Its output goes to `log_file`; its `ready` line gives the addresses it serves."""

    def __init__(
        self,
        name: str,
        arguments: list[str],
        log_file: Path,
        *,
        core: int | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        """Start `byoc ARGUMENTS`, pinned to a CPU `core` when one is given.

        `variables` are added to its environment: everybody on the machine can read a command line, so secrets go there.
        """
        self.name = name
        self.log_file = log_file
        self._begin = log_file.stat().st_size if log_file.exists() else 0
        pinned = ["taskset", "-c", str(core)] if core is not None else []
        with append_privately(log_file) as log:
            self.process = subprocess.Popen(
                # a child must not outlive a killed demo
                with_parent([*pinned, sys.executable, "-m", "byoc", *arguments]),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **(variables or {})},  # noqa: TID251  what a child inherits, no setting of ours
            )

    @property
    def pid(self) -> int:
        """Return the process id."""
        return self.process.pid

    def is_running(self) -> bool:
        """Say whether the process has not ended."""
        return self.process.poll() is None

    def wait_ready(self, timeout_s: float = READY_TIMEOUT_S) -> dict[str, str]:
        """Return the `key=value` pairs of its `ready` line. Raises `ChildError` when it ends or prints none in time."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            for line in self._output().splitlines():
                if line.startswith("ready "):
                    return dict(pair.split("=", 1) for pair in line.split()[1:] if "=" in pair)
            if not self.is_running():
                raise ChildError(f"starting {self.name}: it ended with {self.process.returncode}: {self.last_words()}")
            time.sleep(0.05)
        raise ChildError(f"starting {self.name}: not ready in {timeout_s:g} s; its log is {self.log_file}")

    def kill(self) -> None:
        """Send SIGKILL, and wait for the end."""
        self.process.kill()
        self.process.wait()

    def pause(self) -> None:
        """Send SIGSTOP: to others the process looks dead, and it does not notice."""
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Send SIGCONT: a paused process goes on."""
        self.process.send_signal(signal.SIGCONT)

    def stop(self, timeout_s: float = STOP_TIMEOUT_S) -> int:
        """Send SIGTERM and wait, then SIGKILL to a process that does not end in time. Returns the exit code."""
        if self.is_running():
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout_s)
        if self.is_running():
            self.kill()
        code: int = self.process.returncode
        return code

    def last_words(self) -> str:
        """Return the last line that it wrote, for an error message."""
        lines = [line for line in self._output().splitlines() if line.strip()]
        return lines[-1].strip() if lines else f"it wrote nothing to {self.log_file}"

    def _output(self) -> str:
        with self.log_file.open("rb") as log:
            log.seek(self._begin)
            return log.read().decode(errors="replace")
