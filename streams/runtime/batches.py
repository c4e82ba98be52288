"""From tickets to batches: what an agent loops over."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import dataclass

from streams.runtime.handoff import Handoff
from streams.runtime.partition import OwnedPartition
from streams.runtime.partitions import Partitions
from streams.runtime.records import FetchedRecord, TopicPartition
from streams.runtime.ticket import Ticket


@dataclass(frozen=True, slots=True)
class Batch:
    """Records of one topic partition, at least one, in offset order, inside the transaction of their `partition`."""

    tp: TopicPartition
    partition: OwnedPartition
    records: list[FetchedRecord]


Batches = AbstractAsyncContextManager[AsyncIterator[Batch]]


def batches(
    tickets: AsyncIterable[Ticket],
    handoff: Handoff,
    partitions: Partitions,
    has_backlog: Callable[[TopicPartition], bool],
) -> Batches:
    """The batches behind `tickets`, each while its partition's transaction is held.

    `async with batches(...) as found: async for batch in found: …`. A batch is whole, and its offset part of the
    transaction, when the loop asks for the next one. A body that raises, is cancelled or breaks leaves half a batch:
    its transaction can only be aborted, so let the exception end the app. The `async with` matters: without it the
    transaction would stay held for as long as something refers to the exception, and an orderly stop would wait for it.
    """
    return aclosing(_batches(tickets, handoff, partitions, has_backlog))


async def _batches(
    tickets: AsyncIterable[Ticket],
    handoff: Handoff,
    partitions: Partitions,
    has_backlog: Callable[[TopicPartition], bool],
) -> AsyncGenerator[Batch, None]:
    async for ticket in tickets:
        tp = ticket.tp
        while not handoff.is_empty(tp):
            partition = partitions.get(tp.partition)
            if partition is None:  # it moved away, with its ticket in the queue or between two batches
                break
            if partition.must_commit_first():
                await partition.commit()
                continue  # it may have moved away meanwhile
            async with partition.batch() as producer:
                records = handoff.take(tp)
                if not records:  # revoked while a commit held the partition
                    break
                yield Batch(tp, partition, records)
                partition.advance(tp.topic, records[-1].offset + 1)
                drained = not has_backlog(tp)
                if drained:  # the commit follows: what it waits for is sent now (1.4 ms a transaction instead of 3.1)
                    partition.write_changelog()
                producer.poll()
            partition.commit_soon(drained=drained)
            await asyncio.sleep(0)  # queries and other partitions come in between
