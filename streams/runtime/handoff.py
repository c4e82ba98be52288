"""Records between the fetch and the agents: each offset handed over once, at most one ticket per partition.

Pure bookkeeping. It prevents three ways to lose or to double records:

- An offset is never handed over twice between assignment and revocation. Faust seeks back to the committed offset at
  other times than recovery too; records already taken would come again.
- At most one ticket per partition is out, and whoever has it takes batches until nothing waits. Records that arrive
  while a batch is processed or committed make the next one: small batches when idle, large ones under load, without a
  timer. A ticket per batch would wait for the next fetch, which takes up to a second where nothing new comes.
- Tickets can be reissued. Faust clears its queues when it resumes; a ticket that vanished there would leave its
  partition standing still for ever.
"""

from collections import deque
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, field

from streams.runtime.records import FetchedRecord, TopicPartition

MAX_BATCH = 256  # records handed to an agent at once: 8 ms of work, so that queries are answered in between
MAX_WAITING = 4_000  # a partition with more records waiting is not fetched: this is the back-pressure


@dataclass(slots=True)
class PartitionInput:
    """What was fetched of one topic partition and not yet handed over."""

    waiting: deque[FetchedRecord] = field(default_factory=deque)
    ticketed: bool = False
    next_offset: int = -1  # the first offset that was not yet offered
    last_timestamp_ms: int = -1  # of the newest record taken by an agent; -1 before the first


class Handoff:
    """The inputs of all owned topic partitions. Used on the event loop only."""

    def __init__(self, *, max_batch: int = MAX_BATCH, max_waiting: int = MAX_WAITING) -> None:
        """At most `max_batch` records are taken at once; beyond `max_waiting` a partition counts as full."""
        self._inputs: dict[TopicPartition, PartitionInput] = {}
        self._max_batch = max_batch
        self._max_waiting = max_waiting

    def offer(self, tp: TopicPartition, records: Sequence[FetchedRecord]) -> int:
        """Keep the `records` (offset order) that were not offered before; returns how many those are."""
        known = self._inputs.get(tp)
        if known is None:
            known = self._inputs[tp] = PartitionInput()
        if records[0].offset < known.next_offset:
            records = [record for record in records if record.offset >= known.next_offset]
        if records:
            known.waiting.extend(records)
            known.next_offset = records[-1].offset + 1
        return len(records)

    def take(self, tp: TopicPartition) -> list[FetchedRecord]:
        """Up to `max_batch` waiting records in offset order. The ticket is good until nothing waits any more."""
        known = self._inputs.get(tp)
        if known is None:
            return []
        waiting = known.waiting
        taken = [waiting.popleft() for _ in range(min(len(waiting), self._max_batch))]
        known.ticketed = bool(waiting)
        if taken:
            known.last_timestamp_ms = taken[-1].timestamp
        return taken

    def issue_tickets(self, active: Container[TopicPartition]) -> list[tuple[TopicPartition, FetchedRecord]]:
        """The `active` partitions that have records waiting and no ticket out, each with its newest record.

        They count as out. A partition is not active before its state is recovered.
        """
        due = []
        for tp, known in self._inputs.items():
            if known.waiting and not known.ticketed and tp in active:
                known.ticketed = True
                due.append((tp, known.waiting[-1]))
        return due

    def withdraw_ticket(self, tp: TopicPartition) -> None:
        """The ticket could not be delivered; it may be issued again."""
        known = self._inputs.get(tp)
        if known is not None:
            known.ticketed = False

    def reissue_tickets(self) -> None:
        """After the queues were cleared: every waiting partition gets a ticket again. A spare one does no harm."""
        for known in self._inputs.values():
            known.ticketed = False

    def wants_ticket(self, active: Container[TopicPartition]) -> bool:
        """True when `issue_tickets` would find one."""
        return any(known.waiting and not known.ticketed and tp in active for tp, known in self._inputs.items())

    def is_empty(self, tp: TopicPartition) -> bool:
        """True when nothing waits for an agent."""
        known = self._inputs.get(tp)
        return known is None or not known.waiting

    def next_to_take(self, tp: TopicPartition) -> int:
        """The offset of the first record that waits; else the first that was not offered yet, -1 before the first."""
        known = self._inputs.get(tp)
        if known is None:
            return -1
        return known.waiting[0].offset if known.waiting else known.next_offset

    def numbers(self, tp: TopicPartition) -> str:
        """What waits, for the log."""
        known = self._inputs.get(tp, PartitionInput())
        return f"waiting={len(known.waiting)} ticketed={known.ticketed} offered_to={known.next_offset}"

    def full(self) -> set[TopicPartition]:
        """Partitions that must not be fetched now."""
        return {tp for tp, known in self._inputs.items() if len(known.waiting) > self._max_waiting}

    def last_timestamp_ms(self, tp: TopicPartition) -> int:
        """Timestamp of the newest record taken, epoch ms; -1 when there was none."""
        known = self._inputs.get(tp)
        return -1 if known is None else known.last_timestamp_ms

    def forget(self, tps: Iterable[TopicPartition]) -> None:
        """Partitions were revoked: what waits is the next owner's."""
        for tp in tps:
            self._inputs.pop(tp, None)
