"""What a sink is: it takes records one by one and returns how each ended.

The dispatcher around it (`connectors.sinks.engine.dispatcher`) keeps the promises that no sink should have to think
of. Records of one conversation arrive in order and one at a time, and conversations beside each other. What a sink
returns as outputs is acknowledged by Kafka before the record's offset may be committed. A rejected record becomes a
dead letter.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from connectors.kafka.consumed import ConsumedRecord, OutputRecord, Partition
from schemas.dead_letters import Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """The record has had its effect; `outputs` are records that report it."""

    outputs: tuple[OutputRecord, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """The record must not have an effect any more, by its own terms. Counted under `reason`, one constant word."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """The record cannot have its effect: repeating cannot help, or was tried long enough.

    `stage` says where it failed, `error` is the name of the error's class, and `message` says what happened without
    quoting the record. `outputs` are records that report the failure.
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

    def assigned(self, partitions: Sequence[Partition]) -> None:
        """These partitions come to this task: their records follow, from the committed offsets on.

        Called for each assignment, also of partitions that the task had before, and before their first `put`.
        """
        ...

    async def put(self, record: ConsumedRecord) -> Outcome:
        """Give one record its effect and return how that ended.

        Called in order within a conversation, for many conversations at once. May take as long as the sink's own
        bounds allow. May be cancelled at any point, when the partition goes to another member or the task stops; the
        record comes again then, there or here, so its effect must bear repeating. Raises `TerminalError` to stop the
        task, and nothing else.
        """
        ...

    async def close(self) -> None:
        """Release connections. No `put` runs any more. Called once, also after a failed `open`."""
        ...
