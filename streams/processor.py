"""A batch of one input partition through the core: decode, apply, write, send. No rules of the domain here."""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from schemas import records
from schemas.codec import DecodeError
from schemas.codec.wire import codec_for
from schemas.dead_letters import Stage, dead_letter, error_headers, pointer
from schemas.kafka_settings import LARGEST_CONTENT_BYTES
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

LARGEST_VALUE_BYTES = LARGEST_CONTENT_BYTES - 8_192  # of an output: its key is an id, with bounds of its own
Encoded = list[tuple[str, bytes, str]]  # topic, value, key

Decode = Callable[[bytes], Any]  # the record's type is known from its topic only


class TooLarge(Exception):
    """What a record leads to does not fit into a record of Kafka. Dead-letter what led to it."""


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
        self,
        tables: Tables,
        topics: Topics,
        rules: Rules,
        clock: Callable[[], int],
        metrics: Metrics,
        largest: int = LARGEST_VALUE_BYTES,
    ) -> None:
        """`clock` tells epoch milliseconds; `inputs` has a row for each topic that is to be read.

        No output has more than `largest` bytes.
        """
        self._tables = tables
        self._rules = rules
        self._clock = clock
        self._metrics = metrics
        self._dead_letters = topics.dead_letters
        self._app_id = topics.app_id
        self._largest = largest
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

        A record that cannot be decoded or applied, or whose outputs cannot be encoded or are too large, goes to the
        dead letters in the same transaction: the core is pure, and nothing is written before all of this has worked,
        so state and outputs are untouched by its failure. A failure of the transaction itself leaves it half a batch
        and ends the app.
        """
        work = self._work_on(batch.partition, self._clock())
        source = self.inputs[batch.tp.topic]
        source.apply(batch.records, source.decode, work)
        self._metrics.records.inc(len(batch.records))
        self._metrics.count(work.counts)

    def _work_on(self, partition: OwnedPartition, now_ms: int) -> _Work:
        return _Work(partition, partition.producer, self._tables.partition(partition.number), now_ms)

    def _apply_each(self, batch: Sequence[FetchedRecord], decode: Decode, work: _Work) -> None:
        apply, state, now_ms, rules = core.apply, work.state, work.now_ms, self._rules
        encoded, carry_out = self._encoded, self._carry_out
        for record in batch:
            try:
                step = apply(state, decode(record.value or b""), now_ms, rules)
                outputs = encoded(step) if step.outputs else ()
            except (DecodeError, Unparsable) as error:
                self._dead_letter(record, Stage.VALUE_CONVERTER, error, work)
            except TooLarge as error:
                self._dead_letter(record, Stage.TRANSFORMATION, error, work)
            except Exception as error:
                logger.exception(
                    "applying a record failed; it goes to the dead letters",
                    extra={"topic": record.topic, "partition": record.partition, "offset": record.offset},
                )
                self._dead_letter(record, Stage.TRANSFORMATION, error, work)
            else:
                carry_out(step, outputs, work)

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
            self._apply_found_receipts(found, work)

    def _apply_found_receipts(
        self, found: Sequence[tuple[FetchedRecord, records.DeliveryReceipt]], work: _Work
    ) -> None:
        """Receipts of one conversation; one by one when they cannot be applied together, to find which it is."""
        try:
            step = core.apply_receipts(work.state, [receipt for _, receipt in found], self._rules)
            outputs = self._encoded(step)
        except Exception as error:
            if len(found) > 1:
                for each in found:
                    self._apply_found_receipts([each], work)
                return
            record = found[0][0]
            stage = Stage.VALUE_CONVERTER
            if not isinstance(error, Unparsable):
                stage = Stage.TRANSFORMATION
                logger.exception(
                    "applying a receipt failed; it goes to the dead letters",
                    extra={"topic": record.topic, "partition": record.partition, "offset": record.offset},
                )
            self._dead_letter(record, stage, error, work)
        else:
            self._carry_out(step, outputs, work)

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
            try:
                step = core.expire(work.state, table, key, until_ms, self._rules)
                step.outputs = [output for output in step.outputs if not _is_too_late(output, work.now_ms)]
                outputs = self._encoded(step)
            except Exception as error:
                # without a timer it is left alone until the next restart: it would fail in each look again
                logger.exception("letting a deadline pass failed", extra={"table": table})
                self._bury_state(table, key, f"letting its deadline pass: {error}", type(error).__name__, work)
            else:
                self._carry_out(step, outputs, work)

    # -- what leaves
    def _encoded(self, step: Step) -> Encoded:
        """The records that a step sends. Raises `TooLarge`, and whatever an encoder raises."""
        found = []
        for output in step.outputs:
            topic, encode = self._outputs[type(output)]
            value = encode(output)
            if len(value) > self._largest:
                raise TooLarge(
                    f"making a {type(output).__name__}: it has {len(value)} bytes, and a record of {topic} may have"
                    f" {self._largest}; what it was made of stays readable in the dead-letter topic"
                )
            found.append((topic, value, output.conversation_id))
        return found

    def _carry_out(self, step: Step, outputs: Iterable[tuple[str, bytes, str]], work: _Work) -> None:
        work.state.write(step)
        for topic, value, key in outputs:
            try:
                work.producer.produce(topic, value, key)
            except BufferError:
                work.partition.produce_when_room(topic, value, key)
        work.counts += step.counts

    def _dead_letter(self, record: FetchedRecord, stage: Stage, error: Exception, work: _Work) -> None:
        value, key, headers = dead_letter(
            record.value,
            record.key,
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
        work.partition.produce_when_room(self._dead_letters, value, key, headers=headers)
        work.counts.append(("dead_lettered", type(error).__name__))

    def _bury_state(self, table: str, key: str, reason: str, error: str, work: _Work) -> None:
        """A dead letter that names a value of the state: `topic` and `key` are those of its changelog."""
        topic, number = self._tables.changelogs[table], work.partition.number
        headers = error_headers(
            (),
            topic=topic,
            partition=number,
            connector=self._app_id,
            task_id=number,
            stage=Stage.TRANSFORMATION,
            class_name="streams.processor",
            error=error,
            message=reason,
        )
        value, headers = pointer(
            topic=topic, partition=number, offset=None, key=key.encode(), size=0, headers=headers, reason=reason
        )
        work.partition.produce_when_room(self._dead_letters, value, None, headers=headers)
        work.counts.append(("dead_lettered", error))

    def write_changelog(self, partition: OwnedPartition) -> None:
        """For `before_commit`: one changelog record, and one timer, for each key changed since the last call.

        A value that cannot be written is named in a dead letter; the value before it is the state again.
        """
        number, produce, add_timer = partition.number, partition.producer.produce, partition.timers.add
        for change in self._tables.partition(number).take_changes():
            if change.refused is not None:
                work = self._work_on(partition, self._clock())
                self._bury_state(change.table, change.key, change.refused, TooLarge.__name__, work)
                self._metrics.count(work.counts)
                continue
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
