"""Counting workers under load, what is done to them, and the count at the end of what was lost or doubled."""

import os
import random
import signal
import struct
import subprocess
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from confluent_kafka import Producer

from byoc.errors import BrokerError
from schemas.kafka_settings import idempotent_producer
from schemas.topics import TopicSpec
from streams.runtime.app import EXIT_LOST
from tests.support.counting_worker import PARTITIONS
from tests.support.kafka import TestBroker, Unique

PATIENCE_S = 60.0
KEYS = 200
ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a `read_committed` reader and the state say about the events sent."""

    sent: int
    lost: int
    duplicated: int
    reordered_keys: int
    wrong_states: int

    @property
    def is_exactly_once(self) -> bool:
        """Every event once, in order per key, and counted once."""
        return self.sent > 0 and not (self.lost or self.duplicated or self.reordered_keys or self.wrong_states)


class Worker:
    """A counting worker in its own process, with its log."""

    def __init__(self, arguments: list[str], log_file: Path) -> None:
        self.log_file = log_file
        with log_file.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.counting_worker", *arguments],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    @property
    def log(self) -> str:
        """What it printed so far."""
        return self.log_file.read_text(errors="replace")

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._process.poll()

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        os.kill(self._process.pid, number)

    def wait(self, timeout_s: float = PATIENCE_S) -> int:
        """Wait for the end; return the exit code."""
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(
                f"the worker did not end in {timeout_s:g} s; its log ends: {self.log[-2000:]}"
            ) from None

    def kill(self) -> None:
        """End it as `kill -9` does, also when it is stopped."""
        if self.exit_code is None:
            self._process.kill()
        self._process.wait()


class Feeder(threading.Thread):
    """Sends events `{"n": 0}`, `{"n": 1}`, … at a rate, keys taken in turn, until `finish`."""

    def __init__(self, bootstrap_servers: str, topic: str, rate: float) -> None:
        super().__init__(name=f"feeder-{topic}", daemon=True)
        self.sent = 0
        self._topic = topic
        self._rate = rate
        self._finished = threading.Event()
        self._failures: list[Any] = []
        self._producer = Producer({**idempotent_producer(bootstrap_servers), "log_level": 0})

    def run(self) -> None:
        started = time.monotonic()
        while not self._finished.wait(0.01):
            due = int((time.monotonic() - started) * self._rate)
            while self.sent < due:
                self._producer.produce(
                    self._topic,
                    msgspec.json.encode({"n": self.sent}),
                    f"k{self.sent % KEYS}",
                    on_delivery=self._delivered,
                )
                self.sent += 1
            self._producer.poll(0)

    def finish(self) -> int:
        """Stop; return the number of events sent when all are acknowledged."""
        self._finished.set()
        self.join()
        remaining = self._producer.flush(PATIENCE_S)
        assert not remaining, f"{remaining} of {self.sent} events were not acknowledged"
        assert not self._failures, f"sending failed: {self._failures[0]}"
        return self.sent

    def _delivered(self, error: Any, _message: object) -> None:
        if error is not None:
            self._failures.append(error)


class FaultRun:
    """One application, its topics, its workers and its feeder."""

    def __init__(self, broker: TestBroker, unique: Unique, folder: Path, *, seed: int, rate: float = 1500) -> None:
        self.broker = broker
        self.app_id = unique.app_id
        self.topic = unique.name("in")
        self.output, self.changelog = f"{self.topic}-out", f"{self.app_id}-counts-changelog"
        self.random = random.Random(seed)
        self.workers: list[Worker] = []
        self.restarts_lost_workers = False  # as a supervisor does
        self.settle_timeout_s = 30.0
        self._folder = folder
        compact = {"cleanup.policy": "compact"}
        specs = [TopicSpec(name=name, partitions=PARTITIONS, config={}) for name in (self.topic, self.output)]
        specs.append(TopicSpec(name=self.changelog, partitions=PARTITIONS, config=compact))
        broker.create_topics(specs)
        broker.delete_on_exit(f"{self.app_id}-__assignor-__leader")
        self.feeder = Feeder(broker.bootstrap_servers, self.topic, rate)

    def start_worker(self, **options: object) -> Worker:
        """Start one more worker; it joins when it is up."""
        number = len(self.workers)
        arguments = {
            "app": self.app_id,
            "topic": self.topic,
            "kafka": self.broker.bootstrap_servers,
            "session_timeout_s": 6,
            "settle_timeout_s": self.settle_timeout_s,
            "datadir": self._folder / f"worker-{number}",
            **options,
        }
        worker = Worker([f"{name}={value}" for name, value in arguments.items()], self._folder / f"worker-{number}.log")
        self.workers.append(worker)
        return worker

    def spread(self, least_s: float, most_s: float) -> float:
        """A seeded number of seconds."""
        return self.random.uniform(least_s, most_s)

    def until_outputs(self, more: int, patience_s: float = PATIENCE_S) -> None:
        """Wait until about `more` further outputs are committed: the workers make progress."""
        goal = self._committed_outputs() + more
        self.until(lambda: self._committed_outputs() >= goal, f"{more} more outputs", patience_s)

    def until(self, condition: Callable[[], bool], what: str, patience_s: float = PATIENCE_S) -> None:
        """Wait for a condition; fails, naming it and the workers' logs, when it does not come in time."""
        deadline = time.monotonic() + patience_s
        while not _holds(condition):
            if self.restarts_lost_workers and self.workers[-1].exit_code == EXIT_LOST:
                self.start_worker()
            if time.monotonic() > deadline:
                logs = "\n".join(f"--- {w.log_file.name}, exit {w.exit_code}\n{w.log[-1500:]}" for w in self.workers)
                raise AssertionError(f"waited {patience_s:g} s in vain for {what}\n{logs}")
            time.sleep(0.1)

    def verdict(self) -> Verdict:
        """Stop feeding, wait until everything sent is committed, and count. The workers go on."""
        sent = self.feeder.finish()
        ends = self.broker.end_offsets(self.topic)
        self.until(
            lambda: self.broker.committed_offsets(self.app_id, self.topic) == ends,
            f"the commit of all {sent} events: {self.broker.committed_offsets(self.app_id, self.topic)} of {ends}",
        )
        seen: Counter[int] = Counter()
        by_key: defaultdict[bytes | None, list[tuple[int, int]]] = defaultdict(list)
        for message in self.broker.read_committed(self.output):
            value = msgspec.json.decode(message.value or b"")
            seen[value["n"]] += 1
            by_key[message.key].append((value["n"], value["c"]))
        state = {m.key: struct.unpack(">q", m.value or b"")[0] for m in self.broker.read_committed(self.changelog)}
        expected = Counter(f"k{n % KEYS}".encode() for n in range(sent))
        return Verdict(
            sent=sent,
            lost=sent - len(seen),
            duplicated=seen.total() - len(seen),
            reordered_keys=sum(not _is_in_order(found) for found in by_key.values()),
            wrong_states=sum(state.get(key) != count for key, count in expected.items()),
        )

    def close(self) -> None:
        """Kill what still runs."""
        for worker in self.workers:
            worker.kill()

    def _committed_outputs(self) -> int:
        return sum(self.broker.end_offsets(self.output).values())


@contextmanager
def fault_run(broker: TestBroker, unique: Unique, folder: Path, *, seed: int, rate: float = 1500) -> Iterator[FaultRun]:
    """A run that feeds from the start; its processes end with it."""
    run = FaultRun(broker, unique, folder, seed=seed, rate=rate)
    run.feeder.start()
    try:
        yield run
    finally:
        run.close()
        if run.feeder.is_alive():
            run.feeder.finish()


def _holds(condition: Callable[[], bool]) -> bool:
    """False also while a broker that was just started does not answer yet."""
    try:
        return condition()
    except BrokerError:
        return False


def _is_in_order(found: list[tuple[int, int]]) -> bool:
    """Events of a key in the order sent, counted 1, 2, 3, …"""
    numbers, counts = [n for n, _ in found], [c for _, c in found]
    return numbers == sorted(numbers) and counts == list(range(1, len(counts) + 1))
