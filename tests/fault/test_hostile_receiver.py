"""A receiver that breaks its answers to some conversations holds up these, and no other."""

import asyncio
import statistics
from collections.abc import Iterator
from contextlib import asynccontextmanager

import msgspec
import pytest

from connectors import clock
from connectors.kafka.consumed import ConsumedRecord, OutputRecord
from connectors.sinks.engine.dispatcher import Dispatcher, Limits
from connectors.sinks.engine.metrics import SinkMetrics
from connectors.sinks.http.client import HttpClient, RetryPolicy
from connectors.sinks.http.status import StatusRules
from connectors.sinks.webhook.signing import signer_of
from connectors.sinks.webhook.sink import WebhookPoster
from schemas.codec import encode
from tests.support.channel import SECRET
from tests.support.hostile_receiver import (
    BROKEN_BEHIND_THE_STATUS,
    FINE,
    WITHOUT_STATUS,
    Answer,
    HostileReceiver,
    hostile_receiver,
    sent,
)
from tests.support.sinks import delivery, eventually

CONVERSATIONS = 1000
MESSAGES = 4
HOSTILE_EVERY = 20  # 5 %
INFLIGHT = 64
HOSTILE: dict[str, Answer] = {
    name: ({**BROKEN_BEHIND_THE_STATUS, **WITHOUT_STATUS})[name]
    for name in (
        "body cut",
        "body stalled",
        "body drip-fed",
        "body without end",
        "headers without end",
        "headers stalled",
        "silence",
        "aborted",
        "half a status line",
        "no HTTP",
    )
}
POLICY = RetryPolicy(retry_max=30, backoff_s=0.1, backoff_max_s=1.0, timeout_s=2.0, hold_max_s=6.0)


class Written:
    """A producer whose records are acknowledged at once."""

    def __init__(self) -> None:
        self.records: list[OutputRecord] = []

    def send(self, records, on_acknowledged) -> None:
        self.records.extend(records)
        asyncio.get_running_loop().call_soon(on_acknowledged, None)


def conversation_of(body: bytes) -> str:
    return str(msgspec.json.decode(body)["conversation_id"])


def records() -> Iterator[ConsumedRecord]:
    for number in range(CONVERSATIONS * MESSAGES):
        conversation, seq = f"c{number % CONVERSATIONS}", number // CONVERSATIONS
        yield ConsumedRecord(
            topic="deliveries",
            partition=0,
            offset=number,
            key=conversation.encode(),
            value=encode(delivery(conversation, seq)),
            headers=(),
            timestamp_ms=0,
        )


@asynccontextmanager
async def sink_to(receiver: HostileReceiver, policy: RetryPolicy = POLICY):
    """A dispatcher with a webhook sink that posts to the receiver."""
    written = Written()
    poster = WebhookPoster(
        url=receiver.url,
        signer=signer_of(SECRET),
        statuses=StatusRules(),
        receipts_topic="receipts",
        make_client=lambda: HttpClient(policy=policy, max_inflight=INFLIGHT, observe=lambda _status, _s: None),
        now_ms=clock.now_ms,
    )
    await poster.open()
    limits = Limits(max_buffered=10_000, max_buffered_bytes=64_000_000, max_in_progress=1024)
    letter = OutputRecord(topic="letters", key=None, value=None)
    dispatcher = Dispatcher(poster, written, limits, SinkMetrics("hostile", 0), lambda _record, _rejected: letter)
    dispatcher.assigned([("deliveries", 0)])
    try:
        yield dispatcher, written
    finally:
        await dispatcher.forget([("deliveries", 0)])
        await poster.close()


async def delays_of_the_others(hostile: bool) -> tuple[list[float], HostileReceiver]:
    """When each delivery of the well-behaved conversations arrived, in seconds from the start, in order."""
    kinds = list(HOSTILE)
    broken = {
        f"c{number}": HOSTILE[kinds[number // HOSTILE_EVERY % len(kinds)]]
        for number in range(0, CONVERSATIONS, HOSTILE_EVERY)
    }
    async with hostile_receiver(broken if hostile else {}) as receiver, sink_to(receiver) as (dispatcher, _written):
        receiver.body_path = conversation_of
        began_s = clock.monotonic_s()
        dispatcher.offer(list(records()))
        others = [f"c{number}" for number in range(CONVERSATIONS) if number % HOSTILE_EVERY]

        def all_arrived() -> bool:
            return sum(len(receiver.arrived.get(each, ())) for each in others) == len(others) * MESSAGES

        await eventually(all_arrived, "every delivery of the others arrives", patience_s=20)
        return sorted(at_s - began_s for each in others for at_s in receiver.arrived[each]), receiver


def figures(delays: list[float]) -> str:
    cuts = statistics.quantiles(delays, n=100)
    return f"p50={cuts[49]:.2f} s p99={cuts[98]:.2f} s last={delays[-1]:.2f} s"


@pytest.mark.slow
async def test_five_in_a_hundred_broken_answers_do_not_delay_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    alone, _ = await delays_of_the_others(hostile=False)
    beside, receiver = await delays_of_the_others(hostile=True)
    with capsys.disabled():
        print(f"\nothers alone:           {figures(alone)}\nothers beside hostile: {figures(beside)}")  # noqa: T201
    assert len(receiver.arrived) == CONVERSATIONS, "the hostile ones were tried, too"
    assert max(len(receiver.arrived[f"c{number}"]) for number in range(1, HOSTILE_EVERY)) == MESSAGES, "none twice"
    # Held slots would cost an attempt's whole time again and again; what is left is the first one.
    assert beside[len(beside) // 2] < 4 * alone[len(alone) // 2] + POLICY.timeout_s
    assert beside[-1] < 4 * alone[-1] + 2 * POLICY.timeout_s


@pytest.mark.parametrize("name", ["body cut", "body aborted", "chunk cut", "body stalled", "body without end"])
async def test_the_first_answers_are_cut_and_every_connection_is_given_back(name: str) -> None:
    left = {"cut": INFLIGHT}

    async def cut_at_first(writer: asyncio.StreamWriter) -> None:
        left["cut"] -= 1
        await (BROKEN_BEHIND_THE_STATUS[name] if left["cut"] >= 0 else sent(FINE))(writer)

    async with hostile_receiver({"any": cut_at_first}) as receiver, sink_to(receiver) as (dispatcher, written):
        receiver.body_path = lambda _body: "any"
        dispatcher.offer(list(records())[: INFLIGHT * 4])
        await eventually(lambda: dispatcher.buffered == 0, "all are done", patience_s=8)
        assert receiver.requests == INFLIGHT * 4, "each was sent once"
        assert [record.topic for record in written.records] == ["receipts"] * (INFLIGHT * 4)


async def test_conversations_without_answers_leave_half_of_the_slots_to_the_others() -> None:
    silent = {f"c{number}": WITHOUT_STATUS["silence"] for number in range(INFLIGHT * 2)}
    policy = RetryPolicy(retry_max=30, backoff_s=0.01, backoff_max_s=0.01, timeout_s=0.5, hold_max_s=20)
    async with hostile_receiver(silent) as receiver, sink_to(receiver, policy) as (dispatcher, _written):
        receiver.body_path = conversation_of
        everything = list(records())[:CONVERSATIONS]
        dispatcher.offer(everything[: INFLIGHT * 2])
        await eventually(lambda: receiver.requests > INFLIGHT * 3, "each silent one has been tried and tried again")
        began_s = clock.monotonic_s()
        dispatcher.offer(everything[INFLIGHT * 2 : INFLIGHT * 6])
        arrived = [f"c{number}" for number in range(INFLIGHT * 2, INFLIGHT * 6)]
        await eventually(lambda: all(each in receiver.arrived for each in arrived), "the others arrive")
        assert max(receiver.arrived[each][0] for each in arrived) - began_s < 4 * policy.timeout_s


async def test_a_receiver_that_answers_404_for_three_seconds_costs_no_delivery() -> None:
    until_s = clock.monotonic_s() + 3.0

    async def away(writer: asyncio.StreamWriter) -> None:
        gone = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
        await sent(gone if clock.monotonic_s() < until_s else FINE)(writer)

    async with hostile_receiver({"any": away}) as receiver, sink_to(receiver) as (dispatcher, written):
        receiver.body_path = lambda _body: "any"
        deliveries = list(records())[:900]
        for start in range(0, 900, 30):  # 300 a second
            dispatcher.offer(deliveries[start : start + 30])
            await asyncio.sleep(0.1)
        await eventually(lambda: dispatcher.buffered == 0, "all are done", patience_s=10)
    assert [record.topic for record in written.records] == ["receipts"] * 900
