"""Few file descriptors: one clear message before anything starts, and a remedy in the log when they run out."""

import asyncio
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from schemas.topics import Topics
from tests.support.kafka import TestBroker, Unique
from tests.support.processor import running_processor
from tests.support.simulator import running_simulator
from tests.support.sinks import eventually
from tests.support.source import connect_process, source_config, worker_properties, write_properties

pytestmark = pytest.mark.broker

FEW = 40


def complaint(*arguments: str, limit: int = FEW) -> str:
    """The one line that a command says that refuses to start under a limit of open files."""
    done = subprocess.run(
        ["sh", "-c", f'ulimit -n {limit}; exec "$@"', "sh", sys.executable, "-m", "byoc", *arguments],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    (line,) = done.stderr.strip().splitlines()
    return line


def is_clear(line: str, whose: str) -> bool:
    return f"starting {whose}: RLIMIT_NOFILE is {FEW}" in line and "ulimit -n 1024" in line


def test_streams_names_the_limit_before_it_starts(kafka: TestBroker, catalogue: Topics):
    names = ("--prefix", catalogue.prefix, "--app-id", catalogue.app_id)
    assert is_clear(complaint("streams", "--bootstrap-servers", kafka.bootstrap_servers, *names), "byoc streams")


def test_streams_needs_more_for_more_partitions():
    said = complaint("streams", "--bootstrap-servers", "127.0.0.1:1", "--partitions", "1000", limit=4000)
    assert "about 12064 open files" in said


async def test_connect_names_the_limit_before_it_starts(kafka: TestBroker, catalogue: Topics, tmp_path):
    async with running_simulator() as sim:
        worker = write_properties(tmp_path / "w", worker_properties(kafka.bootstrap_servers, catalogue))
        connector = write_properties(tmp_path / "c.properties", source_config(sim))
        assert is_clear(complaint("connect", str(worker), str(connector)), "byoc connect")


def open_files(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


@pytest.mark.parametrize("partitions", [1, 8])
def test_what_streams_opens_is_below_the_estimate(kafka: TestBroker, unique: Unique, tmp_path, partitions: int):
    topics = kafka.create_catalogue(unique.topics, partitions)
    with running_processor(kafka, topics, tmp_path, "--partitions", str(partitions)) as processor:
        opened = open_files(processor.child.pid)
    assert opened <= 64 + 12 * partitions
    assert opened <= 32 + 7 * partitions, "the figures in streams/cli.py are of another time"


async def test_a_worker_that_runs_out_says_so_and_goes_on(kafka: TestBroker, catalogue: Topics, tmp_path):
    async with running_simulator(keepalive_s=30) as sim:
        properties = worker_properties(kafka.bootstrap_servers, catalogue)
        async with connect_process(tmp_path, properties, source_config(sim)) as process:
            pid = process.process.pid
            few = open_files(pid) + 3
            before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (few, before[1]))
            host, port = process.rest_url.removeprefix("http://").split(":")
            held = [await asyncio.open_connection(host, int(port)) for _ in range(8)]
            assert process.process.stderr is not None
            line = ""
            while "Too many open files" not in line and "too many open files" not in line:
                line = (await asyncio.wait_for(process.process.stderr.readline(), 30)).decode()
            assert f"RLIMIT_NOFILE of this process is {few}" in line
            assert "ulimit -n" in line
            for _, writer in held:
                writer.close()
            sim.publish_message("c1", "hello")
            resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
            await eventually(lambda: kafka.read_committed(catalogue.events) or None, "the event")
            assert await process.stop() == 0
