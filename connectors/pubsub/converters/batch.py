"""The batch: what Salesforce sent in one response, on its way to Kafka; and the loop that converts its events. Pure.

Every event passes the loop in `BatchConverter.convert`, so it is written for speed: one function, local names, no
await. It stops at an event whose schema is not known yet; the caller gets the schema and goes on from there.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from connectors.errors import TaskFailed
from connectors.kafka.records import ProducerRecord
from connectors.pubsub.converters.converter import Converter, EventHeaders, Unreadable
from connectors.pubsub.converters.dead_letters import ErrorReporter
from connectors.pubsub.converters.payload import PayloadError, WriterSchema
from schemas.dead_letters import Stage, content_bytes, fits
from schemas.kafka_settings import LARGEST_CONTENT_BYTES
from schemas.proto import pubsub_api_pb2 as pb

# Value and key of a record that needs no closer look; an event of Salesforce has at most 1 MB. Headers have less: what
# describes a change has a bound of the same size.
_SURELY_FITS: Final = 1024 * 1024


@dataclass(slots=True, kw_only=True)
class Batch:
    """What is written to Kafka in one piece: a response's events, or the marker of a gap, or nothing but a position.

    It is one object from its receipt until it is committed. Each stage fills in its fields.

    When it is received:
        sequence            its number; batches are written in this order
        replay_id           the position that is stored with it, None when it moves none
        received_s          monotonic clock
        events              as they came; emptied when they are converted, so that memory holds a batch once
    When it is converted:
        records             what is written, in order: a record per event, dead letters included
        mirrored            how many of them are events that were converted
        dead_letters        how many of them are dead letters of events
        newest_event_at_ms  when the newest converted event happened, epoch ms; None when none of them says so
    """

    sequence: int
    replay_id: bytes | None
    received_s: float
    events: Sequence[pb.ConsumerEvent] = ()

    records: list[ProducerRecord] = field(default_factory=list)
    mirrored: int = 0
    dead_letters: int = 0
    newest_event_at_ms: int | None = None


class BatchConverter:
    """Converts the batches of one task.

    `converter_for` returns the converter for the events of a schema; `known_schema` returns the schema of an id, or
    None when it is not known yet.
    """

    def __init__(
        self,
        *,
        converter_for: Callable[[WriterSchema], Converter],
        known_schema: Callable[[str], WriterSchema | None],
        headers: EventHeaders,
        errors: ErrorReporter,
        tolerate_errors: bool,
    ) -> None:
        """`tolerate_errors`: events that cannot be read become dead letters; otherwise they end the task."""
        self._converter_for = converter_for
        self._known_schema = known_schema
        self._headers = headers
        self._errors = errors
        self._tolerate_errors = tolerate_errors

    def convert(self, batch: Batch, start: int, received_at_ms: int) -> int:
        """Append the records of `batch.events[start:]`; return the index of the first event that is not converted.

        That is the number of events, or the index of an event whose schema is not known. An unreadable event becomes a
        dead letter; raises `TaskFailed` instead when errors are not tolerated. `received_at_ms` is epoch ms. Nothing
        else is raised, whatever an event holds: from the choice of the converter to the record it is one guarded call.
        """
        events = batch.events
        add = batch.records.append
        read_id, schema, convert = None, None, None  # chosen once per change of schema, not once per event
        for index in range(start, len(events)):
            consumer_event = events[index]
            event = consumer_event.event
            try:
                if event.schema_id != read_id:
                    read_id, convert, schema = event.schema_id, None, self._known_schema(event.schema_id)
                    convert = self._converter_for(schema).convert if schema is not None else None
                if schema is None or convert is None:
                    return index
                record, happened_at_ms = convert(consumer_event.replay_id, event, schema, received_at_ms)
            except Unreadable as error:
                self.give_up(consumer_event, batch, stage=error.stage, error="Unreadable", reason=str(error))
                continue
            except PayloadError as error:
                stage = Stage.VALUE_CONVERTER
                self.give_up(consumer_event, batch, stage=stage, error="PayloadError", reason=str(error))
                continue
            except Exception as error:  # of whatever kind: what one event provokes costs that event and no other
                self._give_up_unforeseen(consumer_event, batch, error)
                read_id = None  # it may have been the choice of the converter that failed
                continue
            if len(record[1] or b"") + len(record[2] or b"") > _SURELY_FITS and _too_large(record):
                self._give_up_large(consumer_event, batch, record)
                continue
            add(record)
            batch.mirrored += 1
            if happened_at_ms is not None:
                batch.newest_event_at_ms = happened_at_ms
        return len(events)

    def _give_up_large(self, consumer_event: pb.ConsumerEvent, batch: Batch, record: ProducerRecord) -> None:
        """The client would refuse the record, and a restart would find it again."""
        topic, value, key, headers = record
        size = content_bytes(value, key, headers or ())
        reason = f"its record for {topic} would have {size} bytes, and a record may have {LARGEST_CONTENT_BYTES}"
        self.give_up(consumer_event, batch, stage=Stage.VALUE_CONVERTER, error="TooLarge", reason=reason)

    def _give_up_unforeseen(self, consumer_event: pb.ConsumerEvent, batch: Batch, error: Exception) -> None:
        """Nobody thought of this error (RecursionError, MemoryError …). Its text may quote the payload."""
        name, trace = type(error).__name__, error.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        where = f" in {trace.tb_frame.f_code.co_name}" if trace is not None else ""
        reason = f"converting {len(consumer_event.event.payload)} bytes ended with {name}{where}"
        self.give_up(consumer_event, batch, stage=Stage.VALUE_CONVERTER, error=name, reason=reason)

    def give_up(self, consumer_event: pb.ConsumerEvent, batch: Batch, *, stage: Stage, error: str, reason: str) -> None:
        """Append the dead letter of one event. Raises `TaskFailed` when errors are not tolerated."""
        event, replay_id = consumer_event.event, consumer_event.replay_id
        if not self._tolerate_errors:
            raise TaskFailed(
                f"reading the event at replay_id={replay_id.hex()} (event_uuid={event.id}, schema_id={event.schema_id}"
                f"): {reason}; set errors.tolerance=all to send such events to the dead letters, and restart"
            )
        headers = self._headers.of(event.id, event.schema_id, replay_id)
        batch.records.append(self._errors.dead_letter(event.payload, headers, stage=stage, error=error, reason=reason))
        batch.dead_letters += 1


def _too_large(record: ProducerRecord) -> bool:
    _, value, key, headers = record
    return not fits(value, key, headers or ())
