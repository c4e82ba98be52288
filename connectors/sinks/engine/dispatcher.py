"""Between the consumer and a sink: which record is delivered when, what may be committed, and how much is held.

The dispatcher owns a queue per conversation, and for each assigned partition the offset that may be committed. It is
told of records and of partitions that come and go. It starts the next record of each conversation, writes what the
sink returns, and completes a record once Kafka has acknowledged that. Everything runs on one event loop; nothing here
blocks.
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
from connectors.sinks.engine.key_queues import KeyQueues
from connectors.sinks.engine.metrics import SinkMetrics
from connectors.sinks.engine.port import Done, Dropped, Outcome, Rejected, Sink

log = logging.getLogger(__name__)

ConversationKey = tuple[str, int, bytes | None]  # topic, partition, record key
MakeDeadLetter = Callable[[ConsumedRecord, Rejected], OutputRecord]


class OutputProducer(Protocol):
    """What writes records; `connectors.kafka.idempotent_producer.IdempotentProducer` does."""

    def send(self, records: Sequence[OutputRecord], on_acknowledged: Callable[[Exception | None], None]) -> None:
        """Write records in order. Raises `TerminalError` for a record that it refuses.

        `on_acknowledged` is called once on the event loop, with an error or None.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much is held: records read and not done, their bytes, and conversations in progress at once."""

    max_buffered: int
    max_buffered_bytes: int
    max_in_progress: int


@dataclass(frozen=True, slots=True)
class _Held:
    """A record read and not done, with the offsets of the assignment it was read in."""

    record: ConsumedRecord
    prefix: AcknowledgedPrefix


class Dispatcher:
    """Brings the records of the assigned partitions to a sink.

    `failure` gets the error when the task cannot go on; the offset of the record that caused it does not move.
    """

    def __init__(
        self,
        sink: Sink,
        producer: OutputProducer,
        limits: Limits,
        metrics: SinkMetrics,
        make_dead_letter: MakeDeadLetter | None,
    ) -> None:
        """Must be made on the event loop. `make_dead_letter` is None when errors are not tolerated."""
        self._sink = sink
        self._producer = producer
        self._limits = limits
        self._metrics = metrics
        self._make_dead_letter = make_dead_letter
        self._prefixes: dict[Partition, AcknowledgedPrefix] = {}
        self._queues: KeyQueues[ConversationKey, _Held] = KeyQueues(limits.max_in_progress)
        self._deliveries: dict[ConversationKey, asyncio.Task[None]] = {}
        self._unacknowledged: Counter[Partition] = Counter()
        self._acknowledgement = asyncio.Event()
        self._buffered = 0
        self._buffered_bytes = 0
        self.failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def buffered(self) -> int:
        """How many records were read and are neither done nor forgotten."""
        return self._buffered

    @property
    def free(self) -> int:
        """How many more records may be held."""
        return max(0, self._limits.max_buffered - self._buffered)

    @property
    def full(self) -> bool:
        """As much is held as may be: reading has to pause."""
        return self.free == 0 or self._buffered_bytes >= self._limits.max_buffered_bytes

    @property
    def may_resume(self) -> bool:
        """Half of what may be held is free again: reading is worth resuming."""
        return (
            self._buffered <= self._limits.max_buffered // 2
            and self._buffered_bytes <= self._limits.max_buffered_bytes // 2
        )

    def assigned(self, partitions: Sequence[Partition]) -> None:
        """These partitions are read by this task from now on."""
        for partition in partitions:
            self._prefixes[partition] = AcknowledgedPrefix()
        self._sink.assigned(partitions)

    def offer(self, records: Sequence[ConsumedRecord]) -> None:
        """Take records in the order in which they were read. Those of partitions that are not assigned are left out."""
        for record in records:
            prefix = self._prefixes.get((record.topic, record.partition))
            if prefix is None:
                continue
            prefix.add(record.offset)
            self._buffered += 1
            self._buffered_bytes += record.size_bytes
            self._queues.offer((record.topic, record.partition, record.key), _Held(record, prefix))
        self._start_deliveries()

    def positions(self) -> dict[Partition, int]:
        """The offsets that may be committed now, of every partition of which a record was read."""
        found = ((partition, prefix.position) for partition, prefix in self._prefixes.items())
        return {partition: position for partition, position in found if position is not None}

    async def release(self, partitions: Sequence[Partition], grace_s: float) -> Mapping[Partition, int]:
        """Give partitions back: wait at most `grace_s` for what is in progress, stop the rest, return the positions.

        What had not started is not started any more; the next owner reads it.
        """
        going = frozenset(partitions)
        for held in self._queues.drop_waiting(lambda key: key[:2] in going):
            self._unbuffer(held)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace_s):
                await self._finished(going)
        positions = {partition: position for partition, position in self.positions().items() if partition in going}
        await self.forget(partitions)
        return positions

    async def forget(self, partitions: Sequence[Partition]) -> None:
        """Stop everything of partitions that have gone. Its results do not move any offset any more."""
        gone = frozenset(partitions)
        for partition in gone:
            self._prefixes.pop(partition, None)
        stopped = self._deliveries_of(gone)
        for delivery in stopped:
            delivery.cancel()
        await asyncio.gather(*stopped, return_exceptions=True)
        for held in self._queues.drop(lambda key: key[:2] in gone):
            self._unbuffer(held)
        self._start_deliveries()

    async def _finished(self, going: frozenset[Partition]) -> None:
        deliveries = self._deliveries_of(going)
        if deliveries:
            await asyncio.wait(deliveries)
        while any(self._unacknowledged[partition] for partition in going):
            self._acknowledgement.clear()
            await self._acknowledgement.wait()

    def _deliveries_of(self, partitions: frozenset[Partition]) -> list[asyncio.Task[None]]:
        return [delivery for key, delivery in self._deliveries.items() if key[:2] in partitions]

    def _start_deliveries(self) -> None:
        while not self.failure.done():
            started = self._queues.start()
            if started is None:
                return
            key, held = started
            self._deliveries[key] = asyncio.create_task(self._deliver(key, held))

    async def _deliver(self, key: ConversationKey, head: _Held) -> None:
        """Give the sink the records of one conversation, until there are none or other conversations wait."""
        held: _Held | None = head
        try:
            while held is not None and not self.failure.done():
                self._conclude(held, await self._sink.put(held.record))
                held = self._queues.finish(key)
        except TerminalError as error:
            self._fail(error)
        except Exception as error:
            log.exception("sink failed unexpectedly", extra={"topic": key[0], "partition": key[1]})
            self._fail(error)
        finally:
            del self._deliveries[key]
        self._start_deliveries()

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
        self._producer.send(records, partial(self._acknowledged, partition, held))

    def _dead_letter(self, record: ConsumedRecord, rejected: Rejected) -> OutputRecord:
        if self._make_dead_letter is None:
            raise TaskFailed(
                f"{rejected.message} (topic={record.topic}, partition={record.partition}, offset={record.offset}); put"
                " it right and restart the task, or set errors.tolerance=all to send such records to the dead letters"
            )
        return self._make_dead_letter(record, rejected)

    def _acknowledged(self, partition: Partition, held: _Held, error: Exception | None) -> None:
        if error is not None:
            self._fail(error)
            return
        held.prefix.complete(held.record.offset)  # of the assignment it was read in, which may be over: no harm then
        self._unbuffer(held)
        self._unacknowledged[partition] -= 1
        self._acknowledgement.set()

    def _unbuffer(self, held: _Held) -> None:
        self._buffered -= 1
        self._buffered_bytes -= held.record.size_bytes

    def _fail(self, error: Exception) -> None:
        if not self.failure.done():
            self.failure.set_exception(error)
