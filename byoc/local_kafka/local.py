"""One Kafka node as an object: start, stop, kill, pause, start again on the same port and data."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from byoc.errors import LocalKafkaError, PortInUseError
from byoc.kafka.admin import answers
from byoc.local_kafka import process_guard
from byoc.local_kafka.jars import ensure_jars
from byoc.local_kafka.node_files import write_settings
from byoc.local_kafka.properties import Memory
from byoc.local_kafka.startup_cache import StartupCache, ensure_startup_cache
from byoc.local_kafka.tools import find_java
from byoc.ports import LOOPBACK, free_port, is_free
from byoc.settings import Settings

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = process_guard.STOP_TIMEOUT_S + 5
# How often a free port that was taken in the meantime is replaced by another one.
PORT_TRIES = 5


class LocalKafka:
    """One combined KRaft node of Apache Kafka on the loopback address, owned by this process.

    `port` 0 takes a free one, kept for the life of the object, so that a restarted broker has the same address.
    `directory` None uses a temporary folder that `close` deletes; a given folder is kept. `detached` nodes outlive
    this process; all others end with it, also when it is killed. Not thread-safe.

    Use it as a context manager: it starts on entry and closes on exit.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        directory: Path | None = None,
        memory: Memory = Memory.SMALL,
        detached: bool = False,
        settings: Settings | None = None,
    ) -> None:
        """Nothing starts yet. `settings` says where Java and the jars are; None reads the environment."""
        self._settings = settings or Settings()
        self._wanted_port = port
        self._port = 0
        self._memory = memory
        self._detached = detached
        self._temporary = directory is None
        self._directory = directory or Path(tempfile.mkdtemp(prefix="byoc-kafka-"))
        self._guard: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap_servers(self) -> str:
        """The address of the broker, known once it started."""
        return f"{LOOPBACK}:{self._port}"

    @property
    def port(self) -> int:
        """The port of the broker, known once it started."""
        return self._port

    @property
    def directory(self) -> Path:
        """The folder of data, log and settings."""
        return self._directory

    @property
    def log_file(self) -> Path:
        """The file with all that Kafka printed, over all starts."""
        return self._directory / "kafka.log"

    @property
    def pid(self) -> int | None:
        """The process id of the broker, None when it is not running."""
        if self._guard is None or self._guard.poll() is not None:
            return None
        return read_pid(self._directory / "kafka.pid")

    @property
    def guard_pid(self) -> int | None:
        """The process id of the guard: it ends when the broker ends, and on SIGTERM it ends the broker."""
        return None if self._guard is None else self._guard.pid

    def start(self, timeout_s: float = START_TIMEOUT_S) -> None:
        """Start the broker and return when it answers metadata and would create a topic.

        After `stop` or `kill` it starts again on the same port and data. Does nothing when it runs. Raises
        `PortInUseError`, `ToolMissingError` or `LocalKafkaError` with the end of Kafka's log.
        """
        if self.pid is not None:
            return
        java = find_java(self._settings.java_home)
        cache = ensure_startup_cache(java, ensure_jars(self._settings.kafka_libs))
        tries = PORT_TRIES if self._wanted_port == 0 and self._port == 0 else 1
        for remaining in reversed(range(tries)):
            self._choose_port()
            try:
                self._launch(cache, timeout_s)
            except PortInUseError:
                if remaining == 0:
                    raise
                self._port = 0
            else:
                return

    def stop(self) -> None:
        """Stop the broker in order, at the latest by force after 15 s. Data stays."""
        self.resume()
        self._signal(signal.SIGTERM)
        self._await_end()

    def kill(self) -> None:
        """End the broker at once, as `kill -9` does. Data stays."""
        self._signal(signal.SIGKILL)
        self._await_end()

    def pause(self) -> None:
        """Freeze the broker (SIGSTOP): connections stay open, nothing is answered."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused broker continue."""
        self._signal(signal.SIGCONT)

    def close(self) -> None:
        """End the broker; delete the folder when it is a temporary one (then without waiting for an orderly stop)."""
        if self._temporary:
            self.kill()
            shutil.rmtree(self._directory, ignore_errors=True)
        else:
            self.stop()

    def __enter__(self) -> Self:
        """Start the broker; on a failure, clean up and raise as `start`."""
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close, whatever happened in the block."""
        self.close()

    def _choose_port(self) -> None:
        self._port = self._port or self._wanted_port or free_port()
        if not is_free(self._port):
            raise PortInUseError(
                f"starting the local Kafka on {self.bootstrap_servers}: the port is in use; choose another with "
                f"--port (0 takes a free one), or set KAFKA_BOOTSTRAP_SERVERS to use the Kafka that is there"
            )

    def _launch(self, cache: StartupCache, timeout_s: float) -> None:
        # Clients never see the controller's port, so it may be another one after a restart.
        write_settings(self._directory, port=self._port, controller_port=free_port())
        if not (self._directory / "data" / "meta.properties").exists():
            shutil.copytree(cache.formatted, self._directory / "data", dirs_exist_ok=True)
        log_start = self.log_file.stat().st_size if self.log_file.exists() else 0
        pid_file = self._directory / "kafka.pid"
        pid_file.unlink(missing_ok=True)
        mode = "detached" if self._detached else "temporary" if self._temporary else "owned"
        command = [
            *(sys.executable, "-I", "-S", process_guard.__file__, str(pid_file), str(self.log_file), mode),
            *cache.command(self._directory, self._memory),
        ]
        with self.log_file.open("ab") as log:
            self._guard = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL if self._detached else subprocess.PIPE,
                # Not the owner's: whoever reads the owner's output would wait for the guard to end, too.
                stdout=log,
                stderr=log,
                # Its own session: Ctrl-C on the terminal reaches the owner, which then stops Kafka in order.
                start_new_session=True,
            )
        self._await_ready(time.monotonic() + timeout_s, timeout_s, log_start)

    def _await_ready(self, deadline: float, timeout_s: float, log_start: int) -> None:
        while time.monotonic() < deadline:
            if self._guard is not None and self._guard.poll() is not None:
                raise self._start_failure(log_start)
            if not is_free(self._port) and self.pid is not None and answers(self.bootstrap_servers, timeout_s=1.0):
                return
            time.sleep(0.05)
        tail = self._log_tail(log_start)
        self.kill()
        raise LocalKafkaError(
            f"starting the local Kafka on {self.bootstrap_servers}: no answer within {timeout_s:g} s; "
            f"the end of {self.log_file}: {tail}"
        )

    def _start_failure(self, log_start: int) -> LocalKafkaError:
        tail = self._log_tail(log_start)
        if "Address already in use" in tail or "BindException" in tail:
            return PortInUseError(
                f"starting the local Kafka on {self.bootstrap_servers}: the port was taken while Kafka started; "
                f"choose another with --port (0 takes a free one)"
            )
        return LocalKafkaError(
            f"starting the local Kafka on {self.bootstrap_servers}: it ended at once; "
            f"the end of {self.log_file}: {tail}"
        )

    def _log_tail(self, log_start: int) -> str:
        if not self.log_file.exists():
            return "(empty)"
        lines = self.log_file.read_bytes()[log_start:].decode(errors="replace").splitlines()
        # Stack frames say little to a user; the lines between them name the cause.
        told = [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("at ")]
        return " | ".join(told[-6:])[-1500:] or "(empty)"

    def _signal(self, number: signal.Signals) -> None:
        """Send a signal through the guard, the parent of Kafka: a pid that it has not reaped cannot be another's."""
        if self._guard is None or self._guard.poll() is not None:
            return
        if self._guard.stdin is None:
            pid = self.pid
            if pid is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
            return
        with contextlib.suppress(BrokenPipeError):
            self._guard.stdin.write(f"{int(number)}\n".encode())
            self._guard.stdin.flush()

    def _await_end(self) -> None:
        if self._guard is None:
            return
        try:
            self._guard.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            # Killing the guard kills Kafka with it on Linux; elsewhere the closed pipe was the first try.
            self._guard.kill()
            self._guard.wait()
        if self._guard.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._guard.stdin.close()
        self._guard = None


def read_pid(path: Path) -> int | None:
    """Return the process id in a pid file, None when there is none (yet)."""
    try:
        return int(path.read_text())
    except (FileNotFoundError, ValueError):
        return None
