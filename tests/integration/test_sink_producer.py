"""A fatal error of the sinks' producer on a real Kafka: it is told to all who wait, and to all who come after it."""

import asyncio

import pytest

from connectors.errors import TerminalError
from connectors.kafka.consumed import OutputRecord
from connectors.kafka.idempotent_producer import IdempotentProducer
from tests.support.kafka import TestBroker, Unique

pytestmark = [pytest.mark.broker, pytest.mark.asyncio]

# The client makes an error of a record a fatal one of its own: the way to one that needs no broken broker.
FATAL = {"enable.gapless.guarantee": "true"}


async def test_a_fatal_error_is_told_to_all_who_wait(kafka: TestBroker, unique: Unique) -> None:
    topic = kafka.create_topic(unique.name("small"), config={"max.message.bytes": "1000"})
    producer = IdempotentProducer(
        bootstrap_servers=kafka.bootstrap_servers,
        client_id=unique.group,
        overrides={**FATAL, "batch.num.messages": "1"},
    )
    told: list[asyncio.Future[Exception | None]] = []

    def send(value: bytes, records: int = 1) -> None:
        answer = asyncio.get_running_loop().create_future()
        told.append(answer)
        producer.send([OutputRecord(topic=topic, key=b"k", value=value)] * records, answer.set_result)

    send(b"fits")
    assert await asyncio.wait_for(told[0], 20) is None
    send(b"x" * 5_000)
    for _ in range(20):
        send(b"behind it", records=3)
    answers = await asyncio.wait_for(asyncio.gather(*told[1:]), 20)
    assert all(isinstance(answer, TerminalError) for answer in answers)
    with pytest.raises(TerminalError, match="restart the task"):
        send(b"after it")
    await asyncio.wait_for(producer.close(5), 20)
