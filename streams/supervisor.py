"""A parent process that starts the worker again when it ends by itself.

A worker that cannot go on ends, and its successor recovers from Kafka: that needs somebody who starts the successor.
The parent holds no state and no connection. It forks before anything heavy is imported or any thread runs.
"""

import contextlib
import os
import signal
import sys
import threading
import time
from types import FrameType
from typing import NoReturn

import click

FIRST_DELAY_S, LONGEST_DELAY_S = 1.0, 30.0
HEALTHY_AFTER_S = 60.0  # a worker that ran for so long had no lasting trouble: the next delay is the first one again
ORPHAN_STOPS_WITHIN_S = 10.0

EXIT_REFUSED, EXIT_USAGE = 1, 2  # settings are wrong: another start would find the same
EXIT_CRASHED = 8  # an exception ended the worker
EXIT_NO_KAFKA = 9  # Kafka did not answer, or its topics were not as they must be
_LASTING = (0, EXIT_REFUSED, EXIT_USAGE)

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def delay_after(previous_s: float, ran_s: float) -> float:
    """How long to wait before the next start; `previous_s` is the last delay, 0 before the first."""
    if previous_s == 0 or ran_s >= HEALTHY_AFTER_S:
        return FIRST_DELAY_S
    return min(previous_s * 2, LONGEST_DELAY_S)


def ended_for_good(code: int, *, had_started: bool) -> bool:
    """True when a worker that ended with `code` is not started again.

    `had_started`: a worker ran for `FIRST_DELAY_S` or longer and ended otherwise before. Without that a Kafka that does
    not answer is more likely a wrong address.
    """
    return code in _LASTING or (code == EXIT_NO_KAFKA and not had_started)


class Supervisor:
    """One worker under a parent. SIGTERM and SIGINT are passed on to the worker, and waited for."""

    def __init__(self) -> None:
        """Nothing starts before `run`."""
        self._worker: int | None = None
        self._is_stopping = False
        # The worker reads from it and sees its end when the parent is gone, however that happened; this works on
        # every Unix, prctl on Linux only.
        self._alive, self._life = os.pipe()

    def run(self) -> None:
        """Start the worker, and again when it ends by itself.

        Returns in the worker's process only. The parent ends with the worker's exit code.
        """
        for number in _SIGNALS:
            signal.signal(number, self._pass_on)
        delay_s, had_started = 0.0, False
        while True:
            began = time.monotonic()
            if self._fork():
                return
            code = self._wait()
            if self._is_stopping or ended_for_good(code, had_started=had_started):
                # a Kafka that was never there is an input that is refused
                self._end(EXIT_REFUSED if code == EXIT_NO_KAFKA else code)
            had_started = had_started or code != EXIT_NO_KAFKA
            delay_s = delay_after(delay_s, time.monotonic() - began)
            click.echo(f"the worker ended with {_named(code)}; it starts again in {delay_s:g} s", err=True)
            self._rest(delay_s)

    def _fork(self) -> bool:
        """Start the worker. True in its process. Signals wait, so that none is lost between the two."""
        sys.stdout.flush()
        sys.stderr.flush()
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        worker = os.fork()
        if worker:
            self._worker = worker
        else:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            os.close(self._life)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        if not worker:
            threading.Thread(target=_end_with_parent, args=(self._alive,), name="parent", daemon=True).start()
        return not worker

    def _wait(self) -> int:
        _, status = os.waitpid(self._worker or 0, 0)
        self._worker = None
        return os.waitstatus_to_exitcode(status)

    def _rest(self, delay_s: float) -> None:
        until = time.monotonic() + delay_s
        while time.monotonic() < until:
            if self._is_stopping:
                self._end(0)
            time.sleep(0.05)
        if self._is_stopping:
            self._end(0)

    def _pass_on(self, number: int, _frame: FrameType | None) -> None:
        self._is_stopping = True
        if self._worker is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._worker, number)

    def _end(self, code: int) -> NoReturn:
        # by the convention of shells for a worker that a signal ended
        sys.exit(128 - code if code < 0 else code)


def _named(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else str(code)


def _end_with_parent(alive: int) -> None:
    """Wait for the end of the parent; then stop in order, and after a while in any way."""
    os.read(alive, 1)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(ORPHAN_STOPS_WITHIN_S)
    os._exit(EXIT_CRASHED)
