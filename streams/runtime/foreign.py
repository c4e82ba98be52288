"""What the runtime uses of Faust and aiokafka, as protocols.

Both come without types that mypy can follow, and much of what is needed here is private to them: aiokafka shows the
position of its fetcher nowhere else, and Faust the books of its recovery. A new version of either is checked against
this file first.
"""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Protocol

from streams.runtime.partitions import Partitions
from streams.runtime.records import TopicPartition
from streams.state.store import FaustStore

# -- Faust


class Message(Protocol):
    """`faust.types.tuples.Message`: what the transport hands to Faust's queues."""

    value: object


class Watermarks(Protocol):
    """Our `Consumer`, which has no type of its own: its base class has none."""

    async def look_again(self) -> None:
        """Ask the fetcher what is left in the inputs by now."""

    def watermark_ms(self, partition: int, now_ms: int) -> int:
        """The event time up to which the inputs of a partition number have been taken, epoch ms."""


class RunningApp(Protocol):
    """Our `ExactlyOnceApp` while it runs, which has no type of its own either."""

    partitions: Partitions
    consumer: Watermarks
    should_stop: bool
    rebalancing: bool
    in_recovery: bool


class Table(Protocol):
    """`faust.Table`: `data` is its store."""

    data: FaustStore


class Recovery(Protocol):
    """`faust.tables.recovery.Recovery`: what it knows of the changelog partitions that it reads.

    `active_offsets` holds the last offset that was applied, `active_highwaters` the last one that must be.
    """

    active_tps: set[TopicPartition]
    active_offsets: dict[TopicPartition, int | None]
    active_highwaters: dict[TopicPartition, int | None]
    tp_to_table: Mapping[TopicPartition, Table]
    in_recovery: bool

    signal_recovery_end: asyncio.Event

    def need_recovery(self) -> bool:
        """True while a changelog partition is not read to its highwater."""

    def flush_buffers(self) -> None:
        """Apply what stock's queue reader still holds."""

    def _set_recovery_ended(self) -> None: ...


# -- aiokafka


class FetchState(Protocol):
    """One partition of the fetcher.

    `_position` is the next offset it hands out, `lso` the end of what is committed on the broker, as of the last fetch;
    its answer came at `timestamp`, epoch ms. All are None before the first fetch.
    """

    _position: int | None
    lso: int | None
    timestamp: int | None


class Assignment(Protocol):
    """The partitions that are assigned at the moment."""

    _tp_state: Mapping[TopicPartition, FetchState]


class Subscription(Protocol):
    """What the consumer has subscribed to; `assignment` is None between two assignments."""

    assignment: Assignment | None


class Subscriptions(Protocol):
    """`subscription` is None before the consumer has subscribed."""

    subscription: Subscription | None


class CommittedOffset(Protocol):
    """The committed offset of a partition; negative when there is none."""

    offset: int


class Coordinator(Protocol):
    """The group coordinator's client."""

    async def fetch_committed_offsets(
        self, partitions: Iterable[TopicPartition]
    ) -> Mapping[TopicPartition, CommittedOffset]:
        """The group's committed offsets, in one request; a partition without one may be missing."""


class KafkaConsumer(Protocol):
    """`aiokafka.AIOKafkaConsumer`. Used in its own thread, but for reads of `_subscription`."""

    _subscription: Subscriptions
    _coordinator: Coordinator

    def pause(self, *partitions: TopicPartition) -> None:
        """Do not fetch these."""

    def resume(self, *partitions: TopicPartition) -> None:
        """Fetch these again."""

    def seek(self, partition: TopicPartition, offset: int) -> None:
        """Fetch this partition from `offset` on."""
