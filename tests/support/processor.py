"""A real streams worker, and what it reads and writes, for one test."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec.structs import replace

from byoc.errors import ByocError
from byoc.system.child import Child
from byoc.system.http import get_json
from schemas import records
from schemas.codec import decode, encode
from schemas.topics import Topics
from tests.support.kafka import TestBroker
from tests.support.sources import ROOT

PATIENCE_S = 45.0
R = TypeVar("R", bound=msgspec.Struct)


class Processor:
    """A `byoc streams` process on the catalogue of one test."""

    def __init__(self, broker: TestBroker, topics: Topics, folder: Path) -> None:
        self._broker = broker
        self._topics = topics
        self._folder = folder
        self.child: Child | None = None
        self.url = ""

    def start(self, *options: str) -> None:
        """Start the worker, or start it again, and wait until it serves."""
        self.child = Child(
            "streams",
            [
                *(
                    "streams",
                    "--no-supervisor",
                    "--bootstrap-servers",
                    self._broker.bootstrap_servers,
                    "--web-port",
                    "0",
                ),
                *("--prefix", self._topics.prefix, "--app-id", self._topics.app_id),
                *("--data-dir", str(self._folder), "--session-timeout-s", "6", *options),
            ],
            self._folder / "streams.log",
        )
        self.url = f"http://{self.child.wait_ready()['http']}"

    def stop(self) -> int:
        """Stop it in order; its exit code."""
        return self.child.stop() if self.child is not None else 0

    def publish(self, *found: records.OutboundEvent) -> None:
        """Mirror events, as the source connector would."""
        self._broker.produce(self._topics.events, [(e.conversation_id.encode(), encode(e)) for e in found])

    def decide(self, *found: records.RoutingDecision) -> None:
        """Answer routing requests, as the partner's router would."""
        self._broker.produce(self._topics.routing_decisions, [(d.conversation_id.encode(), encode(d)) for d in found])

    def read(self, topic: str, record_type: type[R]) -> list[R]:
        """Committed records of an output topic."""
        return [decode(record_type, found.value or b"") for found in self._broker.read_committed(topic)]

    def await_records(self, topic: str, record_type: type[R], count: int) -> list[R]:
        """The records of an output topic once there are `count`; fails after `PATIENCE_S`."""
        found: list[R] = eventually(
            lambda: found if len(found := self.read(topic, record_type)) >= count else None, topic
        )
        return found

    def await_consumed(self) -> None:
        """Wait until everything on the events topic is committed by the worker's group."""

        def consumed() -> bool:
            ends = self._broker.end_offsets(self._topics.events)
            positions = self._broker.committed_offsets(self._topics.app_id, self._topics.events)
            return all((positions.get(partition) or 0) >= end for partition, end in ends.items())

        eventually(lambda: consumed() or None, "all input committed")

    def get(self, path: str) -> Any:
        """A query's answer; None while it is an error."""
        try:
            return get_json(self.url + path)
        except ByocError:
            return None


def eventually(look: Callable[[], R | Any], what: str) -> Any:
    """The first answer of `look` that is not None; fails naming `what` after `PATIENCE_S`."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        found = look()
        if found is not None:
            return found
        time.sleep(0.2)
    raise AssertionError(f"waiting for {what}: not seen in {PATIENCE_S:g} s")


def live(found: Any, *, age_ms: int = 0, conversation_id: str | None = None) -> Any:
    """A built event as if created `age_ms` ago and mirrored at once."""
    created_at_ms = time.time_ns() // 1_000_000 - age_ms
    changed: dict[str, Any] = {"created_at_ms": created_at_ms, "received_at_ms": created_at_ms + 20}
    if conversation_id is not None:
        changed["conversation_id"] = conversation_id
    return replace(found, **changed)


@contextmanager
def running_processor(broker: TestBroker, topics: Topics, folder: Path, *options: str) -> Iterator[Processor]:
    """A started worker that is stopped at the end."""
    processor = Processor(broker, topics, folder)
    try:
        processor.start(*options)
        yield processor
    finally:
        processor.stop()


def complaint(*arguments: str) -> str:
    """The one line that `byoc streams ARGUMENTS` says when it refuses, with exit code 1."""
    done = subprocess.run(
        [sys.executable, "-m", "byoc", "streams", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    return lines[0]
