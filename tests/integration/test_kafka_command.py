"""`byoc kafka up|status|down` as a user calls it: separate processes, a folder, a port."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from byoc.kafka import admin
from tests.support.kafka import TestBroker
from tests.support.sources import ROOT

pytestmark = pytest.mark.broker


def environment(**changes: str) -> dict[str, str]:
    inherited = {k: v for k, v in os.environ.items() if k != "KAFKA_BOOTSTRAP_SERVERS"}  # noqa: TID251  # a child's
    return inherited | changes


def byoc(*words: str, **changes: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "byoc", "kafka", *words],
        cwd=ROOT,
        env=environment(**changes),
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )


def facts(line: str) -> dict[str, str]:
    """`ready kafka=… pid=… dir=…` as a dict."""
    words = line.split()
    assert words[0] == "ready"
    return dict(word.partition("=")[::2] for word in words[1:] if "=" in word)


def test_up_status_down_and_again_on_the_same_data(session_kafka: str, tmp_path: Path):
    folder = tmp_path / "node"
    up = byoc("up", "--port", "0", "--dir", str(folder))
    assert up.returncode == 0, up.stderr
    try:
        node = facts(up.stdout)
        assert admin.answers(node["kafka"], timeout_s=5)
        assert facts(byoc("status", "--dir", str(folder)).stdout) == node
        assert "was running" in byoc("up", "--port", "0", "--dir", str(folder)).stdout
        other_port = byoc("up", "--port", "1", "--dir", str(folder))
        assert other_port.returncode == 1
        assert node["kafka"].rpartition(":")[2] in other_port.stderr
    finally:
        down = byoc("down", "--dir", str(folder), "--delete")
    assert down.stdout == f"stopped kafka={node['kafka']}\n"
    assert not psutil.pid_exists(int(node["pid"]))
    assert not folder.exists()
    stopped = byoc("status", "--dir", str(folder))
    assert (stopped.returncode, stopped.stdout) == (1, "")
    assert "start it with `byoc kafka up`" in stopped.stderr


def test_in_the_foreground_it_ends_on_sigterm_with_code_0(session_kafka: str, tmp_path: Path):
    words = [sys.executable, "-m", "byoc", "kafka", "up", "--foreground", "--port", "0", "--dir", str(tmp_path / "n")]
    with subprocess.Popen(words, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        node = facts(process.stdout.readline())
        process.send_signal(signal.SIGTERM)
        assert process.wait(40) == 0
    assert not psutil.pid_exists(int(node["pid"]))


def test_a_kafka_that_ends_by_itself_ends_the_foreground_command_with_code_1(session_kafka: str, tmp_path: Path):
    words = [sys.executable, "-m", "byoc", "kafka", "up", "--foreground", "--port", "0", "--dir", str(tmp_path / "n")]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(words, cwd=ROOT, env=environment(), **pipes) as process:
        node = facts(process.stdout.readline())
        os.kill(int(node["pid"]), signal.SIGKILL)
        _, told = process.communicate(timeout=40)
    assert process.returncode == 1
    (line,) = told.splitlines()
    assert "ended by itself" in line


def test_an_existing_cluster_is_used_and_nothing_started(kafka: TestBroker, tmp_path: Path):
    up = byoc("up", "--dir", str(tmp_path / "n"), KAFKA_BOOTSTRAP_SERVERS=kafka.bootstrap_servers)
    assert up.stdout == f"ready kafka={kafka.bootstrap_servers} (KAFKA_BOOTSTRAP_SERVERS)\n"
    assert not (tmp_path / "n").exists()


def test_an_existing_cluster_that_does_not_answer_is_named(tmp_path: Path):
    up = byoc("status", KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:1")
    assert up.returncode == 1
    (line,) = up.stderr.splitlines()
    assert "KAFKA_BOOTSTRAP_SERVERS=127.0.0.1:1 does not answer" in line


def test_a_folder_that_is_no_node_is_not_deleted(tmp_path: Path):
    (tmp_path / "thesis.txt").write_text("years of work")
    down = byoc("down", "--dir", str(tmp_path), "--delete")
    assert down.returncode == 1
    assert (tmp_path / "thesis.txt").exists()
