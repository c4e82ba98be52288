"""A run of an older version as it was left in Kafka, and the state of that version: read from `tests/golden`."""

import gzip
import json
from base64 import b64decode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from schemas import records
from schemas.codec import DecodeError, decode
from schemas.topics import STATE_TABLES
from streams.core.model.errors import Unparsable
from streams.core.model.rules import Rules
from streams.core.model.state import Seen
from streams.core.model.step import Step
from streams.state.partition import PartitionState
from streams.state.store import TableStore
from tests.support.domain import T0, Partition
from tests.support.faust_store import MemoryStore

GOLDEN = Path(__file__).resolve().parents[1] / "golden"

# The recorded topics, named as in `Topics`.
INPUTS: dict[str, type[records.Record]] = {
    "events": records.OutboundEvent,
    "routing_decisions": records.RoutingDecision,
    "receipts": records.DeliveryReceipt,
    "commands": records.PartnerCommand,
    "salesforce_results": records.SalesforceCallResult,
}
OUTPUTS: dict[str, type[records.Record]] = {
    "deliveries": records.Delivery,
    "routing_requests": records.RoutingTask,
    "routing_outcomes": records.RoutingOutcome,
    "salesforce_calls": records.SalesforceCall,
}
TABLES = ("conversations", "routing", "seen")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """One record of a topic, as a `read_committed` reader saw it."""

    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """A committed offset of a consumer group; group and topic have the names of the recording."""

    group: str
    topic: str
    partition: int
    offset: int
    metadata: str


class Recorded:
    """One recorded run."""

    def __init__(self, name: str) -> None:
        self._folder = GOLDEN / "recorded" / name
        run = json.loads((self._folder / "run.json").read_text())
        self.partitions: int = run["partitions"]
        self.stopped_at_ms: int = run["stopped_at_ms"]
        self.options: list[str] = run["options"]
        self.connector: str = run["connector"]
        self.source_topic: str = run["source_topic"]
        self.counts: dict[str, int] = run["counts"]
        self._ends: dict[str, dict[str, int]] = run["ends"]
        # what `options` say to a worker
        self.rules = Rules(
            routing_timeout_ms=8_000,
            answer_by_ms=5_000,
            acknowledged_channels=frozenset("*"),
            work_calls=True,
            remove_rerouted=True,
            partner_commands=True,
        )

    def topic(self, name: str) -> list[Kept]:
        """All records of a topic, ordered by partition and offset; of a table's changelog the last for each key."""
        return [
            Kept(
                partition=line["partition"],
                offset=line["offset"],
                timestamp_ms=line["timestamp_ms"],
                key=_bytes(line["key"]),
                value=_bytes(line["value"]),
                headers=tuple((header, b64decode(value)) for header, value in line.get("headers", [])),
            )
            for line in lines_of(self._folder / f"{name.replace('_', '-')}.jsonl.gz")
        ]

    def ends(self, name: str) -> dict[int, int]:
        """End offset of each partition of a topic."""
        return {int(partition): end for partition, end in self._ends[name].items()}

    def state(self, table: str) -> dict[str, bytes]:
        """Key to bytes of everything in a table when the run was stopped."""
        return {(kept.key or b"").decode(): kept.value for kept in self.topic(table) if kept.value is not None}

    def positions(self) -> list[Position]:
        """The committed offsets of all groups."""
        return [Position(**line) for line in lines_of(self._folder / "group-offsets.jsonl")]

    def inputs(self, partition: int) -> list[tuple[int, str, bytes]]:
        """(timestamp, topic, value) of what the processor read in a partition, in the order in which it was written."""
        found = [
            (kept.timestamp_ms, kept.offset, name, kept.value or b"")
            for name in INPUTS
            for kept in self.topic(name)
            if kept.partition == partition
        ]
        order = {name: number for number, name in enumerate(INPUTS)}
        found.sort(key=lambda each: (each[0], order[each[2]], each[1]))
        return [(timestamp_ms, name, value) for timestamp_ms, _, name, value in found]


@dataclass(slots=True)
class Fold:
    """What comes of a run's inputs: the state when it was stopped, what left, and what could not be read."""

    tables: dict[str, dict[str, Any]] = field(default_factory=lambda: {table: {} for table in TABLES})
    outputs: list[records.Record] = field(default_factory=list)
    unreadable: list[bytes] = field(default_factory=list)
    all_seen: set[str] = field(default_factory=set)


def folded(run: Recorded) -> Fold:
    """Fold the recorded inputs, each partition by itself.

    The clock stands at the timestamp of each record when it is read, after all deadlines before it, and at the end
    where the run was stopped.
    """
    result = Fold()
    for number in range(run.partitions):
        partition = Partition(run.rules)
        for timestamp_ms, name, value in run.inputs(number):
            partition.pass_time(timestamp_ms - T0)
            try:
                record: Any = decode(INPUTS[name], value)
                partition.read(record, timestamp_ms - T0)
            except (DecodeError, Unparsable):
                result.unreadable.append(value)
            result.all_seen.update(partition.state.tables["seen"])
        partition.pass_time(run.stopped_at_ms - T0)
        for table, values in partition.state.tables.items():
            result.tables[table].update(values)
        result.outputs += partition.outputs
    return result


def state_of(**tables: dict[str, bytes]) -> PartitionState:
    """The state of a partition that was recovered from these values of its tables."""
    stores = {table: TableStore(MemoryStore()) for table in STATE_TABLES}
    for table, values in tables.items():
        for key, value in values.items():
            stores[table].put(key.encode(), value, 0)
    state = PartitionState(0, stores)
    for _, raw, segment in stores["seen"].items_by_partition():
        state.load_seen(raw, segment)
    return state


def read_value(table: str, key: str, value: bytes) -> Any:
    """A value of `conversations` or `routing`, as a worker reads it after recovery."""
    return state_of(**{table: {key: value}}).get(table, key)


def written_value(table: str, value: Any) -> dict[str, bytes | None]:
    """Key to bytes of what a worker writes to the changelog for a value."""
    state = state_of()
    state.write(Step(conversation=value) if table == "conversations" else Step(requests=[value]))
    return {change.key: change.value for change in state.take_changes()}


def written_segment(entries: Sequence[str], expires_at_ms: int) -> dict[str, bytes | None]:
    """Key to bytes of what a worker writes to the changelog for entries that it has seen in one transaction."""
    state = state_of()
    state.write(Step(seen=[(entry, Seen(expires_at_ms)) for entry in entries]))
    return {change.key: change.value for change in state.take_changes()}


def readable(value: Any) -> Any:
    """A value with the names of its fields, as JSON has it."""
    if isinstance(value, msgspec.Struct):
        return {name: readable(getattr(value, name)) for name in value.__struct_fields__}
    return [readable(item) for item in value] if isinstance(value, (tuple, list)) else value


def lines_of(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a file of JSON lines, compressed or not."""
    text = gzip.decompress(path.read_bytes()).decode() if path.suffix == ".gz" else path.read_text()
    return (json.loads(line) for line in text.splitlines())


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else b64decode(text)
