"""A command that ends with the process that started it (by Linux; elsewhere it only runs)."""

import os
import subprocess
import sys
import time
from pathlib import Path

from byoc.system.with_parent import with_parent
from tests.support.sources import ROOT

PARENT = """
import subprocess, sys, time
from byoc.system.with_parent import with_parent
print(subprocess.Popen(with_parent([sys.executable, "-c", "import time; time.sleep(60)"])).pid, flush=True)
time.sleep(60)
"""


def test_the_command_keeps_its_process_id_its_variables_and_its_exit_code() -> None:
    words = [sys.executable, "-c", "import os, sys; print(os.getpid(), os.environ['NAME']); sys.exit(3)"]
    started = subprocess.Popen(with_parent(words), stdout=subprocess.PIPE, text=True, env={"NAME": "value"})
    said, _ = started.communicate(timeout=30)
    assert said.split() == [str(started.pid), "value"]
    assert started.returncode == 3


def test_it_is_killed_with_its_parent() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True, cwd=ROOT) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        parent.kill()
    deadline = time.monotonic() + 20
    while _is_running(child):
        assert time.monotonic() < deadline, "the child outlived its parent"
        time.sleep(0.05)


def test_it_does_not_start_for_a_parent_that_is_gone(tmp_path: Path) -> None:
    written = tmp_path / "written"
    words = with_parent([sys.executable, "-c", f"open({str(written)!r}, 'w')"])
    words[words.index(str(os.getpid()))] = "1"  # whose child it is not
    assert subprocess.run(words, check=False).returncode == 1
    assert not written.exists()


def _is_running(pid: int) -> bool:
    shown = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return bool(shown.strip()) and not shown.strip().startswith("Z")
