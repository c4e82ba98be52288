"""Run a command that ends with the process that started it: `python with_parent.py PARENT COMMAND…`.

Linux kills it when the thread that started it ends (PR_SET_PDEATHSIG, which survives exec). A program of its own does
that, with the standard library only and in 15 ms: the same in `preexec_fn` would run in a copy of a process with
threads, and gRPC's handlers of such a fork with it.
"""

import ctypes
import os
import signal
import sys
from typing import NoReturn

_PR_SET_PDEATHSIG = 1


def with_parent(command: list[str]) -> list[str]:
    """The command that runs `command` in this way, for `subprocess`. It keeps its process id."""
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), *command]


def run() -> NoReturn:
    """Run as a program."""
    parent, *command = sys.argv[1:]
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != int(parent):  # it died before the line above, and no signal will come
            sys.exit(1)
    os.execvp(command[0], command)  # noqa: S606  # no shell is wanted


if __name__ == "__main__":
    run()
