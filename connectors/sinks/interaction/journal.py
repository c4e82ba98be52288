"""The journal of calls: each attempt at a call that must not be made twice is written down before it is sent.

An intent is acknowledged by Kafka before its attempt leaves. The owner of a partition reads the intents that can be of
its calls, and the results only when one of these calls comes: a call with a result is done, whatever the committed
offset says; a call with an intent and no result is in doubt. Intents lie in the partition of their call, so that the
next owner reads one partition. They are never changed, and expire as the calls do.

A member that stood still (SIGSTOP) for `STILL_S` may have lost its partitions, and does not know it yet. It sends
nothing of the kind until it has had time to hear of it; by then its calls were cancelled, if it has. A member that
stops between the last look at the clock and the send cannot be held.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

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

T = TypeVar("T")

STILL_S = 3.0  # half of the session timeout of a sink's group: nobody else owns the partition before
_HEARS_S = 5.0  # heartbeats are 1.5 s apart, and their answer tells a member that it is none any more
_TICK_S = 0.5
_CLOCKS_MS = 60_000  # how far the clocks of writers may be apart
# What is read of the journal at an assignment: a call is 60 s old at most while it may be sent. For an older one, whose
# result depends on whether it was attempted, the reading is made again from its time on.
_REACH_BACK_MS = 300_000
_OPEN_S = 3.0
_NO_INTENT = b"{}"  # a record that no reader takes for an intent
_READ_S = 10.0
_AGAIN_S = 0.05  # a broker that has just made a topic says for a moment that it does not lead it
_AGAIN_MAX_S = 2.0
_FLUSH_S = 2.0


class Intent(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The value of a journal record, as JSON; its key is the call's id. `offset` is that of the call."""

    call_id: str
    offset: int
    member: str
    at_ms: int


class Reader(Protocol):
    """What reads a topic; `connectors.kafka.topic_reader.TopicReader` does."""

    def connect(self, timeout_s: float) -> None:
        """Open connections ahead of the first read. Raises `RetriableError`."""
        ...

    def start_over(self, since_ms: int, partitions: Sequence[int] | None) -> None:
        """Read these partitions from this time on next."""
        ...

    def read_on(self, timeout_s: float) -> list[ConsumedRecord]:
        """What is new up to the present end. Raises `RetriableError`."""
        ...

    def close(self) -> None:
        """Release connections."""
        ...


MakeReader = Callable[[str, int, Sequence[int] | None], Reader]  # topic, since (epoch ms), partitions or all


@dataclass(eq=False, slots=True, kw_only=True)
class _Reading:
    """The intents of some partitions that are younger than `since_ms`, and the calls that have a result."""

    since_ms: int
    numbers: Sequence[int]
    intents: asyncio.Task[dict[str, Past]]
    concluded: asyncio.Task[set[str]] | None = None  # read when a call with an intent comes, and not before


class CallJournal:
    """Intents of the calls of the assigned partitions. Belongs to one event loop.

    What it has written and read survives a crash in Kafka; its memory is made anew for each assignment.

    A call that is not in doubt waits for one acknowledged record, and for no reading: the intents are read when the
    partitions are assigned, over connections that `open` has made, while the consumer fetches the first call.
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
        self._reader: Reader | None = None  # belongs to the thread
        self._still: Standstill | None = None
        self._ticking: asyncio.Task[None] | None = None
        self._readings: dict[Partition, _Reading] = {}
        self._tasks: set[asyncio.Task[Any]] = set()

    async def open(self) -> None:
        """Make the producer and the connections, and use both once. Called once, before all else.

        The first record of a producer takes 0.5 to 2 s: its id comes late. A first call has to be sent before a
        deadline, so a record that is no intent is written and read first, and the group is joined after that. When
        Kafka does not answer, or the topic is missing, this returns: the consumer says so next. Raises
        `TerminalError` when the topic may not be written to.
        """
        self._producer = self._make_producer()
        self._thread = CallThread(f"journal-{self._member}")
        self._still = Standstill(clock.monotonic_s())
        self._ticking = asyncio.create_task(self._tick(self._still))
        try:
            await self._thread.call(self._connected)
            async with asyncio.timeout(_OPEN_S):
                began_ms = self._now_ms()
                await self._written(_NO_INTENT, self._member.encode(), 0)
                await self._thread.call(lambda: self._read_intents(began_ms, (0,)))
        except (RetriableError, TimeoutError) as error:
            log.warning("journal of calls is not ready", extra={"topic": self._topic, "error": str(error)})

    def assigned(self, partitions: Sequence[Partition]) -> None:
        """These partitions are read from their committed offsets on: what was known of them is old."""
        if partitions:
            self._read(partitions, self._now_ms() - _REACH_BACK_MS)

    async def past(self, record: ConsumedRecord, call_id: str) -> Past:
        """What was known of a call when its partition was assigned. Waits while Kafka does not answer."""
        partition = (record.topic, record.partition)
        since_ms = max(0, record.timestamp_ms - _CLOCKS_MS)  # an intent is younger than its call
        reading = self._readings.get(partition)
        if reading is None or reading.since_ms > since_ms:
            reading = self._read([partition], since_ms - _REACH_BACK_MS)
        past = (await asyncio.shield(reading.intents)).get(call_id)
        if past is None or past.attempted_at_ms is None:
            return Past()
        if reading.concluded is None:
            reading.concluded = self._start(self._results(max(0, past.attempted_at_ms - _REACH_BACK_MS)))
        return Past(attempted_at_ms=past.attempted_at_ms, concluded=call_id in await asyncio.shield(reading.concluded))

    async def intend(self, record: ConsumedRecord, call_id: str) -> bool:
        """Write that a call is about to be sent, and wait for Kafka's acknowledgement.

        Returns whether it may be sent now: false when this process stood still not long ago.
        """
        if self._producer is None or self._still is None:
            raise RuntimeError("intend() before open()")
        intent = Intent(call_id=call_id, offset=record.offset, member=self._member, at_ms=self._now_ms())
        await self._written(msgspec.json.encode(intent), call_id.encode(), record.partition)
        return self._still.may_send(clock.monotonic_s())

    async def close(self) -> None:
        """Close producer and reader. Called once, also after a failed `open`."""
        for task in self._tasks:
            task.cancel()
        if self._ticking is not None:
            self._ticking.cancel()
        if self._producer is not None:
            await self._producer.close(_FLUSH_S)
        if self._thread is not None:
            await self._thread.call(self._disconnected)
            self._thread.end()

    async def _written(self, value: bytes, key: bytes, number: int) -> None:
        if self._producer is None:
            raise RuntimeError("a record of the journal before open()")
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def acknowledged(error: Exception | None) -> None:
            if written.done():
                return
            if error is None:
                written.set_result(None)
            else:
                written.set_exception(error)

        self._producer.send((OutputRecord(topic=self._topic, partition=number, key=key, value=value),), acknowledged)
        await written

    async def _tick(self, still: "Standstill") -> None:
        while True:
            still.tick(clock.monotonic_s())
            await asyncio.sleep(_TICK_S)

    def _read(self, partitions: Sequence[Partition], since_ms: int) -> _Reading:
        """Begin to read the intents of partitions; what was read of them before is forgotten."""
        numbers = sorted({number for _, number in partitions})
        since_ms = max(0, since_ms)
        reading = _Reading(since_ms=since_ms, numbers=numbers, intents=self._start(self._intents(since_ms, numbers)))
        for partition in partitions:
            self._readings[partition] = reading
        return reading

    def _start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _intents(self, since_ms: int, numbers: Sequence[int]) -> dict[str, Past]:
        return attempts(await self._patiently(self._topic, lambda: self._read_intents(since_ms, numbers)))

    async def _results(self, since_ms: int) -> set[str]:
        def read() -> list[ConsumedRecord]:
            # all partitions: who writes a call by hand may have given its results another place
            reader = self._make_reader(self._results_topic, since_ms, None)
            try:
                return reader.read_on(_READ_S)
            finally:
                reader.close()

        return concluded(await self._patiently(self._results_topic, read))

    async def _patiently(self, topic: str, read: Callable[[], list[ConsumedRecord]]) -> list[ConsumedRecord]:
        if self._thread is None:
            raise RuntimeError("reading the journal before open()")
        wait_s = _AGAIN_S
        while True:
            try:
                return await self._thread.call(read)
            except RetriableError as error:
                log.warning("journal of calls cannot be read", extra={"topic": topic, "error": str(error)})
                await asyncio.sleep(wait_s)
                wait_s = min(wait_s * 2, _AGAIN_MAX_S)

    def _read_intents(self, since_ms: int, numbers: Sequence[int]) -> list[ConsumedRecord]:
        """Runs in the thread."""
        reader = self._connected()
        try:
            reader.start_over(since_ms, numbers)
            return reader.read_on(_READ_S)
        except RetriableError:
            self._disconnected()
            raise

    def _connected(self) -> Reader:
        """The reader of intents, with its connections. Runs in the thread."""
        if self._reader is None:
            reader = self._make_reader(self._topic, 0, ())
            try:
                reader.connect(_OPEN_S)
            except RetriableError:
                reader.close()
                raise
            self._reader = reader
        return self._reader

    def _disconnected(self) -> None:
        """Runs in the thread."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None


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


def intents(values: Iterable[bytes | None]) -> list[Intent]:
    """The intents among the values of journal records, in their order. Values of another form are left out."""
    found = []
    for value in values:
        with contextlib.suppress(msgspec.MsgspecError):
            found.append(msgspec.json.decode(value or b"", type=Intent))
    return found


def attempts(records: Iterable[ConsumedRecord]) -> dict[str, Past]:
    """Call id -> its last attempt, of journal records in their order. Records of another form are left out."""
    return {each.call_id: Past(attempted_at_ms=each.at_ms) for each in intents(record.value for record in records)}


def concluded(records: Iterable[ConsumedRecord]) -> set[str]:
    """The ids of the calls that have a result. Records of another form are left out."""
    found = set()
    for record in records:
        try:
            found.add(decode(SalesforceCallResult, record.value or b"").call_id)
        except DecodeError:
            continue
    return found
