"""A Faust app whose agents work in transactions."""

import logging
import os
import sys
from collections.abc import AsyncIterable, Callable, Iterable
from typing import Any, NoReturn

import faust
from faust.transport.drivers import TRANSPORTS

from schemas.process.text import one_line
from streams.runtime.batches import Batches, batches
from streams.runtime.errors import StoodStill, TransactionLost
from streams.runtime.handoff import Handoff
from streams.runtime.kafka_client import QUEUE_SIZE, KafkaTransactions
from streams.runtime.partition import CommitTimes, OwnedPartition
from streams.runtime.partitions import Partitions
from streams.runtime.standstill import Watch
from streams.runtime.ticket import Ticket, TicketTopic

TRANSPORTS.aliases["eos"] = "streams.runtime.consumer:Transport"

# This process lost a transaction (fenced by another worker, or the broker gave it up), or stood still.
EXIT_LOST = 7

logger = logging.getLogger(__name__)


class ExactlyOnceApp(faust.App):  # type: ignore[misc]  # faust has no types
    """Outputs, state changelog and input offsets of a batch commit in one Kafka transaction per source partition.

    All topics made by `ticket_topic` must have the partition count of the tables.

    Two hooks are set before the start. `on_recovered` is called after each recovery, before any input is resumed: what
    lives in memory only is rebuilt there. `before_commit` is called inside a partition's transaction that is about to
    be committed, and produces the changelog records of what has changed since its last call.
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
        queue_size: int = QUEUE_SIZE,
        **options: object,
    ) -> None:
        """`id` is the consumer group, and the transactional ids begin with it.

        `commit_linger_s`, `max_open_s` and `settle_timeout_s` are as in `CommitTimes`, `queue_size` as in
        `KafkaTransactions`. After a small fetch the consumer rests for `fetch_rest_s`. Agents write to the
        `output_topics` in the partition of their input, to the `single_partition_topics` in their only one. `options`
        are Faust's.
        """
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
                queue_size=queue_size,
            )

        self.partitions = Partitions(
            new_producer,
            end_process,
            self._before_commit,
            CommitTimes(linger_s=commit_linger_s, max_open_s=max_open_s, settle_timeout_s=settle_timeout_s),
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
        # The longest that a step may take: a commit begins `max_open_s` after its first record, and is lost after the
        # settle time-out. The second one is for what a full machine adds.
        watch = Watch(self, max_open_s + 2 * settle_timeout_s, end_process)

        @self.task  # type: ignore[untyped-decorator]  # faust has no types
        async def watch_for_standstill(app: ExactlyOnceApp) -> None:  # noqa: ARG001  Faust passes the app
            await watch.run()

    def _before_commit(self, partition: OwnedPartition) -> None:
        self.before_commit(partition)

    def batches(self, stream: AsyncIterable[Ticket]) -> Batches:
        """What an agent on a `ticket_topic` loops over: batches, each inside its partition's transaction.

            async with app.batches(stream) as found:
                async for batch in found:
                    ...  # change state, and produce with batch.partition.producer; no waiting

        The offset of a batch becomes part of the transaction when the loop asks for the next one. A body that raises
        leaves half a batch, which can only be aborted: let the exception end the app.
        """
        return batches(stream, self.handoff, self.partitions, self.consumer.has_backlog)

    def ticket_topic(self, name: str) -> Any:
        """An input topic of agents that take whole batches: its stream is for `batches`."""
        self.ticketed_topics.add(name)
        return TicketTopic(
            self, topics=[name], key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw"
        )


def end_process(lost: TransactionLost | StoodStill) -> NoReturn:
    """End now, without any further commit: memory holds writes that Kafka never will."""
    if isinstance(lost, StoodStill):
        logger.error("standing still", extra={"reason": str(lost)})
    elif lost.fenced:
        logger.warning("fenced: another worker owns the partition", extra={"partition": lost.partition})
    said = one_line(str(lost))
    print(f"{said}; ending the process, a restart recovers from the changelog", file=sys.stderr, flush=True)  # noqa: T201
    os._exit(EXIT_LOST)
