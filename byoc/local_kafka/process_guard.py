"""The process between an owner and its Kafka: Kafka ends when the owner does, however the owner ends.

Run as a program, with the standard library only: `python process_guard.py PID_FILE LOG_FILE MODE COMMAND…`.

An `owned` guard reads its standard input, a pipe that only the owner holds open: each line is the number of a signal
to send to Kafka, and the end of the input means that the owner is gone, also when it was killed. A pipe is used
because PR_SET_PDEATHSIG alone follows the thread that forked, and owners start Kafka from threads. The guard itself
can be killed too; for that case Linux ends Kafka with it (PR_SET_PDEATHSIG, set from the guard's only thread).
A `temporary` guard is an owned one that also deletes the folder of the pid file when the owner is gone. A `detached`
guard has no owner and ends Kafka on SIGTERM. The guard's exit code is Kafka's.
"""

import contextlib
import ctypes
import os
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

PR_SET_PDEATHSIG = 1
STOP_TIMEOUT_S = 15.0


def main(arguments: list[str]) -> int:
    """Start the command, pass signals on, end it with the owner; return its exit code."""
    pid_file, log_file, mode, *command = arguments
    with Path(log_file).open("ab") as log:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            preexec_fn=_die_with_me(),  # noqa: PLW1509  # this process has one thread
        )
    signal.signal(signal.SIGTERM, _stop)
    try:
        Path(pid_file).write_text(f"{child.pid}\n")
        if mode == "detached":
            return child.wait()
        return _follow_owner(child, Path(pid_file).parent if mode == "temporary" else None)
    except _StopAskedError:
        # Outside the handler on purpose: the interrupted wait() holds the lock that ending needs.
        return _end(child)


class _StopAskedError(Exception):
    """The guard received SIGTERM."""


def _stop(*_: object) -> NoReturn:
    raise _StopAskedError


def _follow_owner(child: subprocess.Popen[bytes], temporary: Path | None) -> int:
    """Obey the pipe until Kafka or the owner ends; then delete the temporary folder, if there is one."""
    child_ended = os.pidfd_open(child.pid) if hasattr(os, "pidfd_open") else None
    waited = [0] if child_ended is None else [0, child_ended]
    while child.poll() is None:
        # Without pidfd (macOS) the end of Kafka is seen by looking every 0.2 s.
        readable, _, _ = select.select(waited, [], [], 0.2 if child_ended is None else None)
        if 0 not in readable:
            continue
        asked = os.read(0, 4096)
        if not asked and temporary is not None:
            child.kill()
            child.wait()
            shutil.rmtree(temporary, ignore_errors=True)
            break
        if not asked:
            return _end(child)
        for number in asked.split():
            with contextlib.suppress(ProcessLookupError):
                child.send_signal(int(number))
    return child.wait()


def _end(child: subprocess.Popen[bytes]) -> int:
    """Ask Kafka to stop; kill it when it does not end in time. Returns its exit code."""
    child.send_signal(signal.SIGCONT)
    child.terminate()
    try:
        return child.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        child.kill()
        return child.wait()


def _die_with_me() -> Callable[[], None] | None:
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None).prctl
    guard_pid = os.getpid()

    def set_death_signal() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        # A guard that died before the line above sends no signal any more.
        if os.getppid() != guard_pid:
            os._exit(1)

    return set_death_signal


def run() -> NoReturn:
    """Run as a program."""
    sys.exit(main(sys.argv[1:]))


if __name__ == "__main__":
    run()
