"""The journal of calls: each attempt at a call that must not be made twice is written down before it is sent.

An intent is acknowledged by Kafka before its attempt leaves. The owner of a partition reads the intents and the results
that are younger than the first record it got: a call with a result is done, whatever the committed offset says; a call
with an intent and no result is in doubt. Intents lie in the partition of their call, so that the next owner reads one
partition. They are never changed, and expire as the calls do.

A member that stood still (SIGSTOP) for `STILL_S` may have lost its partitions, and does not know it yet. It sends
nothing of the kind until it has had time to hear of it; by then its calls were cancelled, if it has. A member that
stops between the last look at the clock and the send cannot be held.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

import msgspec

from connectors import clock
from connectors.errors import RetriableError
from connectors.kafka.call_thread import CallThread
from connectors.kafka.consumed import ConsumedRecord, OutputRecord, Partition
from connectors.kafka.idempotent_producer import IdempotentProducer
from connectors.sinks.interaction.doubt import Past
from schemas.codec import DecodeError, decode
from schemas.records import SalesforceCallResult

log = logging.getLogger(__name__)

STILL_S = 3.0  # half of the session timeout of a sink's group: nobody else owns the partition before
_HEARS_S = 5.0  # heartbeats are 1.5 s apart, and their answer tells a member that it is none any more
_TICK_S = 0.5
_CLOCKS_MS = 60_000  # how far the clocks of writers may be apart
_READ_S = 10.0
_AGAIN_S = 0.5
_FLUSH_S = 2.0


class Intent(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The value of a journal record, as JSON; its key is the call's id. `offset` is that of the call."""

    call_id: str
    offset: int
    member: str
    at_ms: int


class Reader(Protocol):
    """What reads a topic; `connectors.kafka.topic_reader.TopicReader` does."""

    def read_on(self, timeout_s: float) -> list[ConsumedRecord]:
        """What is new up to the present end. Raises `RetriableError`."""
        ...

    def close(self) -> None:
        """Release connections."""
        ...


MakeReader = Callable[[str, int, Sequence[int] | None], Reader]  # topic, since (epoch ms), partitions or all


class CallJournal:
    """Intents of the calls of the assigned partitions. Belongs to one event loop.

    What it has written and read survives a crash in Kafka; its memory is made anew for each assignment.
    """

    def __init__(
        self,
        *,
        topic: str,
        results_topic: str,
        member: str,
        make_producer: Callable[[], IdempotentProducer],
        make_reader: MakeReader,
        now_ms: Callable[[], int],
    ) -> None:
        """`member` names the writer in intents. `make_producer` is called in `open`, on the event loop."""
        self._topic = topic
        self._results_topic = results_topic
        self._member = member
        self._make_producer = make_producer
        self._make_reader = make_reader
        self._now_ms = now_ms
        self._producer: IdempotentProducer | None = None
        self._thread: CallThread | None = None
        self._still: Standstill | None = None
        self._ticking: asyncio.Task[None] | None = None
        self._first_ms: dict[Partition, int] = {}
        self._pasts: dict[Partition, asyncio.Task[dict[str, Past]]] = {}

    async def open(self) -> None:
        """Make the producer. Called once, before all else."""
        self._producer = self._make_producer()
        self._thread = CallThread(f"journal-{self._member}")
        self._still = Standstill(clock.monotonic_s())
        self._ticking = asyncio.create_task(self._tick(self._still))

    def assigned(self, partitions: Iterable[Partition]) -> None:
        """These partitions are read from their committed offsets on: what was known of them is old."""
        for partition in partitions:
            self._first_ms.pop(partition, None)
            reading = self._pasts.pop(partition, None)
            if reading is not None:
                reading.cancel()

    def seen(self, record: ConsumedRecord) -> None:
        """Note the first record of an assignment: intents and results of it and all later ones are younger."""
        self._first_ms.setdefault((record.topic, record.partition), record.timestamp_ms)

    async def past(self, record: ConsumedRecord, call_id: str) -> Past:
        """What was known of a call when its partition was assigned. Waits while Kafka does not answer."""
        partition = (record.topic, record.partition)
        reading = self._pasts.get(partition)
        if reading is None:
            reading = self._pasts[partition] = asyncio.create_task(self._read(partition))
        return (await asyncio.shield(reading)).get(call_id, Past())

    async def intend(self, record: ConsumedRecord, call_id: str) -> bool:
        """Write that a call is about to be sent, and wait for Kafka's acknowledgement.

        Returns whether it may be sent now: false when this process stood still not long ago.
        """
        if self._producer is None or self._still is None:
            raise RuntimeError("intend() before open()")
        intent = Intent(call_id=call_id, offset=record.offset, member=self._member, at_ms=self._now_ms())
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def acknowledged(error: Exception | None) -> None:
            if written.done():
                return
            if error is None:
                written.set_result(None)
            else:
                written.set_exception(error)

        value = msgspec.json.encode(intent)
        key = call_id.encode()
        output = OutputRecord(topic=self._topic, partition=record.partition, key=key, value=value)
        self._producer.send((output,), acknowledged)
        await written
        return self._still.may_send(clock.monotonic_s())

    async def close(self) -> None:
        """Close the producer. Called once, also after a failed `open`."""
        for reading in self._pasts.values():
            reading.cancel()
        if self._ticking is not None:
            self._ticking.cancel()
        if self._producer is not None:
            await self._producer.close(_FLUSH_S)
        if self._thread is not None:
            self._thread.end()

    async def _tick(self, still: "Standstill") -> None:
        while True:
            still.tick(clock.monotonic_s())
            await asyncio.sleep(_TICK_S)

    async def _read(self, partition: Partition) -> dict[str, Past]:
        if self._thread is None:
            raise RuntimeError("past() before open()")
        since_ms = max(0, self._first_ms.get(partition, 0) - _CLOCKS_MS)
        while True:
            try:
                return await self._thread.call(lambda: self._pasts_since(since_ms, partition[1]))
            except RetriableError as error:
                log.warning("journal of calls cannot be read", extra={"topic": self._topic, "error": str(error)})
                await asyncio.sleep(_AGAIN_S)

    def _pasts_since(self, since_ms: int, number: int) -> dict[str, Past]:
        """Call id -> what is known of it. Runs in the thread."""
        found = attempts(self._all(self._topic, since_ms, (number,)))
        if found:
            # all partitions: who writes a call by hand may have given its results another place
            for name in concluded(self._all(self._results_topic, since_ms, None)) & found.keys():
                found[name] = Past(attempted_at_ms=found[name].attempted_at_ms, concluded=True)
        return found

    def _all(self, topic: str, since_ms: int, partitions: Sequence[int] | None) -> list[ConsumedRecord]:
        reader = self._make_reader(topic, since_ms, partitions)
        try:
            return reader.read_on(_READ_S)
        finally:
            reader.close()


class Standstill:
    """Whether this process stood still, by the times at which it should have ticked. Pure; times are seconds."""

    def __init__(self, now_s: float) -> None:
        """It is moving at `now_s`."""
        self._ticked_s = now_s
        self._silent_until_s = now_s

    def tick(self, now_s: float) -> None:
        """Note that it moves."""
        if now_s - self._ticked_s >= STILL_S:
            self._silent_until_s = now_s + _HEARS_S
        self._ticked_s = now_s

    def may_send(self, now_s: float) -> bool:
        """Whether it has moved all the time of late."""
        return now_s - self._ticked_s < STILL_S and now_s >= self._silent_until_s


def attempts(records: Iterable[ConsumedRecord]) -> dict[str, Past]:
    """Call id -> its last attempt, of journal records in their order. Records of another form are left out."""
    found = {}
    for record in records:
        try:
            intent = msgspec.json.decode(record.value or b"", type=Intent)
        except msgspec.MsgspecError:
            continue
        found[intent.call_id] = Past(attempted_at_ms=intent.at_ms)
    return found


def concluded(records: Iterable[ConsumedRecord]) -> set[str]:
    """The ids of the calls that have a result. Records of another form are left out."""
    found = set()
    for record in records:
        try:
            found.add(decode(SalesforceCallResult, record.value or b"").call_id)
        except DecodeError:
            continue
    return found
