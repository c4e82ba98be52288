"""A parent process that starts the worker again when it ends by itself.

A worker that cannot go on ends, and its successor recovers from Kafka: that needs somebody who starts the successor.
The parent holds no state and no connection. The worker is a program of its own and no copy of the parent: a copy would
go on in whatever called this, with the locks of threads that it does not have, and client libraries crash in it.
"""

import contextlib
import os
import select
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from types import FrameType

import click

FIRST_DELAY_S, LONGEST_DELAY_S = 1.0, 30.0
HEALTHY_AFTER_S = 60.0  # a worker that ran for so long had no lasting trouble: the next delay is the first one again
ORPHAN_STOPS_WITHIN_S = 10.0

EXIT_REFUSED, EXIT_USAGE = 1, 2  # settings are wrong: another start would find the same
EXIT_CRASHED = 8  # an exception ended the worker
EXIT_NO_KAFKA = 9  # Kafka did not answer, or its topics were not as they must be
_LASTING = (0, EXIT_REFUSED, EXIT_USAGE)

PARENT_PIPE = "--parent-pipe"  # the worker's option
_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def delay_after(previous_s: float, ran_s: float) -> float:
    """How long to wait before the next start; `previous_s` is the last delay, 0 before the first."""
    if previous_s == 0 or ran_s >= HEALTHY_AFTER_S:
        return FIRST_DELAY_S
    return min(previous_s * 2, LONGEST_DELAY_S)


def ended_for_good(code: int, *, had_started: bool) -> bool:
    """True when a worker that ended with `code` is not started again.

    `had_started`: a worker ended before with anything but `EXIT_NO_KAFKA`. Without that a Kafka that does not answer is
    more likely a wrong address.
    """
    return code in _LASTING or (code == EXIT_NO_KAFKA and not had_started)


class Supervisor:
    """One worker under this process. SIGTERM and SIGINT are passed on to the worker, and waited for."""

    def __init__(self, command: Sequence[str]) -> None:
        """`command` runs a worker; it is given `PARENT_PIPE`, for `ending_with_parent`. Nothing starts before `run`."""
        self._command = list(command)
        self._worker: subprocess.Popen[bytes] | None = None
        self._stop_signal: int | None = None

    def run(self) -> int:
        """Start the worker, and again when it ends by itself; return the exit code to end with.

        To be called from the main thread. When it returns, the worker has ended, and the signal handlers of the caller
        are back. When this process dies, however that happens, the worker ends too.
        """
        with contextlib.ExitStack() as undone:
            for number in _SIGNALS:
                _handle(number, self._pass_on, undone)
            # Who starts us may ignore it, and that is inherited: the exit code of each child would read as 0.
            _handle(signal.SIGCHLD, signal.SIG_DFL, undone)
            # The worker reads from it and sees its end when this process is gone, however that happened; this works
            # on every Unix, prctl on Linux only.
            alive, life = os.pipe()
            undone.callback(os.close, alive)
            undone.callback(os.close, life)
            return self._keep_running(alive)

    def _keep_running(self, alive: int) -> int:
        delay_s, had_started = 0.0, False
        while True:
            began = time.monotonic()
            code = self._run_worker(alive)
            if self._stop_signal is not None or ended_for_good(code, had_started=had_started):
                return _exit_code(code)
            had_started = had_started or code != EXIT_NO_KAFKA
            delay_s = delay_after(delay_s, time.monotonic() - began)
            _tell(f"the worker ended with {_named(code)}; it starts again in {delay_s:g} s")
            self._rest(delay_s)
            if self._stop_signal is not None:
                return 0

    def _run_worker(self, alive: int) -> int:
        """Start a worker and wait for its end. Returns its exit code, minus the number of a signal that ended it."""
        try:
            command = [*self._command, f"{PARENT_PIPE}={alive}"]
            worker = subprocess.Popen(command, pass_fds=[alive])  # noqa: S603  this program, with the options it was given
        except OSError as error:  # no process or memory is left, which passes
            _tell(f"starting the worker: {error.strerror}")
            return EXIT_CRASHED
        self._worker = worker
        if self._stop_signal is not None:  # it came while there was no worker to pass it on to
            worker.send_signal(self._stop_signal)
        code = worker.wait()
        self._worker = None
        return code

    def _rest(self, delay_s: float) -> None:
        until = time.monotonic() + delay_s
        while self._stop_signal is None and time.monotonic() < until:
            time.sleep(0.05)

    def _pass_on(self, number: int, _frame: FrameType | None) -> None:
        self._stop_signal = number
        if self._worker is not None:
            self._worker.send_signal(number)  # does nothing when the worker has ended


@contextlib.contextmanager
def ending_with_parent(alive: int) -> Iterator[None]:
    """While the block runs, end this process when its supervisor is gone; `alive` is what `PARENT_PIPE` gave.

    It gets SIGTERM, to stop in order. When the block has not ended 10 s later, it is ended in any way. A thread waits
    for that; it ends with the block.
    """
    os.set_inheritable(alive, False)
    ended, end = os.pipe()
    watcher = threading.Thread(target=_end_with_parent, args=(alive, ended), name="parent", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        os.close(end)
        watcher.join()
        os.close(ended)
        os.close(alive)


def _end_with_parent(alive: int, ended: int) -> None:
    readable, _, _ = select.select([alive, ended], [], [])
    if ended in readable:
        return
    os.kill(os.getpid(), signal.SIGTERM)
    readable, _, _ = select.select([ended], [], [], ORPHAN_STOPS_WITHIN_S)
    if not readable:
        os._exit(EXIT_CRASHED)


def _handle(number: signal.Signals, handler: "signal._HANDLER", undone: contextlib.ExitStack) -> None:
    previous = signal.signal(number, handler)
    undone.callback(signal.signal, number, signal.SIG_DFL if previous is None else previous)


def _tell(line: str) -> None:
    with contextlib.suppress(OSError):  # a terminal that is gone must not end the parent
        click.echo(line, err=True)


def _exit_code(code: int) -> int:
    if code == EXIT_NO_KAFKA:  # a Kafka that was never there is an input that is refused
        return EXIT_REFUSED
    return 128 - code if code < 0 else code  # by the convention of shells for a worker that a signal ended


def _named(code: int) -> str:
    if code >= 0:
        return str(code)
    try:
        return signal.Signals(-code).name
    except ValueError:  # most real-time signals have no name
        return f"signal {-code}"
