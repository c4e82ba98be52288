"""A batch of one input partition through the core: decode, apply, write, send. No rules of the domain here."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from schemas import records
from schemas.codec import DecodeError
from schemas.codec.wire import codec_for
from schemas.topics import Topics
from streams import dead_letters
from streams.core import conversation as core
from streams.core.errors import Unparsable
from streams.core.rules import Rules
from streams.core.state import Conversation, RoutingRequest
from streams.core.step import CONVERSATIONS, ROUTING, SEEN, Step
from streams.metrics import Metrics
from streams.runtime.app import ExactlyOnceApp
from streams.runtime.kafka_client import TransactionalProducer
from streams.runtime.partition import OwnedPartition
from streams.seen import expiry_of
from streams.tables import Tables

logger = logging.getLogger(__name__)

TIMER_LOOK_S = 0.05  # how often due times are compared with the clock
TIMERS_AT_ONCE = 256  # state values expired in one batch: a few ms of work

Dirty = dict[tuple[str, bytes], None]


class Processor:
    """Everything the agents share. One per app, used on the event loop only."""

    def __init__(
        self,
        app: ExactlyOnceApp,
        tables: Tables,
        topics: Topics,
        rules: Rules,
        clock: Callable[[], int],
        metrics: Metrics,
    ) -> None:
        self._app = app
        self._tables = tables
        self._rules = rules
        self._clock = clock
        self._metrics = metrics
        self._dead_letters = topics.dead_letters
        self._inputs: dict[str, Callable[[bytes], Any]] = {
            topics.events: codec_for(records.OutboundEvent).decode,
            topics.routing_decisions: codec_for(records.RoutingDecision).decode,
            topics.receipts: codec_for(records.DeliveryReceipt).decode,
            topics.commands: codec_for(records.PartnerCommand).decode,
            topics.salesforce_results: codec_for(records.SalesforceCallResult).decode,
        }
        self._receipts = topics.receipts
        outputs: dict[Any, str] = {
            records.Delivery: topics.deliveries,
            records.RoutingTask: topics.routing_requests,
            records.RoutingOutcome: topics.routing_outcomes,
            records.SalesforceCall: topics.salesforce_calls,
        }
        self._outputs = {kind: (topic, codec_for(kind).encode) for kind, topic in outputs.items()}
        self._last_timer_look_ms: dict[int, int] = {}

    async def handle(self, tp: Any) -> None:
        """Process what waits on one input partition, in its partition's transaction.

        A record that cannot be decoded or applied goes to the dead letters in the same transaction: the core is pure,
        so state is untouched by its failure. Any other exception leaves the transaction half a batch and ends the app.
        """
        partition = self._app.partitions.get(tp.partition)
        if partition is None:  # a ticket that was in the queue when the partition moved away
            return
        async with partition.batch() as producer:
            batch = self._app.handoff.take(tp)
            if not batch:
                return
            now_ms = self._clock()
            decode = self._inputs[tp.topic]
            dirty: Dirty = {}
            if tp.topic == self._receipts:
                self._process_receipts(batch, decode, partition, producer, dirty)
            else:
                for record in batch:
                    self._process(record, decode, partition, producer, dirty, now_ms)
            self._write_changelog(producer, dirty, partition)
            partition.advance(tp.topic, batch[-1].offset + 1)
            producer.poll()
        self._metrics.records.inc(len(batch))
        partition.commit_soon(drained=self._app.handoff.is_empty(tp))

    def _process(
        self,
        record: Any,
        decode: Callable[[bytes], Any],
        partition: OwnedPartition,
        producer: TransactionalProducer,
        dirty: Dirty,
        now_ms: int,
    ) -> None:
        try:
            step = core.apply(self._tables, decode(record.value or b""), now_ms, self._rules)
        except (DecodeError, Unparsable) as error:
            self._bury(record, dead_letters.STAGE_DECODE, error, producer)
        except Exception as error:
            logger.exception(
                "applying a record failed; it goes to the dead letters",
                extra={"topic": record.topic, "partition": record.partition, "offset": record.offset},
            )
            self._bury(record, dead_letters.STAGE_APPLY, error, producer)
        else:
            self._carry_out(step, partition, producer, dirty)

    def _process_receipts(
        self,
        batch: list[Any],
        decode: Callable[[bytes], Any],
        partition: OwnedPartition,
        producer: TransactionalProducer,
        dirty: Dirty,
    ) -> None:
        """Those of one conversation together: Salesforce takes many acknowledgements in one call."""
        together: dict[str, list[tuple[Any, records.DeliveryReceipt]]] = {}
        for record in batch:
            try:
                receipt = decode(record.value or b"")
            except DecodeError as error:
                self._bury(record, dead_letters.STAGE_DECODE, error, producer)
            else:
                together.setdefault(receipt.conversation_id, []).append((record, receipt))
        for found in together.values():
            try:
                step = core.apply_receipts(self._tables, [receipt for _, receipt in found], self._rules)
            except Exception as error:
                first = found[0][0]
                logger.exception(
                    "applying receipts failed; they go to the dead letters",
                    extra={"topic": first.topic, "partition": first.partition, "offset": first.offset},
                )
                for record, _ in found:
                    self._bury(record, dead_letters.STAGE_APPLY, error, producer)
            else:
                self._carry_out(step, partition, producer, dirty)

    def _carry_out(self, step: Step, partition: OwnedPartition, producer: TransactionalProducer, dirty: Dirty) -> None:
        if step.conversation is not None:
            self._put(CONVERSATIONS, step.conversation, partition, dirty)
        for request in step.requests:
            self._put(ROUTING, request, partition, dirty)
        for key, seen in step.seen:
            self._tables.see(key, seen)
        for table, key in step.dropped:
            dirty[table, self._tables.drop(table, key)] = None
        for output in step.outputs:
            topic, encode = self._outputs[type(output)]
            _produce(producer, topic, encode(output), output.conversation_id)
        for name, label in step.counts:
            self._metrics.count(name, label)

    def _put(self, table: str, value: Conversation | RoutingRequest, partition: OwnedPartition, dirty: Dirty) -> None:
        dirty[table, self._tables.put(table, value, partition.number)] = None
        if value.due_at_ms is not None:
            partition.timers.add(value.due_at_ms, table, value.key)

    def _write_changelog(self, producer: TransactionalProducer, dirty: Dirty, partition: OwnedPartition) -> None:
        """One changelog record per key that the batch touched, with its last value."""
        number = partition.number
        for segment in self._tables.take_seen(number):
            dirty[SEEN, segment] = None
            name = segment.decode()
            partition.timers.add(expiry_of(name), SEEN, name)
        for table, key in dirty:
            _produce(producer, self._tables.changelogs[table], self._tables.stored(table, key), key, number)

    def _bury(self, record: Any, stage: str, error: Exception, producer: TransactionalProducer) -> None:
        headers = dead_letters.headers_for(record, app_id=self._app.conf.id, stage=stage, error=error)
        _produce(producer, self._dead_letters, record.value, record.key, headers=headers)
        self._metrics.count("dead_lettered", type(error).__name__)

    # -- timers
    async def run_timers(self) -> None:
        """Expire state values that are due, until cancelled; one look at every partition each `TIMER_LOOK_S`."""
        while not self._app.should_stop:
            if not (self._app.rebalancing or self._app.in_recovery):
                for partition in self._app.partitions:
                    await self._fire(partition)
            await asyncio.sleep(TIMER_LOOK_S)

    async def _fire(self, partition: OwnedPartition) -> None:
        """Expire what is due in one partition, unless older input waits there.

        The wall clock only decides when to look: an answer that was given in time but is still in the backlog must
        win over the time-out. With the wall clock alone, 258 of 6,000 answered requests timed out after a restart.
        """
        due_ms = partition.timers.next_due_ms()
        until_ms = self._app.consumer.watermark_ms(partition.number, self._clock())
        if due_ms is None or due_ms > until_ms:
            return
        async with partition.batch() as producer:
            if self._app.partitions.get(partition.number) is not partition:
                return
            now_ms, dirty = self._clock(), dict[tuple[str, bytes], None]()
            until_ms = self._app.consumer.watermark_ms(partition.number, now_ms)
            for table, key in list(partition.timers.pop_due(until_ms, TIMERS_AT_ONCE)):
                self._expire(table, key, until_ms, now_ms, partition, producer, dirty)
            self._write_changelog(producer, dirty, partition)
        partition.commit_soon(drained=True)

    def _expire(
        self,
        table: str,
        key: str,
        until_ms: int,
        now_ms: int,
        partition: OwnedPartition,
        producer: TransactionalProducer,
        dirty: Dirty,
    ) -> None:
        due_ms = self._tables.due_at_ms(table, key)
        if due_ms is None:
            return
        if due_ms > until_ms:  # the value has changed since the hint was made
            partition.timers.add(due_ms, table, key)
        elif table == SEEN:
            dirty[SEEN, self._tables.drop(SEEN, key)] = None
        else:
            step = core.expire(self._tables, table, key, until_ms, self._rules)
            step.outputs = [output for output in step.outputs if not _is_too_late(output, now_ms)]
            self._carry_out(step, partition, producer, dirty)

    def recover(self) -> None:
        """After recovery: rebuild what lives in memory only."""
        self._tables.recover()
        for partition in self._app.partitions:
            partition.timers.clear()
        for table in self._tables.changelogs:
            for number, key in self._tables.keys(table):
                owned = self._app.partitions.get(number)
                due_ms = self._tables.due_at_ms(table, key)
                if owned is not None and due_ms is not None:
                    owned.timers.add(due_ms, table, key)


def _produce(producer: TransactionalProducer, *record: Any, **headers: Any) -> None:
    """`producer.produce`, also when its queue is full for the moment."""
    while True:
        try:
            producer.produce(*record, **headers)
        except BufferError:
            producer.make_room()
        else:
            return


def _is_too_late(output: records.Record, now_ms: int) -> bool:
    """Deadlines pass by the watermark, which may lag behind the clock; a call must respect the clock too."""
    return (
        isinstance(output, records.SalesforceCall) and output.deadline_ms is not None and output.deadline_ms <= now_ms
    )
