"""Transactions of a real client, on a cluster that librdkafka plays in this process: a request takes 0.2 s there."""

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from connectors.kafka.producer import TransactionalProducer
from connectors.pubsub.converters.batch import Batch
from connectors.pubsub.runner.transactions import TransactionWriter

PLAYED_CLUSTER = {"test.mock.num.brokers": "1", "test.mock.broker.rtt": "200"}


async def longest_turn_s(task: asyncio.Task[None]) -> float:
    """The longest that the event loop was held up until the task ended."""
    longest_s = 0.0
    while not task.done():
        began_s = time.monotonic()
        await asyncio.sleep(0.01)
        longest_s = max(longest_s, time.monotonic() - began_s)
    await task
    return longest_s


async def test_the_stream_is_read_on_while_a_transaction_waits_for_kafka() -> None:
    producer = TransactionalProducer(bootstrap_servers="", transactional_id="one", client=PLAYED_CLUSTER)
    took_s: list[float] = []

    def committed(_batches: Sequence[Batch], seconds: float) -> None:
        took_s.append(seconds)

    with ThreadPoolExecutor(1) as thread:
        producer.init(30.0)
        producer.begin()
        writer = TransactionWriter(
            producer,
            thread,
            transaction_timeout_s=60.0,
            position_record=lambda _: ("offsets", b"{}", b"key", None),
            committed=committed,
        )
        writer.submit(Batch(sequence=1, replay_id=b"1", received_s=0.0, records=[("events", b"value", b"key", None)]))
        writer.finish()
        longest_s = await longest_turn_s(asyncio.create_task(writer.run()))
        producer.close()
    assert len(took_s) == 1
    assert took_s[0] > 0.4  # two requests at least
    assert longest_s < took_s[0] / 2
