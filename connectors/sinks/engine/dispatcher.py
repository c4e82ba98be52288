"""Between the consumer and a sink: who is delivered when, what may be committed, and how much is held.

The dispatcher owns a prefix of acknowledged offsets per assigned partition and the lanes of all conversations. It is
told of records and of partitions that come and go; it starts lanes, writes what the sink returns, and marks a record
done once Kafka has acknowledged that. Everything runs on one event loop; nothing here blocks.
"""

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol, assert_never

from connectors.errors import TaskFailed, TerminalError
from connectors.kafka.consumed import ConsumedRecord, OutputRecord, Partition
from connectors.sinks.engine.acknowledged import AcknowledgedPrefix
from connectors.sinks.engine.key_queues import Lanes
from connectors.sinks.engine.metrics import SinkMetrics
from connectors.sinks.engine.port import Done, Dropped, Outcome, Rejected, Sink

log = logging.getLogger(__name__)

Lane = tuple[str, int, bytes | None]  # topic, partition, key
DeadLetterOf = Callable[[ConsumedRecord, Rejected], OutputRecord]


class Outputs(Protocol):
    """Where records are written; `connectors.kafka.plain_producer.PlainProducer` is one."""

    def send(self, records: Sequence[OutputRecord], acked: Callable[[Exception | None], None]) -> None:
        """Write; `acked` is called once on the event loop. Raises `TerminalError` for a record it refuses."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much is held: records read and not done, their bytes, and conversations in progress at once."""

    max_buffered: int
    max_buffered_bytes: int
    max_lanes: int


@dataclass(frozen=True, slots=True)
class _Held:
    """A record under way, with the assignment it was read in."""

    record: ConsumedRecord
    prefix: AcknowledgedPrefix


class Dispatcher:
    """Brings the records of the assigned partitions to a sink. `dead_letter_of` is None when errors are not tolerated.

    `failure` gets the error when the task cannot go on; no offset of the record that caused it moves.
    """

    def __init__(
        self, sink: Sink, outputs: Outputs, limits: Limits, metrics: SinkMetrics, dead_letter_of: DeadLetterOf | None
    ) -> None:
        self._sink = sink
        self._outputs = outputs
        self._limits = limits
        self._metrics = metrics
        self._dead_letter_of = dead_letter_of
        self._prefixes: dict[Partition, AcknowledgedPrefix] = {}
        self._lanes: Lanes[Lane, _Held] = Lanes(limits.max_lanes)
        self._workers: dict[Lane, asyncio.Task[None]] = {}
        self._unacknowledged: Counter[Partition] = Counter()
        self._acknowledgement = asyncio.Event()
        self._buffered = 0
        self._buffered_bytes = 0
        self.failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def buffered(self) -> int:
        """Records read and neither done nor forgotten."""
        return self._buffered

    @property
    def room(self) -> int:
        """How many records more may be held."""
        return max(0, self._limits.max_buffered - self._buffered)

    @property
    def full(self) -> bool:
        """Nothing more should be read for now."""
        return self.room == 0 or self._buffered_bytes >= self._limits.max_buffered_bytes

    @property
    def has_room(self) -> bool:
        """Half of what may be held is free: reading is worth resuming."""
        return (
            self._buffered <= self._limits.max_buffered // 2
            and self._buffered_bytes <= self._limits.max_buffered_bytes // 2
        )

    def assigned(self, partitions: Sequence[Partition]) -> None:
        """Records of these partitions are ours from now on."""
        for partition in partitions:
            self._prefixes[partition] = AcknowledgedPrefix()

    def offer(self, records: Sequence[ConsumedRecord]) -> None:
        """Take records in the order in which they were read. Those of partitions that have gone are left out."""
        for record in records:
            prefix = self._prefixes.get((record.topic, record.partition))
            if prefix is None:
                continue
            prefix.took(record.offset)
            self._buffered += 1
            self._buffered_bytes += record.size_bytes
            self._lanes.offer((record.topic, record.partition, record.key), _Held(record, prefix))
        self._start_lanes()

    def positions(self) -> dict[Partition, int]:
        """What may be committed now, of every partition of which a record was read."""
        found = ((partition, prefix.position) for partition, prefix in self._prefixes.items())
        return {partition: position for partition, position in found if position is not None}

    async def release(self, partitions: Sequence[Partition], grace_s: float) -> Mapping[Partition, int]:
        """The partitions go: let what is in progress end, for at most `grace_s`, stop the rest, return the positions.

        What had not started is not started any more; the next owner reads it.
        """
        going = frozenset(partitions)
        for held in self._lanes.trim(lambda lane: lane[:2] in going):
            self._let_go(held)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace_s):
                await self._finished(going)
        positions = {partition: position for partition, position in self.positions().items() if partition in going}
        await self.forget(partitions)
        return positions

    async def forget(self, partitions: Sequence[Partition]) -> None:
        """The partitions have gone: stop everything of theirs; its results move nothing any more."""
        gone = frozenset(partitions)
        for partition in gone:
            self._prefixes.pop(partition, None)
        stopped = self._workers_of(gone)
        for worker in stopped:
            worker.cancel()
        await asyncio.gather(*stopped, return_exceptions=True)
        for held in self._lanes.drop(lambda lane: lane[:2] in gone):
            self._let_go(held)
        self._start_lanes()

    async def _finished(self, going: frozenset[Partition]) -> None:
        workers = self._workers_of(going)
        if workers:
            await asyncio.wait(workers)
        while any(self._unacknowledged[partition] for partition in going):
            self._acknowledgement.clear()
            await self._acknowledgement.wait()

    def _workers_of(self, partitions: frozenset[Partition]) -> list[asyncio.Task[None]]:
        return [worker for lane, worker in self._workers.items() if lane[:2] in partitions]

    def _start_lanes(self) -> None:
        while not self.failure.done():
            started = self._lanes.start()
            if started is None:
                return
            lane, held = started
            self._workers[lane] = asyncio.create_task(self._move(lane, held))

    async def _move(self, lane: Lane, head: _Held) -> None:
        """Bring out the records of one lane until it is empty or others wait for a turn."""
        held: _Held | None = head
        try:
            while held is not None and not self.failure.done():
                self._conclude(held, await self._sink.put(held.record))
                held = self._lanes.finish(lane)
        except TerminalError as error:
            self._fail(error)
        except Exception as error:
            log.exception("sink failed unexpectedly", extra={"topic": lane[0], "partition": lane[1]})
            self._fail(error)
        finally:
            del self._workers[lane]
        self._start_lanes()

    def _conclude(self, held: _Held, outcome: Outcome) -> None:
        self._metrics.concluded(outcome)
        match outcome:
            case Done(outputs=outputs):
                records = outputs
            case Dropped():
                records = ()
            case Rejected(outputs=outputs):
                records = (*outputs, self._dead_letter(held.record, outcome))
            case _:
                assert_never(outcome)
        partition = (held.record.topic, held.record.partition)
        self._unacknowledged[partition] += 1
        self._outputs.send(records, partial(self._acked, partition, held))

    def _dead_letter(self, record: ConsumedRecord, rejected: Rejected) -> OutputRecord:
        if self._dead_letter_of is None:
            raise TaskFailed(
                f"{rejected.message} (topic={record.topic}, partition={record.partition}, offset={record.offset}); put"
                " it right and restart the task, or set errors.tolerance=all to send such records to the dead letters"
            )
        return self._dead_letter_of(record, rejected)

    def _acked(self, partition: Partition, held: _Held, error: Exception | None) -> None:
        if error is not None:
            self._fail(error)
            return
        if self._prefixes.get(partition) is held.prefix:
            held.prefix.done(held.record.offset)
        self._let_go(held)
        self._unacknowledged[partition] -= 1
        self._acknowledgement.set()

    def _let_go(self, held: _Held) -> None:
        self._buffered -= 1
        self._buffered_bytes -= held.record.size_bytes

    def _fail(self, error: Exception) -> None:
        if not self.failure.done():
            self.failure.set_exception(error)
