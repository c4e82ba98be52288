"""Two producers with one transactional id: the older one is told that it is fenced, in whichever call it meets it."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from connectors.kafka.errors import Fenced
from connectors.kafka.producer import TransactionalProducer
from connectors.pubsub.converters.batch import Batch
from connectors.pubsub.runner.transactions import TransactionWriter

TIMEOUT_S = 15.0
DEADLINE_S = 30.0


@pytest.fixture
def producer(kafka, catalogue):
    """A function that makes a producer which has taken over the id of the test."""
    made = []

    def make():
        found = TransactionalProducer(bootstrap_servers=kafka.bootstrap_servers, transactional_id=catalogue.events)
        made.append(found)
        found.init(TIMEOUT_S)
        return found

    yield make
    for each in made:
        each.close()


def record(catalogue):
    return (catalogue.events, b"value", b"key", None)


def produce_until_it_shows(older, catalogue):
    """The client sends in the background, so that the refusal shows in one of the next calls."""
    until_s = time.monotonic() + DEADLINE_S
    while time.monotonic() < until_s:
        older.produce([record(catalogue)])
        time.sleep(0.01)


def wait_until_the_client_knows(older):
    """Until the client has met the fencing by itself: a transaction of it cannot be used any more."""
    try:
        for _ in range(5):
            older.flush(1.0)
    except Fenced:
        return


def abort_and_write_again(older, catalogue):
    """An abort of what never left the client asks nobody; what comes next is refused."""
    older.abort()
    older.begin()
    older.produce([record(catalogue)])
    older.commit()


CALLS = {
    "produce": produce_until_it_shows,
    "flush and commit": lambda older, _: (older.flush(TIMEOUT_S), older.commit()),
    "commit": lambda older, _: older.commit(),
    "abort": abort_and_write_again,
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("sent", ["sent before", "sent after"])
def test_a_producer_that_was_replaced_is_fenced_in_every_call(producer, catalogue, call, sent):
    older = producer()
    older.begin()
    if sent == "sent before":
        older.produce([record(catalogue)])
        assert older.flush(TIMEOUT_S)
    producer()
    older.produce([record(catalogue)])
    with pytest.raises(Fenced):
        CALLS[call](older, catalogue)


@pytest.mark.parametrize("call", ["produce", "flush", "begin", "commit", "abort", "abort_hanging"])
def test_a_producer_that_has_met_its_fencing_is_fenced_in_every_later_call(producer, catalogue, call):
    older = producer()
    older.begin()
    producer()
    older.produce([record(catalogue)])
    wait_until_the_client_knows(older)
    with pytest.raises(Fenced):
        older.commit()
    calls = {
        "produce": lambda: older.produce([record(catalogue)]),
        "flush": lambda: (older.flush(1.0), older.begin()),  # a flush of nothing may well succeed
        "begin": older.begin,
        "commit": older.commit,
        "abort": older.abort,
        "abort_hanging": lambda: older.abort_hanging({catalogue.events: 4}, TIMEOUT_S),
    }
    with pytest.raises(Fenced):
        calls[call]()


def test_a_producer_that_is_replaced_before_it_settles_what_hangs_is_fenced(producer, catalogue):
    older = producer()
    producer()
    with pytest.raises(Fenced):
        older.abort_hanging({catalogue.events: 4}, TIMEOUT_S)


def test_a_replacement_goes_on_after_the_older_one_has_met_its_fencing(producer, catalogue):
    older = producer()
    older.begin()
    newer = producer()
    older.produce([record(catalogue)])
    with pytest.raises(Fenced):
        produce_until_it_shows(older, catalogue)
    newer.begin()
    newer.produce([record(catalogue)])
    newer.commit()


async def test_a_source_that_stood_still_for_longer_than_its_transaction_may_is_fenced_all_the_same(
    producer, catalogue
):
    """Only when Kafka gave no answer for so long, an expired transaction is a reason to take the id back."""
    older = await asyncio.to_thread(producer)
    await asyncio.to_thread(older.begin)
    await asyncio.to_thread(producer)
    with ThreadPoolExecutor(1) as thread:
        writer = TransactionWriter(
            older,
            thread,
            transaction_timeout_s=0.000_001,
            position_record=lambda _: None,
            committed=lambda *_: None,
        )
        writer.submit(Batch(sequence=0, replay_id=b"1", received_s=0.0, records=[record(catalogue)]))
        with pytest.raises(Fenced):
            await writer.run()
