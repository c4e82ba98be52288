"""A batch of one input partition through the core: decode, apply, write, send. No rules of the domain here."""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from schemas import records
from schemas.codec import DecodeError
from schemas.codec.wire import codec_for
from schemas.dead_letters import Stage, error_headers
from schemas.topics import Topics
from streams.core import apply as core
from streams.core.model.errors import Unparsable
from streams.core.model.rules import Rules
from streams.core.model.step import SEEN, Step
from streams.metrics import Metrics
from streams.runtime.batches import Batch
from streams.runtime.kafka_client import TransactionalProducer
from streams.runtime.partition import OwnedPartition
from streams.runtime.records import FetchedRecord
from streams.state.partition import PartitionState
from streams.state.tables import Tables

logger = logging.getLogger(__name__)

Decode = Callable[[bytes], Any]  # the record's type is known from its topic only


@dataclass(slots=True)
class _Work:
    """What the records of one batch share."""

    partition: OwnedPartition
    producer: TransactionalProducer
    state: PartitionState
    now_ms: int
    counts: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Input:
    """An input topic: the name of its agent, and how a batch of its records is applied."""

    agent: str
    decode: Decode
    apply: Callable[[Sequence[FetchedRecord], Decode, _Work], None]


def output_topics(topics: Topics) -> dict[type[records.Record], str]:
    """The topic of each type of record that the core puts out."""
    return {
        records.Delivery: topics.deliveries,
        records.RoutingTask: topics.routing_requests,
        records.RoutingOutcome: topics.routing_outcomes,
        records.SalesforceCall: topics.salesforce_calls,
    }


class Processor:
    """Applies batches and passed deadlines. One per app, used on the event loop only.

    Everything happens inside the open transaction of a partition: a crash before its commit leaves neither state nor
    outputs.
    """

    def __init__(
        self, tables: Tables, topics: Topics, rules: Rules, clock: Callable[[], int], metrics: Metrics
    ) -> None:
        """`clock` tells epoch milliseconds; `inputs` has a row for each topic that is to be read."""
        self._tables = tables
        self._rules = rules
        self._clock = clock
        self._metrics = metrics
        self._dead_letters = topics.dead_letters
        self._app_id = topics.app_id
        each, together = self._apply_each, self._apply_receipts
        self.inputs = {
            topics.events: Input("events", codec_for(records.OutboundEvent).decode, each),
            topics.routing_decisions: Input("routing_decisions", codec_for(records.RoutingDecision).decode, each),
            topics.receipts: Input("receipts", codec_for(records.DeliveryReceipt).decode, together),
            topics.commands: Input("commands", codec_for(records.PartnerCommand).decode, each),
            topics.salesforce_results: Input(
                "salesforce_results", codec_for(records.SalesforceCallResult).decode, each
            ),
        }
        self._outputs = {kind: (topic, codec_for(kind).encode) for kind, topic in output_topics(topics).items()}

    # -- batches
    def apply(self, batch: Batch) -> None:
        """Apply a batch inside its partition's transaction.

        A record that cannot be decoded or applied goes to the dead letters in the same transaction: the core is pure,
        so state is untouched by its failure. Any other exception leaves the transaction half a batch and ends the app.
        """
        work = self._work_on(batch.partition, self._clock())
        source = self.inputs[batch.tp.topic]
        source.apply(batch.records, source.decode, work)
        self._metrics.records.inc(len(batch.records))
        self._metrics.count(work.counts)

    def _work_on(self, partition: OwnedPartition, now_ms: int) -> _Work:
        return _Work(partition, partition.producer, self._tables.partition(partition.number), now_ms)

    def _apply_each(self, batch: Sequence[FetchedRecord], decode: Decode, work: _Work) -> None:
        apply, state, now_ms, rules, carry_out = core.apply, work.state, work.now_ms, self._rules, self._carry_out
        for record in batch:
            try:
                step = apply(state, decode(record.value or b""), now_ms, rules)
            except (DecodeError, Unparsable) as error:
                self._dead_letter(record, Stage.VALUE_CONVERTER, error, work)
            except Exception as error:
                logger.exception(
                    "applying a record failed; it goes to the dead letters",
                    extra={"topic": record.topic, "partition": record.partition, "offset": record.offset},
                )
                self._dead_letter(record, Stage.TRANSFORMATION, error, work)
            else:
                carry_out(step, work)

    def _apply_receipts(self, batch: Sequence[FetchedRecord], decode: Decode, work: _Work) -> None:
        """Those of one conversation together: Salesforce takes many acknowledgements in one call."""
        together: dict[str, list[tuple[FetchedRecord, records.DeliveryReceipt]]] = {}
        for record in batch:
            try:
                receipt = decode(record.value or b"")
            except DecodeError as error:
                self._dead_letter(record, Stage.VALUE_CONVERTER, error, work)
            else:
                together.setdefault(receipt.conversation_id, []).append((record, receipt))
        for found in together.values():
            try:
                step = core.apply_receipts(work.state, [receipt for _, receipt in found], self._rules)
            except Exception as error:
                first = found[0][0]
                logger.exception(
                    "applying receipts failed; they go to the dead letters",
                    extra={"topic": first.topic, "partition": first.partition, "offset": first.offset},
                )
                for record, _ in found:
                    self._dead_letter(record, Stage.TRANSFORMATION, error, work)
            else:
                self._carry_out(step, work)

    # -- passed deadlines
    def expire(self, partition: OwnedPartition, due: Iterable[tuple[str, str]], until_ms: int, now_ms: int) -> None:
        """Let the deadlines up to `until_ms` of the `due` (table, key) pass, inside the partition's transaction.

        `until_ms` is the event time up to which all inputs have been applied, `now_ms` the clock; both epoch ms. A
        value that is not due yet gets a new timer.
        """
        work = self._work_on(partition, now_ms)
        for table, key in due:
            self._expire(table, key, until_ms, work)
        self._metrics.count(work.counts)

    def _expire(self, table: str, key: str, until_ms: int, work: _Work) -> None:
        due_ms = work.state.due_at_ms(table, key)
        if due_ms is None:
            return
        if due_ms > until_ms:  # the value has changed since its timer was set
            work.partition.timers.add(due_ms, table, key)
        elif table == SEEN:
            work.state.drop(SEEN, key)
        else:
            step = core.expire(work.state, table, key, until_ms, self._rules)
            step.outputs = [output for output in step.outputs if not _is_too_late(output, work.now_ms)]
            self._carry_out(step, work)

    # -- what leaves
    def _carry_out(self, step: Step, work: _Work) -> None:
        work.state.write(step)
        for output in step.outputs:
            topic, encode = self._outputs[type(output)]
            value = encode(output)
            try:
                work.producer.produce(topic, value, output.conversation_id)
            except BufferError:
                work.partition.produce_when_room(topic, value, output.conversation_id)
        work.counts += step.counts

    def _dead_letter(self, record: FetchedRecord, stage: Stage, error: Exception, work: _Work) -> None:
        headers = error_headers(
            record.headers or (),
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            connector=self._app_id,
            task_id=record.partition,
            stage=stage,
            class_name="streams.processor",
            error=type(error).__name__,
            message=str(error),
        )
        work.partition.produce_when_room(self._dead_letters, record.value, record.key, headers=headers)
        work.counts.append(("dead_lettered", type(error).__name__))

    def write_changelog(self, partition: OwnedPartition) -> None:
        """For `before_commit`: one changelog record, and one timer, for each key changed since the last call."""
        number, produce, add_timer = partition.number, partition.producer.produce, partition.timers.add
        for change in self._tables.partition(number).take_changes():
            if change.due_at_ms is not None:
                add_timer(change.due_at_ms, change.table, change.key)
            topic = self._tables.changelogs[change.table]
            try:
                produce(topic, change.value, change.key, number)
            except BufferError:
                partition.produce_when_room(topic, change.value, change.key, number)


def _is_too_late(output: records.Record, now_ms: int) -> bool:
    """Deadlines pass by the watermark, which may lag behind the clock; a call must respect the clock too."""
    return (
        isinstance(output, records.SalesforceCall) and output.deadline_ms is not None and output.deadline_ms <= now_ms
    )
