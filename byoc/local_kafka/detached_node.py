"""The node that `byoc kafka up` leaves running: a file in its folder describes it for later commands."""

import contextlib
import json
import os
import signal
import subprocess
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from byoc.errors import LocalKafkaError
from byoc.local_kafka.local import LocalKafka
from byoc.local_kafka.process_guard import STOP_TIMEOUT_S


@dataclass(frozen=True, slots=True, kw_only=True)
class DetachedNode:
    """A node that runs without an owner, as its folder's `node.json` describes it."""

    bootstrap_servers: str
    port: int
    pid: int
    guard_pid: int
    directory: str

    @classmethod
    def of(cls, kafka: LocalKafka) -> Self:
        """Describe a started, detached node."""
        pid, guard_pid = kafka.pid, kafka.guard_pid
        if pid is None or guard_pid is None:
            raise LocalKafkaError(f"noting down the local Kafka of {kafka.directory}: it ended already")
        return cls(
            bootstrap_servers=kafka.bootstrap_servers,
            port=kafka.port,
            pid=pid,
            guard_pid=guard_pid,
            directory=str(kafka.directory),
        )

    def note_down(self) -> None:
        """Write `node.json` into the folder of the node."""
        note = Path(self.directory) / "node.json"
        partial = note.with_suffix(".partial")
        partial.write_text(json.dumps(asdict(self)))
        partial.rename(note)


def find(directory: Path) -> DetachedNode | None:
    """Return the node that runs on this folder; None when there is none."""
    try:
        node = DetachedNode(**json.loads((directory / "node.json").read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return None
    # After a reboot the pid may belong to somebody else: the guard names the folder on its command line.
    return node if node.directory in _command_line(node.guard_pid) else None


def end(node: DetachedNode) -> None:
    """Stop the node in order, and after 20 s by force. Raises `LocalKafkaError` when it still runs then."""
    _send(node.guard_pid, signal.SIGTERM)
    if _ended(node, STOP_TIMEOUT_S + 5):
        return
    _send(node.guard_pid, signal.SIGKILL)
    _send(node.pid, signal.SIGKILL)
    if not _ended(node, 5):
        raise LocalKafkaError(f"stopping the local Kafka (pid {node.pid}): it does not end; look at it with `ps`")


def _ended(node: DetachedNode, timeout_s: float) -> bool:
    deadline = time.monotonic() + timeout_s
    while node.directory in _command_line(node.guard_pid):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _send(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _command_line(pid: int) -> str:
    """Return the command line of a process, "" when there is none."""
    proc = Path("/proc")
    if (proc / "self").exists():
        try:
            return (proc / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            return ""
    return subprocess.run(
        ["ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout.strip()
