"""The journal of calls on a real Kafka: what is read of it, when, and what a call that is not in doubt waits for."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from connectors import clock
from connectors.kafka.consumed import ConsumedRecord
from connectors.kafka.idempotent_producer import IdempotentProducer
from connectors.kafka.topic_reader import TopicReader
from connectors.sinks.interaction.doubt import Past
from connectors.sinks.interaction.journal import CallJournal, Reader
from schemas.codec import encode
from schemas.records import SalesforceCallResult
from schemas.topics import Topics
from tests.support.kafka import TestBroker

pytestmark = pytest.mark.broker

LONG_AGO_MS = 3_600_000


@dataclass
class Readers:
    """Makes readers, and keeps which topics they were made for."""

    bootstrap_servers: str
    topics: list[str] = field(default_factory=list)

    def make(self, topic: str, since_ms: int, partitions: Sequence[int] | None) -> Reader:
        self.topics.append(topic)
        return TopicReader(topic, since_ms, partitions, bootstrap_servers=self.bootstrap_servers)


@dataclass
class Clock:
    """The clock of a member; a record's own time is Kafka's."""

    behind_ms: int = 0

    def now_ms(self) -> int:
        return clock.now_ms() - self.behind_ms


@asynccontextmanager
async def opened(topics: Topics, readers: Readers, behind_ms: int = 0) -> AsyncIterator[CallJournal]:
    journal = CallJournal(
        topic=topics.salesforce_journal,
        results_topic=topics.salesforce_results,
        member="member-1",
        make_producer=lambda: IdempotentProducer(bootstrap_servers=readers.bootstrap_servers, client_id="journal"),
        make_reader=readers.make,
        now_ms=Clock(behind_ms).now_ms,
    )
    try:
        await journal.open()
        yield journal
    finally:
        await journal.close()


def call_of(topics: Topics, *, age_ms: int = 0, partition: int = 1) -> ConsumedRecord:
    return ConsumedRecord(
        topic=topics.salesforce_calls,
        partition=partition,
        offset=7,
        key=b"cv",
        value=b"",
        timestamp_ms=clock.now_ms() - age_ms,
    )


async def test_a_call_without_an_intent_reads_no_results(kafka: TestBroker, catalogue: Topics) -> None:
    readers = Readers(kafka.bootstrap_servers)
    async with opened(catalogue, readers) as journal:
        call = call_of(catalogue)
        journal.assigned([(call.topic, 0), (call.topic, 1)])
        for number in range(3):
            assert await journal.past(call, f"call-{number}") == Past()
            assert await journal.intend(call, f"call-{number}")
    assert set(readers.topics) == {catalogue.salesforce_journal}


async def test_the_next_owner_knows_attempts_and_results(kafka: TestBroker, catalogue: Topics) -> None:
    readers = Readers(kafka.bootstrap_servers)
    call = call_of(catalogue)
    async with opened(catalogue, readers) as journal:
        journal.assigned([(call.topic, 1)])
        before_ms = clock.now_ms()
        for name in ("call-1", "call-2"):
            await journal.intend(call, name)
    result = SalesforceCallResult(
        call_id="call-2", conversation_id="cv", api="route", outcome="accepted", attempts=1, completed_at_ms=1
    )
    kafka.produce(catalogue.salesforce_results, [(b"cv", encode(result))])
    async with opened(catalogue, readers) as journal:
        journal.assigned([(call.topic, 0), (call.topic, 1)])
        known = await journal.past(call, "call-1")
        assert not known.concluded
        assert known.attempted_at_ms is not None
        assert before_ms <= known.attempted_at_ms <= clock.now_ms()
        assert (await journal.past(call, "call-2")).concluded
        assert await journal.past(call, "call-3") == Past()
        assert readers.topics.count(catalogue.salesforce_results) == 1


async def test_a_partition_that_comes_back_is_read_again(kafka: TestBroker, catalogue: Topics) -> None:
    call = call_of(catalogue)
    async with opened(catalogue, Readers(kafka.bootstrap_servers)) as journal:
        journal.assigned([(call.topic, 1)])
        assert await journal.past(call, "call-1") == Past()
        await journal.intend(call, "call-1")
        journal.assigned([(call.topic, 1)])
        assert (await journal.past(call, "call-1")).attempted_at_ms is not None


async def test_the_intent_of_an_old_call_is_found(kafka: TestBroker, catalogue: Topics) -> None:
    """A sink was away for an hour, and there are calls from before: their time says how far back to look."""
    readers = Readers(kafka.bootstrap_servers)
    async with opened(catalogue, readers) as journal:
        await journal.intend(call_of(catalogue), "call-1")
    # for this member the intent lies an hour back: its clock is that much ahead
    async with opened(catalogue, readers, behind_ms=-LONG_AGO_MS) as journal:
        call = call_of(catalogue)
        journal.assigned([(call.topic, 1)])
        assert (await journal.past(call, "call-1")).attempted_at_ms is not None
        assert await journal.past(call, "call-2") == Past()
    assert set(readers.topics) == {catalogue.salesforce_journal, catalogue.salesforce_results}


@pytest.mark.parametrize("partitions", [[], [("somewhere", 0)]])
async def test_a_call_of_a_partition_that_was_not_announced_is_read_for(
    kafka: TestBroker, catalogue: Topics, partitions: list[tuple[str, int]]
) -> None:
    call = call_of(catalogue)
    async with opened(catalogue, Readers(kafka.bootstrap_servers)) as journal:
        journal.assigned(partitions)
        assert await journal.past(call, "call-1") == Past()
