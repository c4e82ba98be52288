"""The supervisor with real worker processes, run inside this one: nothing of it stays behind, and nothing is copied."""

import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import grpc
import pytest
from click.testing import CliRunner

from byoc.cli import main
from streams.supervisor import ORPHAN_STOPS_WITHIN_S, Supervisor, ending_with_parent
from tests.support.sources import ROOT

STOPS = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)

# Says that it runs, and ends with 5 when it is asked to.
OBEDIENT = """
import pathlib, signal, sys, time
for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, lambda number, frame: sys.exit(5))
pathlib.Path({ready!r}).touch()
time.sleep(60)
"""

# Ends with the codes of its first argument, one a start, and counts its starts in a file.
CODES = """
import os, pathlib, sys
starts = pathlib.Path({starts!r})
number = len(starts.read_text()) if starts.exists() else 0
starts.write_text("x" * (number + 1))
code = {codes!r}[number]
os.kill(os.getpid(), -code) if code < 0 else sys.exit(code)
"""

# A worker under a parent that will be killed; it stops in order, or not at all.
ORPHAN = """
import os, pathlib, signal, sys, time
from streams.supervisor import ending_with_parent
if {stubborn!r}:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
else:
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
with ending_with_parent(int(sys.argv[1].partition("=")[2])):
    pathlib.Path({pid!r}).write_text(str(os.getpid()))
    time.sleep(60)
"""


def script(text: str) -> list[str]:
    return [sys.executable, "-c", text]


def open_pipes() -> int:
    """How many ends of pipes are open here; of other files gRPC opens and closes some at any time."""
    found = 0
    for name in Path("/dev/fd").iterdir():
        with suppress(OSError):  # it may be closed by now: the one that listed the folder is
            found += stat.S_ISFIFO(os.fstat(int(name.name)).st_mode)
    return found


@contextmanager
def nothing_stays() -> Iterator[None]:
    """No thread, pipe, copy of this process or signal handler is there afterwards that was not there before."""
    process, threads, pipes = os.getpid(), set(threading.enumerate()), open_pipes()
    handlers = [signal.getsignal(number) for number in STOPS]
    yield
    assert os.getpid() == process, "a copy of this process went on"
    assert set(threading.enumerate()) <= threads
    assert open_pipes() == pipes
    assert [signal.getsignal(number) for number in STOPS] == handlers


def appears(path: Path) -> str:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if path.exists() and (text := path.read_text()):
            return text
        time.sleep(0.02)
    raise AssertionError(f"{path.name}: nothing wrote it")


class Grpc:
    """A gRPC server and a client in this process: their threads run while the supervisor starts processes."""

    def __enter__(self) -> "Grpc":
        handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.unary_unary_rpc_method_handler(lambda request, _: request)
        self._server = grpc.server(ThreadPoolExecutor(2))
        self._server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("Echo", {"Say": handler})])
        port = self._server.add_insecure_port("127.0.0.1:0")
        self._server.start()
        self._channel = grpc.insecure_channel(f"127.0.0.1:{port}")
        return self

    def __exit__(self, *_: object) -> None:
        self._channel.close()
        self._server.stop(None).wait()

    def works(self, word: bytes) -> bool:
        say: grpc.UnaryUnaryMultiCallable[bytes, bytes] = self._channel.unary_unary("/Echo/Say")
        return say(word, timeout=10) == word


def test_the_command_in_a_process_with_grpc_leaves_no_thread_and_grpc_works() -> None:
    with Grpc() as rpc, socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert rpc.works(b"before")
        for _ in range(3):
            with nothing_stays():
                ran = CliRunner().invoke(main, ["streams", "--web-port", port])
            assert ran.exit_code == 1
            assert rpc.works(b"after")


@pytest.mark.parametrize(
    ("codes", "end"),
    [
        pytest.param([0], 0, id="an orderly stop"),
        pytest.param([1], 1, id="a refused setting"),
        pytest.param([2], 2, id="a wrong option"),
        pytest.param([9], 1, id="a Kafka that was never there"),
        pytest.param([7, 9, 0], 0, id="a lost transaction, then no Kafka"),
        pytest.param([-9, 1], 1, id="killed, then refused"),
    ],
)
def test_exit_codes_of_real_workers(
    codes: Sequence[int], end: int, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    starts = tmp_path / "starts"
    with nothing_stays():
        assert Supervisor(script(CODES.format(starts=str(starts), codes=list(codes)))).run() == end
    assert len(starts.read_text()) == len(codes)
    assert len(capfd.readouterr().err.splitlines()) == len(codes) - 1  # one line a restart


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_reaches_the_worker_and_its_code_is_the_end(number: signal.Signals, tmp_path: Path) -> None:
    ready = tmp_path / "ready"

    def stop() -> None:
        while not ready.exists():
            time.sleep(0.02)
        os.kill(os.getpid(), number)

    stopping = threading.Thread(target=stop)
    stopping.start()
    with nothing_stays():
        assert Supervisor(script(OBEDIENT.format(ready=str(ready)))).run() == 5
    stopping.join()


class Told:
    """What the supervisor said so far."""

    def __init__(self, capfd: pytest.CaptureFixture[str]) -> None:
        self._capfd = capfd
        self._text = ""

    def lines(self) -> list[str]:
        self._text += self._capfd.readouterr().err
        return self._text.splitlines()

    def await_restart(self) -> None:
        while not any("starts again" in line for line in self.lines()):
            time.sleep(0.02)


def test_a_worker_that_is_ended_by_the_signal_is_told_as_shells_tell_it(tmp_path: Path) -> None:
    ready = tmp_path / "ready"

    def stop() -> None:
        appears(ready)
        os.kill(os.getpid(), signal.SIGTERM)

    stopping = threading.Thread(target=stop)
    stopping.start()
    worker = f"import pathlib, time; pathlib.Path({str(ready)!r}).write_text('x'); time.sleep(60)"
    assert Supervisor(script(worker)).run() == 128 + signal.SIGTERM
    stopping.join()


def test_a_signal_while_no_worker_runs_ends_with_0(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    starts = tmp_path / "starts"

    def stop() -> None:
        Told(capfd).await_restart()
        os.kill(os.getpid(), signal.SIGTERM)

    stopping = threading.Thread(target=stop)
    stopping.start()
    assert Supervisor(script(CODES.format(starts=str(starts), codes=[8, 8, 8]))).run() == 0
    stopping.join()
    assert starts.read_text() == "x"


def test_a_worker_that_cannot_be_started_is_tried_again(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    program, told = tmp_path / "worker", Told(capfd)

    def mend() -> None:
        told.await_restart()
        program.write_text("#!/bin/sh\nexit 0\n")
        program.chmod(0o700)

    mending = threading.Thread(target=mend)
    mending.start()
    assert Supervisor([str(program)]).run() == 0
    mending.join()
    assert told.lines()[:2] == [
        "starting the worker: No such file or directory",
        "the worker ended with 8; it starts again in 1 s",
    ]


def test_exit_codes_are_seen_where_ended_children_are_ignored(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        with nothing_stays():
            assert Supervisor(script(CODES.format(starts=str(tmp_path / "starts"), codes=[2]))).run() == 2
    finally:
        signal.signal(signal.SIGCHLD, before)


@pytest.mark.parametrize(("stubborn", "within_s"), [(False, 5.0), (True, ORPHAN_STOPS_WITHIN_S + 5.0)])
def test_a_worker_ends_when_its_parent_is_killed(*, stubborn: bool, within_s: float, tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    worker = script(ORPHAN.format(stubborn=stubborn, pid=str(pid_file)))
    supervisor = subprocess.Popen(
        script(f"from streams.supervisor import Supervisor; Supervisor({worker!r}).run()"), cwd=ROOT
    )
    pid = int(appears(pid_file))
    supervisor.kill()
    supervisor.wait()
    deadline = time.monotonic() + within_s
    while is_running(pid):
        assert time.monotonic() < deadline, "the worker outlived its parent"
        time.sleep(0.05)


def test_the_thread_that_watches_the_parent_ends_with_the_worker() -> None:
    asked_to_stop: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: asked_to_stop.append(number))
    alive, life = os.pipe()
    pipes = open_pipes()
    try:
        with ending_with_parent(alive):
            assert "parent" in {thread.name for thread in threading.enumerate()}
        assert "parent" not in {thread.name for thread in threading.enumerate()}
        assert asked_to_stop == []
        assert open_pipes() == pipes - 1  # its end of the pipe is closed
    finally:
        os.close(life)
        signal.signal(signal.SIGTERM, before)


def is_running(pid: int) -> bool:
    shown = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return bool(shown.strip()) and not shown.strip().startswith("Z")
