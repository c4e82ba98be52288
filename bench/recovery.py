"""`recovery.records_per_s`: a real worker restores its three tables from their changelogs.

The changelogs are written beforehand: the values that the core makes of real events, one record per change. The time
is what the worker's own log says: from "Restoring state" (joined, fenced, ends known) to "Recovery complete"
(restored, timers rebuilt, positions found, partitions resumed). Afterwards conversations and requests must be there
as they were written, and repeats of known entries must be recognised.
"""

import json
import re
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec

from bench.errors import MeasurementError
from bench.events import Played, play
from bench.following import follow
from bench.kafka import BY_KEY, CommittedEnds, CommittedReader, GroupProgress, Record, partition_of, write
from bench.results import Result
from bench.setting import PARTITIONS, Bench, now_ms
from schemas.topics import STATE_TABLES, Topics
from streams.core.apply import apply
from streams.core.model.keys import routing_key
from streams.core.model.rules import Rules
from streams.core.model.state import Conversation, RoutingRequest, Seen
from streams.core.model.step import CONVERSATIONS, ROUTING, SEEN
from streams.runtime.handoff import MAX_BATCH
from streams.state.seen import SeenIndex

EVENTS = 200_000  # about 0.9 changelog records each
REPEATS = 500
CHECKED_CONVERSATIONS = 300
RECOVERY_TIMEOUT_S = 120.0

Change = tuple[str, bytes, bytes]  # table, key, value
_encode = msgspec.msgpack.Encoder().encode

_STARTED = "Restoring state from changelog topics"
_ENDED = "Recovery complete, partitions resumed"
_TIME = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}) ")


@dataclass(slots=True)
class Folded:
    """The state that the events of one partition make."""

    conversations: dict[str, Conversation] = field(default_factory=dict)
    requests: dict[str, RoutingRequest] = field(default_factory=dict)
    entries: dict[str, Seen] = field(default_factory=dict)
    unwritten: SeenIndex = field(default_factory=SeenIndex)
    applied: int = 0

    def conversation(self, conversation_id: str) -> Conversation | None:
        """The conversation as the fold has it so far."""
        return self.conversations.get(conversation_id)

    def request(self, conversation_id: str, request_id: str) -> RoutingRequest | None:
        """The routing request as the fold has it so far."""
        return self.requests.get(routing_key(conversation_id, request_id))

    def seen(self, key: str) -> Seen | None:
        """The remembered entry under this key."""
        return self.entries.get(key)

    def take(self, played: Played, at_ms: int, rules: Rules) -> Iterator[Change]:
        """Apply one event; yields each change."""
        step = apply(self, played.record, at_ms, rules)
        if step.conversation is not None:
            self.conversations[step.conversation.key] = step.conversation
            yield CONVERSATIONS, step.conversation.key.encode(), _encode(step.conversation)
        for request in step.requests:
            self.requests[request.key] = request
            yield ROUTING, request.key.encode(), _encode(request)
        for key, seen in step.seen:
            self.entries[key] = seen
            self.unwritten.mark_seen(key, seen)
        self.applied += 1
        if self.applied % MAX_BATCH == 0:
            yield from self.segments()

    def segments(self) -> Iterator[Change]:
        """What was seen since the last call, as the processor writes it once per batch."""
        for key, value in self.unwritten.take_segments():
            yield SEEN, key, value


@dataclass(slots=True)
class Written:
    """Changelogs of `records` records, the state of each partition, and some of the events behind it."""

    topics: Topics
    states: list[Folded]
    records: int
    repeats: list[Played]


def measure_recovery(bench: Bench) -> list[Result]:
    """Start a worker on the same changelogs `bench.runs` times."""
    written = _written(bench, bench.events or EVENTS)
    rates = tuple(_run(bench, number, written) for number in range(bench.runs))
    notes = f"{written.records:,} records of {len(STATE_TABLES)} tables"
    return [Result(name="recovery.records_per_s", unit="records/s", runs=rates, notes=notes)]


def _written(bench: Bench, count: int) -> Written:
    topics, rules = bench.topics(), Rules()
    states = [Folded() for _ in range(PARTITIONS)]
    records: dict[str, list[Record]] = {table: [] for table in STATE_TABLES}
    at_ms, repeats = now_ms(), []
    for number, played in enumerate(play(count, now_ms=at_ms)):
        partition = partition_of(played.key, PARTITIONS)
        for table, key, value in states[partition].take(played, at_ms, rules):
            records[table].append((key, value, partition))
        if number >= count - REPEATS and played.delivered_entry_id is not None:
            repeats.append(played)
    for partition, state in enumerate(states):
        records[SEEN] += [(key, value, partition) for _, key, value in state.segments()]
    total = sum(write(bench.bootstrap_servers, topics.changelog(table), records[table]) for table in STATE_TABLES)
    return Written(topics, states, total, repeats)


def _run(bench: Bench, number: int, written: Written) -> float:
    topics = written.topics
    with bench.streams_worker(f"recovery-{number}", topics, "--log-level", "INFO") as worker:
        url = f"http://{worker.wait_ready()['http']}"
        deadline = time.monotonic() + RECOVERY_TIMEOUT_S
        while _ENDED not in worker.output():
            worker.check_running()
            if time.monotonic() > deadline:
                raise MeasurementError(f"recovering {written.records} records took over {RECOVERY_TIMEOUT_S:g} s")
            time.sleep(0.05)
        log = worker.output()
        _check_answers(url, written.states)
        _check_repeats(bench, worker, written)
    return written.records / (logged_at(log, _ENDED) - logged_at(log, _STARTED)).total_seconds()


def logged_at(log: str, message: str) -> datetime:
    """Return when a worker wrote the first line with this message. Raises `MeasurementError` when it did not."""
    for line in log.splitlines():
        stamp = _TIME.match(line)
        if message in line and stamp is not None:
            return datetime.strptime(stamp[1], "%Y-%m-%d %H:%M:%S,%f")  # noqa: DTZ007  two local times, subtracted
    raise MeasurementError(f"reading the worker's log: no line says {message!r}")


def _check_answers(url: str, states: list[Folded]) -> None:
    """The query API must tell what was written, conversation by conversation, and all requests."""
    conversations = {name: value for state in states for name, value in state.conversations.items()}
    step = max(1, len(conversations) // CHECKED_CONVERSATIONS)
    for conversation_id, value in list(conversations.items())[::step]:
        answer = _get(f"{url}/v1/conversations/{conversation_id}?local")
        expected = {name: getattr(value.counters, name) for name in value.counters.__struct_fields__}
        if answer["counters"] != expected or answer["last_activity_ms"] != value.last_activity_ms:
            raise MeasurementError(f"checking the restored state: conversation {conversation_id} differs")
    found, written = _count_requests(url), sum(len(state.requests) for state in states)
    if found != written:
        raise MeasurementError(f"checking the restored state: {found} of {written} requests")


def _count_requests(url: str) -> int:
    """How many routing requests the query API lists, on all pages."""
    page = _get(f"{url}/v1/routing/requests?limit=1000")
    count = len(page["requests"])
    while "next" in page:
        page = _get(f"{url}/v1/routing/requests?limit=1000&after={page['next']}")
        count += len(page["requests"])
    return count


def _get(url: str) -> Any:
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return json.load(answer)
    except urllib.error.URLError as error:
        raise MeasurementError(f"asking {url}: {error}") from error


def _check_repeats(bench: Bench, worker: Any, written: Written) -> None:
    """Entries that were delivered before must not be delivered again: `seen` was restored."""
    servers, topics = bench.bootstrap_servers, written.topics
    ends = CommittedEnds(servers, topics.events, PARTITIONS)
    write(servers, topics.events, ((played.key, played.value, BY_KEY) for played in written.repeats))
    progress = GroupProgress(servers, topics.app_id, topics.events, PARTITIONS)
    try:
        follow(worker, progress.offsets, until=sum(ends.offsets().values()))
    finally:
        progress.close()
    with CommittedReader(servers, topics.deliveries, dict.fromkeys(range(PARTITIONS), 0)) as reader:
        repeated = sum(1 for _ in reader.to_end())
    if repeated:
        raise MeasurementError(f"checking the restored state: {repeated} known entries were delivered again")
