"""A Faust app whose agents work in transactions."""

import asyncio
import logging
import os
import sys
from collections.abc import Callable, Iterable
from typing import Any, NoReturn

import faust
from faust.transport.drivers import TRANSPORTS

from streams.runtime.errors import TransactionLost
from streams.runtime.handoff import Handoff
from streams.runtime.kafka_client import KafkaTransactions
from streams.runtime.partition import OwnedPartition
from streams.runtime.partitions import Partitions
from streams.runtime.ticket import TicketTopic

TRANSPORTS.aliases["eos"] = "streams.runtime.consumer:Transport"

EXIT_LOST = 7  # this process lost a transaction: fenced by another worker, or the broker gave it up

logger = logging.getLogger(__name__)


class ExactlyOnceApp(faust.App):  # type: ignore[misc]  # faust has no types
    """Outputs, state changelog and input offsets of a batch commit in one Kafka transaction per source partition.

    All topics made by `ticket_topic` must have the partition count of the tables, and `bootstrap_servers` must be the
    cluster of the `eos://` broker URL.
    """

    def __init__(
        self,
        id: str,  # noqa: A002  Faust's name for it
        *,
        bootstrap_servers: str,
        commit_linger_s: float = 0.002,
        max_open_s: float = 0.2,
        settle_timeout_s: float = 30.0,
        fetch_rest_s: float = 0.003,
        output_topics: Iterable[str] = (),
        single_partition_topics: Iterable[str] = (),
        **options: Any,
    ) -> None:
        """Agents write to the `output_topics` in the partition of their input, to those with one partition in that."""
        self.ticketed_topics: set[str] = set()
        self.handoff = Handoff()
        self.fetch_rest_s = fetch_rest_s
        self.on_recovered: Callable[[], None] = lambda: None
        self.before_commit: Callable[[OwnedPartition], None] = lambda _: None

        def new_producer(partition: int) -> KafkaTransactions:
            return KafkaTransactions(
                bootstrap_servers=bootstrap_servers,
                transactional_id=f"{id}-{partition}",
                group_id=id,
                partition=partition,
                written=[
                    *((topic, partition) for topic in (*output_topics, *self.tables.changelog_topics)),
                    *((topic, 0) for topic in single_partition_topics),
                ],
            )

        self.partitions = Partitions(
            new_producer,
            end_process,
            self._before_commit,
            commit_linger_s=commit_linger_s,
            max_open_s=max_open_s,
            settle_timeout_s=settle_timeout_s,
        )
        super().__init__(
            id,
            broker=[f"eos://{address}" for address in bootstrap_servers.split(",")],
            TableManager="streams.runtime.recovery:TableManager",
            store="memory://",
            table_standby_replicas=0,  # useless with a memory store: promoted partitions recover from offset 0 anyway
            agent_supervisor="mode.CrashingSupervisor",
            stream_wait_empty=True,
            **options,
        )

    def _before_commit(self, partition: OwnedPartition) -> None:
        self.before_commit(partition)

    async def work_off(self, tp: Any, apply: Callable[[Any, OwnedPartition, list[Any]], None]) -> None:
        """For an agent that has got a ticket: hand what waits on `tp` to `apply`, batch by batch, in transactions.

        `apply(tp, partition, records)` changes state and produces with `partition.producer`; it does not wait. When it
        raises, the transaction is half a batch and can only be aborted: let the exception end the app.
        """
        while not self.handoff.is_empty(tp):
            partition = self.partitions.get(tp.partition)
            if partition is None:  # it moved away, with its ticket in the queue or between two batches
                return
            async with partition.batch() as producer:
                records = self.handoff.take(tp)
                if not records:  # revoked while a commit held the partition
                    return
                apply(tp, partition, records)
                partition.advance(tp.topic, records[-1].offset + 1)
                drained = not self.consumer.has_backlog(tp)
                if drained:  # the commit follows: what it waits for is sent now (1.4 ms a transaction instead of 3.1)
                    self.before_commit(partition)
                producer.poll()
            partition.commit_soon(drained=drained)
            await asyncio.sleep(0)  # queries and other partitions come in between

    def ticket_topic(self, name: str) -> Any:
        """An input topic of agents that take whole batches."""
        self.ticketed_topics.add(name)
        return TicketTopic(
            self, topics=[name], key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw"
        )

    def rebuild_timers(self) -> None:
        """Called after recovery, before anything is resumed."""
        self.on_recovered()


def end_process(lost: TransactionLost) -> NoReturn:
    """End now, without any further commit: memory holds writes that Kafka never will."""
    if lost.fenced:
        logger.warning("fenced: another worker owns the partition", extra={"partition": lost.partition})
    print(f"{lost}; ending the process, a restart recovers from the changelog", file=sys.stderr, flush=True)  # noqa: T201
    os._exit(EXIT_LOST)
