"""`byoc streams` as it is started by hand: a worker under a parent that starts it again."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from byoc.errors import BrokerError
from byoc.local_kafka.local import LocalKafka
from schemas import records
from schemas.topics import Topics
from tests.support import domain
from tests.support.kafka import TestBroker, Unique
from tests.support.processor import Processor, eventually, live

pytestmark = pytest.mark.broker

AWAY_S = 60.0  # twice the 30 s after which a worker gives its transaction up


class Supervised(Processor):
    """The command with its parent process."""

    process: subprocess.Popen[bytes]

    @property
    def log(self) -> str:
        """What both wrote."""
        return (self._folder / "supervised.log").read_text()

    @property
    def restarts(self) -> list[str]:
        """The lines of the parent, one a restart."""
        return [line for line in self.log.splitlines() if "starts again" in line]

    def launch(self) -> None:
        """Start the command, and wait until its worker serves."""
        with (self._folder / "supervised.log").open("wb") as log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "byoc", "streams", "--bootstrap-servers", self._broker.bootstrap_servers),
                    *("--web-port", "0", "--prefix", self._topics.prefix, "--app-id", self._topics.app_id),
                    *("--data-dir", str(self._folder), "--session-timeout-s", "6"),
                ],
                stdout=log,
                stderr=log,
                start_new_session=True,  # as in a terminal of its own
            )
        self.await_ready(1)

    def await_ready(self, count: int) -> None:
        """Wait for the `ready` line of the worker number `count`."""

        def found() -> str | None:
            assert self.process.poll() is None, self.log
            lines = [line for line in self.log.splitlines() if line.startswith("ready ")]
            return lines[count - 1] if len(lines) >= count else None

        self.url = "http://" + eventually(found, f"worker {count} is ready").split("http=")[1].split()[0]

    def worker_pid(self) -> int | None:
        """The worker's process; None between two."""
        found = subprocess.run(["pgrep", "-P", str(self.process.pid)], capture_output=True, text=True, check=False)
        return int(found.stdout.split()[0]) if found.stdout.strip() else None


@contextmanager
def supervised(broker: TestBroker, topics: Topics, folder: Path) -> Iterator[Supervised]:
    """A running one, ended with its worker at the end."""
    command = Supervised(broker, topics, folder)
    try:
        command.launch()
        yield command
    finally:
        command.process.kill()
        command.process.wait()


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return not state.strip().startswith("Z") and state.strip() != ""


def test_a_killed_worker_is_replaced_and_the_command_stops_in_order(
    kafka: TestBroker, catalogue: Topics, tmp_path: Path
) -> None:
    with supervised(kafka, catalogue, tmp_path) as command:
        first = command.worker_pid()
        assert first is not None
        os.kill(first, signal.SIGKILL)
        killed_at = time.monotonic()
        eventually(lambda: True if command.worker_pid() not in (None, first) else None, "another worker")
        assert time.monotonic() - killed_at < 3
        assert "the worker ended with SIGKILL; it starts again in 1 s" in command.log
        command.await_ready(2)
        command.publish(live(domain.message("Hello", entry_id="m1")))
        command.await_records(catalogue.deliveries, records.Delivery, 1)
        command.process.send_signal(signal.SIGTERM)
        assert command.process.wait(30) == 0


def test_a_worker_does_not_outlive_its_parent(kafka: TestBroker, catalogue: Topics, tmp_path: Path) -> None:
    with supervised(kafka, catalogue, tmp_path) as command:
        worker = command.worker_pid()
        assert worker is not None
        command.process.kill()
        command.process.wait()
        eventually(lambda: None if is_running(worker) else True, "the worker's end")


def test_ctrl_c_in_a_terminal_stops_both_in_order(kafka: TestBroker, catalogue: Topics, tmp_path: Path) -> None:
    with supervised(kafka, catalogue, tmp_path) as command:
        worker = command.worker_pid()
        assert worker is not None
        os.killpg(command.process.pid, signal.SIGINT)  # a terminal signals both; the parent passes it on, too
        assert command.process.wait(30) == 0
        assert not is_running(worker)
        assert command.restarts == []
        assert "Traceback" not in command.log


def test_the_processor_works_again_after_kafka_was_away_for_a_minute(
    own_kafka: LocalKafka, unique: Unique, tmp_path: Path
) -> None:
    broker = TestBroker(own_kafka.bootstrap_servers)
    topics = broker.create_catalogue(unique.topics)
    with supervised(broker, topics, tmp_path) as command:
        command.publish(*(live(domain.message("Hello", entry_id=f"m{number}")) for number in range(200)))
        own_kafka.pause()
        worker = command.worker_pid()
        assert worker is not None
        os.kill(worker, signal.SIGKILL)  # so that its successors find no Kafka
        time.sleep(AWAY_S)
        eventually(lambda: True if len(command.restarts) >= 3 else None, "successors that found no Kafka")
        own_kafka.resume()
        command.publish(live(domain.message("Bye", entry_id="last")))
        eventually(lambda: _is_read(command, topics), "all deliveries")
        found = command.read(topics.deliveries, records.Delivery)
        assert command.process.poll() is None, command.log
        command.process.terminate()
        assert command.process.wait(30) == 0
    assert len({each.delivery_id for each in found}) == len(found) == 201
    # each of the successors waited 10 s for Kafka
    assert command.restarts[:3] == [
        "the worker ended with SIGKILL; it starts again in 1 s",
        "the worker ended with 9; it starts again in 2 s",
        "the worker ended with 9; it starts again in 4 s",
    ]


def _is_read(command: Supervised, topics: Topics) -> bool | None:
    try:
        found = command.read(topics.deliveries, records.Delivery)
    except BrokerError:  # a broker that was away takes its partitions over again, with a new leader epoch
        return None
    return True if len(found) >= 201 else None
