"""The dispatcher with a sink and a log that live in memory: what may be committed, and when."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial

import pytest

from connectors.errors import TaskFailed, TerminalError
from connectors.kafka.consumed import ConsumedRecord, OutputRecord, Partition
from connectors.sinks.engine.dead_letters import dead_letter
from connectors.sinks.engine.dispatcher import Dispatcher, Limits, MakeDeadLetter
from connectors.sinks.engine.metrics import SinkMetrics
from connectors.sinks.engine.port import Done, Dropped, Outcome, Rejected
from schemas.dead_letters import Stage

P0: Partition = ("in", 0)
P1: Partition = ("in", 1)
LIMITS = Limits(max_buffered=8, max_buffered_bytes=1_000, max_in_progress=100)
DEAD_LETTER: MakeDeadLetter = partial(
    dead_letter, topic="dead", connector="test", task_id=0, class_name="test.GatedSink"
)
REJECTED = Rejected(stage=Stage.TASK_PUT, error="Refused", message="delivering: refused")


def record(offset: int, key: str | None = "c", partition: int = 0, value: bytes = b"v") -> ConsumedRecord:
    return ConsumedRecord(
        topic="in",
        partition=partition,
        offset=offset,
        key=None if key is None else key.encode(),
        value=value,
        headers=(("kept", b"1"),),
        timestamp_ms=1000 + offset,
    )


class GatedSink:
    """Every record waits until the test says how it ended."""

    def __init__(self) -> None:
        self.started: list[int] = []
        self.gates: defaultdict[int, asyncio.Future[Outcome]] = defaultdict(
            lambda: asyncio.get_running_loop().create_future()
        )

    async def open(self) -> None: ...

    def assigned(self, partitions: Sequence[Partition]) -> None: ...

    async def put(self, record: ConsumedRecord) -> Outcome:
        self.started.append(record.offset)
        return await self.gates[record.offset]

    async def close(self) -> None: ...

    def finish(self, *offsets: int) -> None:
        for offset in offsets:
            self.gates[offset].set_result(Done(outputs=(OutputRecord(topic="out", key=b"c", value=b"r"),)))


class Log:
    """Keeps what is written, and acknowledges when the test says so."""

    def __init__(self) -> None:
        self.records: list[OutputRecord] = []
        self.waiting: list[Callable[[Exception | None], None]] = []

    def send(self, records: Sequence[OutputRecord], on_acknowledged: Callable[[Exception | None], None]) -> None:
        self.records.extend(records)
        if records:
            self.waiting.append(on_acknowledged)
        else:
            on_acknowledged(None)

    def acknowledge(self, error: Exception | None = None) -> None:
        waiting, self.waiting = self.waiting, []
        for on_acknowledged in waiting:
            on_acknowledged(error)


def dispatching(
    sink: GatedSink, log: Log, limits: Limits = LIMITS, make_dead_letter: MakeDeadLetter | None = DEAD_LETTER
) -> Dispatcher:
    dispatcher = Dispatcher(sink, log, limits, SinkMetrics("test", 0), make_dead_letter)
    dispatcher.assigned([P0, P1])
    return dispatcher


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_the_offset_waits_for_kafka_to_acknowledge_the_receipt() -> None:
    sink, log = GatedSink(), Log()
    dispatcher = dispatching(sink, log)
    dispatcher.offer([record(5)])
    sink.finish(5)
    await settle()
    assert [output.topic for output in log.records] == ["out"]
    assert dispatcher.positions() == {P0: 5}
    log.acknowledge()
    assert dispatcher.positions() == {P0: 6}


async def test_the_offset_waits_at_the_stuck_conversation_while_others_go_on() -> None:
    sink, log = GatedSink(), Log()
    dispatcher = dispatching(sink, log)
    dispatcher.offer([record(0, "stuck"), record(1, "a"), record(2, "b"), record(3, "a")])
    sink.finish(1, 2, 3)
    await settle()
    log.acknowledge()
    assert sorted(sink.started) == [0, 1, 2, 3]
    assert dispatcher.positions() == {P0: 0}
    assert dispatcher.buffered == 1
    sink.finish(0)
    await settle()
    log.acknowledge()
    assert dispatcher.positions() == {P0: 4}
    assert dispatcher.buffered == 0


async def test_a_rejected_record_goes_to_the_dead_letters_and_its_conversation_goes_on() -> None:
    sink, log = GatedSink(), Log()
    dispatcher = dispatching(sink, log)
    dispatcher.offer([record(0), record(1)])
    sink.gates[0].set_result(REJECTED)
    sink.finish(1)
    await settle()
    letter = log.records[0]
    assert (letter.topic, letter.key, letter.value, letter.timestamp_ms) == ("dead", b"c", b"v", 1000)
    assert dict(letter.headers) == {
        "kept": b"1",
        "__connect.errors.topic": b"in",
        "__connect.errors.partition": b"0",
        "__connect.errors.offset": b"0",
        "__connect.errors.connector.name": b"test",
        "__connect.errors.task.id": b"0",
        "__connect.errors.stage": b"TASK_PUT",
        "__connect.errors.class.name": b"test.GatedSink",
        "__connect.errors.exception.class.name": b"Refused",
        "__connect.errors.exception.message": b"delivering: refused",
    }
    assert sink.started == [0, 1]
    assert dispatcher.positions() == {P0: 0}
    log.acknowledge()
    assert dispatcher.positions() == {P0: 2}


async def test_without_tolerance_a_rejected_record_stops_the_task_before_its_offset() -> None:
    sink, log = GatedSink(), Log()
    dispatcher = dispatching(sink, log, make_dead_letter=None)
    dispatcher.offer([record(3), record(4)])
    sink.gates[3].set_result(REJECTED)
    await settle()
    with pytest.raises(TaskFailed, match=r"partition=0, offset=3.*errors.tolerance=all"):
        await dispatcher.failure
    assert log.records == []
    assert sink.started == [3]
    assert dispatcher.positions() == {P0: 3}


async def test_a_dropped_record_is_done_without_a_trace_in_kafka() -> None:
    sink, log = GatedSink(), Log()
    dispatcher = dispatching(sink, log)
    dispatcher.offer([record(0)])
    sink.gates[0].set_result(Dropped(reason="expired"))
    await settle()
    assert log.records == []
    assert dispatcher.positions() == {P0: 1}


async def test_a_record_that_kafka_refuses_stops_the_task_before_its_offset() -> None:
    sink, log = GatedSink(), Log()
    dispatcher = dispatching(sink, log)
    dispatcher.offer([record(0)])
    sink.finish(0)
    await settle()
    log.acknowledge(TerminalError("writing to out: no such topic"))
    with pytest.raises(TerminalError, match="writing to out"):
        await dispatcher.failure
    assert dispatcher.positions() == {P0: 0}


async def test_an_unforeseen_error_stops_the_task_before_its_offset() -> None:
    sink, log = GatedSink(), Log()
    dispatcher = dispatching(sink, log)
    dispatcher.offer([record(0)])
    sink.gates[0].set_exception(ZeroDivisionError("a mistake in the sink"))
    await settle()
    with pytest.raises(ZeroDivisionError):
        await dispatcher.failure
    assert dispatcher.positions() == {P0: 0}


async def test_reading_pauses_when_enough_is_held_and_resumes_at_half() -> None:
    sink, log = GatedSink(), Log()
    dispatcher = dispatching(sink, log)
    dispatcher.offer([record(offset, f"c{offset}") for offset in range(8)])
    await settle()
    assert dispatcher.full
    sink.finish(0, 1, 2)
    await settle()
    assert dispatcher.full, "delivered, but not acknowledged by Kafka: still held"
    log.acknowledge()
    assert (dispatcher.full, dispatcher.may_resume) == (False, False)
    sink.finish(3)
    await settle()
    log.acknowledge()
    assert dispatcher.may_resume


async def test_large_records_pause_reading_too() -> None:
    dispatcher = dispatching(GatedSink(), Log())
    dispatcher.offer([record(0, value=b"x" * 999)])
    assert dispatcher.full
    await dispatcher.forget([P0])
    assert not dispatcher.full


async def test_leaving_a_partition_ends_what_is_in_progress_and_starts_nothing_more() -> None:
    sink, log = GatedSink(), Log()
    dispatcher = dispatching(sink, log)
    dispatcher.offer([record(0, "a"), record(1, "a"), record(2, "b"), record(7, "z", partition=1)])
    await settle()
    releasing = asyncio.create_task(dispatcher.release([P0], grace_s=30))
    await settle()
    sink.finish(0, 2)
    await settle()
    assert not releasing.done(), "the receipts are not acknowledged yet"
    log.acknowledge()
    assert await releasing == {P0: 1}
    assert sink.started == [0, 2, 7]
    assert dispatcher.positions() == {P1: 7}
    assert dispatcher.buffered == 1


async def test_leaving_a_partition_does_not_wait_for_a_stuck_conversation() -> None:
    sink, log = GatedSink(), Log()
    dispatcher = dispatching(sink, log)
    dispatcher.offer([record(0, "a"), record(1, "stuck")])
    sink.finish(0)
    await settle()
    log.acknowledge()
    assert await dispatcher.release([P0], grace_s=0.01) == {P0: 1}
    assert sink.gates[1].cancelled()


async def test_results_of_a_lost_partition_move_nothing_when_it_comes_back() -> None:
    sink, log = GatedSink(), Log()
    dispatcher = dispatching(sink, log)
    dispatcher.offer([record(0)])
    sink.finish(0)
    await settle()
    await dispatcher.forget([P0])
    dispatcher.assigned([P0])
    sink.gates.clear()
    dispatcher.offer([record(0)])
    log.acknowledge()
    assert dispatcher.positions() == {P0: 0}
    assert dispatcher.buffered == 1


async def test_records_of_a_partition_that_has_gone_are_not_delivered() -> None:
    sink, log = GatedSink(), Log()
    dispatcher = dispatching(sink, log)
    await dispatcher.forget([P0])
    dispatcher.offer([record(0), record(0, partition=1)])
    await settle()
    assert len(sink.started) == 1
    assert dispatcher.positions() == {P1: 0}


async def test_records_without_a_key_keep_their_order() -> None:
    sink, log = GatedSink(), Log()
    dispatcher = dispatching(sink, log)
    dispatcher.offer([record(0, None), record(1, None)])
    await settle()
    assert sink.started == [0]
