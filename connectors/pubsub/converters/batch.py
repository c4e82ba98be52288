"""Events of a FetchResponse to records for Kafka: the loop that every event passes.

Everything per event happens here, so it is written for speed: one function, local names, no await. It stops at an
event whose schema is not known yet; the caller gets the schema and goes on from there.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from connectors.errors import TaskFailed
from connectors.kafka.records import ProducerRecord
from connectors.pubsub.converters.byoc import Unreadable
from connectors.pubsub.converters.choice import RecordMaker
from connectors.pubsub.converters.dead_letters import Sender
from connectors.pubsub.converters.headers import EventHeaders
from connectors.pubsub.converters.payload import PayloadError, WriterSchema


@dataclass(slots=True)
class Translated:
    """What a response has become so far. `events` counts mirrored ones; times are when they happened, epoch ms."""

    records: list[ProducerRecord] = field(default_factory=list)
    events: int = 0
    dead_letters: int = 0
    oldest_event_at_ms: int | None = None
    newest_event_at_ms: int | None = None


class Translator:
    """Translates for one task. `schema` returns the schema of an id, or None when it is not known yet.

    `maker` says who makes the records of a schema's events.
    """

    def __init__(
        self,
        *,
        maker: Callable[[WriterSchema], RecordMaker],
        headers: EventHeaders,
        letters: Sender,
        schema: Callable[[str], WriterSchema | None],
        tolerate_errors: bool,
    ) -> None:
        self._maker = maker
        self._headers = headers
        self._letters = letters
        self._schema = schema
        self._tolerate_errors = tolerate_errors

    def translate(self, events: Sequence[Any], start: int, into: Translated, received_at_ms: int) -> int:
        """Append the records of `events[start:]` to `into`; return the index of the first event not translated.

        That is `len(events)`, or the index of an event whose schema is not known. An unreadable event becomes a dead
        letter; raises `TaskFailed` instead when errors are not tolerated.
        """
        add = into.records.append
        read_id, schema, make = None, None, None  # one choice per schema change instead of one per event
        for index in range(start, len(events)):
            consumer_event = events[index]
            event = consumer_event.event
            if event.schema_id != read_id:
                read_id, schema = event.schema_id, self._schema(event.schema_id)
                make = self._maker(schema).record if schema is not None else None
            if schema is None or make is None:
                return index
            try:
                record, happened_at_ms = make(consumer_event.replay_id, event, schema, received_at_ms)
            except Unreadable as error:
                self.give_up(consumer_event, into, stage=error.stage, error="Unreadable", reason=str(error))
                continue
            except PayloadError as error:
                self.give_up(consumer_event, into, stage="VALUE_CONVERTER", error="PayloadError", reason=str(error))
                continue
            add(record)
            into.events += 1
            if happened_at_ms is not None:
                into.newest_event_at_ms = happened_at_ms
                if into.oldest_event_at_ms is None:
                    into.oldest_event_at_ms = happened_at_ms
        return len(events)

    def give_up(self, consumer_event: Any, into: Translated, *, stage: str, error: str, reason: str) -> None:
        """Append the dead letter of one event. Raises `TaskFailed` when errors are not tolerated."""
        event, replay_id = consumer_event.event, consumer_event.replay_id
        if not self._tolerate_errors:
            raise TaskFailed(
                f"reading the event at replay_id={replay_id.hex()} (event_uuid={event.id}, schema_id={event.schema_id}"
                f"): {reason}; set errors.tolerance=all to send such events to the dead letters, and restart"
            )
        headers = self._headers.of(event.id, event.schema_id, replay_id)
        into.records.append(self._letters.unreadable(event.payload, headers, stage=stage, error=error, reason=reason))
        into.dead_letters += 1
