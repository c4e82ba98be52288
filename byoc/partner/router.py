"""The partner's router: reads open routing requests and answers them, or does not.

It is a sink like the others: it takes `RoutingTask` records in order per conversation, thinks for a moment, and its
effect is a `RoutingDecision`. The offset of a request moves when its decision is acknowledged, so a restart answers
what was not answered; a decision that is written twice carries the same `decision_id`.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from byoc.partner.router_plan import Plan, Shares, decision_for, delay_ms_for, plan_for
from connectors.connector import Task, WorkerConfig
from connectors.kafka.consumed import ConsumedRecord, OutputRecord, Partition
from connectors.sinks.engine.dispatcher import Limits
from connectors.sinks.engine.metrics import SinkMetrics
from connectors.sinks.engine.port import Done, Dropped, Outcome, Rejected
from connectors.sinks.engine.task import SinkSettings, SinkTask
from schemas.codec import DecodeError, decode, encode
from schemas.dead_letters import Stage
from schemas.records import RoutingTask
from schemas.topics import Topics

_NAME = "partner-router"
# requests that are being thought about at once; each is one small task
_LIMITS = Limits(max_buffered=10_000, max_buffered_bytes=64 * 1024 * 1024, max_in_progress=4096)


@dataclass(frozen=True, slots=True, kw_only=True)
class RouterRules:
    """How often the router accepts and refuses, and how long it takes; `byoc.partner.router_plan` applies them."""

    seed: int
    shares: Shares
    longest_delay_ms: int


class Router:
    """A sink for `RoutingTask` records that answers on `decisions_topic`."""

    def __init__(self, rules: RouterRules, decisions_topic: str, now_ms: Callable[[], int]) -> None:
        """`now_ms` is the clock that is compared with the deadline of a request."""
        self._rules = rules
        self._decisions_topic = decisions_topic
        self._now_ms = now_ms

    async def open(self) -> None:
        """Nothing to open."""

    def assigned(self, partitions: Sequence[Partition]) -> None:
        """Nothing to do: each request is decided by itself."""

    async def put(self, record: ConsumedRecord) -> Outcome:
        """Answer one request, ignore it, or drop it when it is too late to answer."""
        try:
            task = decode(RoutingTask, record.value or b"")
        except DecodeError as error:
            return Rejected(stage=Stage.VALUE_CONVERTER, error=type(error).__name__, message=str(error))
        plan = plan_for(task.request_id, self._rules.seed, self._rules.shares)
        if plan is Plan.IGNORE:
            return Dropped(reason="ignored")
        await asyncio.sleep(delay_ms_for(task.request_id, self._rules.seed, self._rules.longest_delay_ms) / 1000)
        now_ms = self._now_ms()
        if now_ms >= task.answer_by_ms:
            return Dropped(reason="too late")
        decision = decision_for(task, plan, decided_at_ms=now_ms)
        return Done(
            outputs=(
                OutputRecord(topic=self._decisions_topic, key=task.conversation_id.encode(), value=encode(decision)),
            )
        )

    async def close(self) -> None:
        """Nothing to close."""


def router_task(bootstrap_servers: str, topics: Topics, rules: RouterRules, now_ms: Callable[[], int]) -> Task:
    """A task that runs the router for these topics, in the consumer group `<prefix>-partner-router`."""
    settings = SinkSettings(
        connector=_NAME,
        group_id=f"{topics.prefix}-{_NAME}",
        class_name="byoc.partner.router.Router",
        topics=(topics.routing_requests,),
        output_topics=(topics.routing_decisions,),
        limits=_LIMITS,
        dead_letter_topic=topics.dead_letters,
    )
    worker = WorkerConfig(
        bootstrap_servers=bootstrap_servers,
        group_id=settings.group_id,
        topic_prefix=topics.prefix,
        offset_storage_topic=topics.connect_offsets,
    )
    return SinkTask(settings, 0, worker, SinkMetrics(_NAME, 0), lambda: Router(rules, topics.routing_decisions, now_ms))
