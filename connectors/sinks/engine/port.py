"""What a sink is: it takes records one by one and says what became of each.

The runner around it (`connectors.sinks.engine.dispatcher`) keeps the promises that no sink should have to think of:
records of one conversation arrive in order and one at a time, conversations beside each other; what a sink returns as
outputs is acknowledged by Kafka before the record's offset may be committed; a rejected record becomes a dead letter.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from connectors.kafka.consumed import ConsumedRecord, OutputRecord


class Stage(StrEnum):
    """Where a record was rejected, in Kafka Connect's words (`__connect.errors.stage`)."""

    VALUE_CONVERTER = "VALUE_CONVERTER"
    TASK_PUT = "TASK_PUT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """The record has had its effect; `outputs` tell of it."""

    outputs: tuple[OutputRecord, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """The record is not to have an effect any more, by its own terms. Counted under `reason`, one constant word."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """The record cannot have its effect, and repeating cannot help, or was tried long enough.

    `error` is the name of the error class, `message` says what happened without quoting the record; `outputs` tell of
    the failure.
    """

    stage: Stage
    error: str
    message: str
    outputs: tuple[OutputRecord, ...] = ()


Outcome = Done | Dropped | Rejected


class Sink(Protocol):
    """One way out of Kafka. Belongs to one event loop."""

    async def open(self) -> None:
        """Called once before the first record. Raises `TerminalError` when the sink cannot work as configured."""
        ...

    async def put(self, record: ConsumedRecord) -> Outcome:
        """Bring one record out and say what became of it.

        Called in order within a conversation, from many conversations at once. May take as long as the sink's own
        bounds allow. May be cancelled at any point when the partition goes to another member or the task stops; the
        record comes again then, there or here, so the effect must bear repeating. Raises `TerminalError` to stop the
        task, and nothing else.
        """
        ...

    async def close(self) -> None:
        """Release connections. No `put` runs any more. Called once, also after a failed `open`."""
        ...
