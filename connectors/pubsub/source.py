"""The source connector `connectors.pubsub.PubSubSource`: its checks, and its topics spread over tasks."""

from collections.abc import Mapping
from typing import ClassVar, Final

from connectors.config.definition import ConfigDef, Values, invalid
from connectors.connector import ConnectorType, Task, WorkerConfig
from connectors.pubsub.definition import DEFINITION
from connectors.pubsub.making_config import creation_of, frames_of, making_of, problems_of
from connectors.pubsub.protocol.messages import GapPolicy, ReplayPreset
from connectors.pubsub.protocol.subscription import Policy
from connectors.pubsub.runner.settings import SourceSettings
from connectors.pubsub.runner.task import SourceTask
from connectors.pubsub.runner.topic_group import TopicGroup, grouped
from connectors.pubsub.runner.transport import Endpoint
from connectors.salesforce.auth import TokenSource
from connectors.salesforce.login_config import credentials_of, route_of
from connectors.salesforce.network import Route
from schemas.topics import Topics

CLASS_NAME: Final = "connectors.pubsub.PubSubSource"


class PubSubSource:
    """Mirrors Salesforce Pub/Sub API topics into Kafka, each event exactly once."""

    type: ClassVar[ConnectorType] = ConnectorType.SOURCE
    definition: ClassVar[ConfigDef] = DEFINITION

    def __init__(self, name: str, config: Mapping[str, str]) -> None:
        """Raises `ConfigError` that names every wrong key."""
        self.name = name
        self.config = dict(config)
        self._values = DEFINITION.parse({**config, "name": name}, subject=f"connector {name}")
        subject = f"connector {name}"
        self._credentials = credentials_of(subject, self._values)
        self._route = route_of(subject, self._values)
        self._frames = frames_of(subject, self._values)
        problems = problems_of(self._values)
        if problems:
            raise invalid(subject, problems)

    def tasks(self, worker: WorkerConfig) -> list[Task]:
        """At most `tasks.max` tasks, in the order of `salesforce.topics`; they share one source of tokens."""
        tokens = TokenSource(self._credentials, self._route)
        groups = grouped(self._values.strings("salesforce.topics"), self._values.integer("tasks.max"))
        return [
            _one_task([SourceTask(self._task_settings(worker, task_id, topic), tokens) for topic in topics])
            for task_id, topics in enumerate(groups)
        ]

    def _task_settings(self, worker: WorkerConfig, task_id: int, topic: str) -> SourceSettings:
        values = self._values
        names = Topics(prefix=worker.topic_prefix)
        return SourceSettings(
            connector=self.name,
            task_id=task_id,
            class_name=CLASS_NAME,
            policy=_policy(values, topic),
            endpoint=_endpoint(values, self._route),
            making=making_of(values, names, topic),
            dead_letter_topic=values.optional_string("errors.deadletterqueue.topic.name") or names.dead_letters,
            offsets_topic=worker.offset_storage_topic,
            bootstrap_servers=worker.bootstrap_servers,
            transactional_id=transactional_id(worker.group_id, self.name, topic),
            transaction_timeout_ms=values.integer("producer.override.transaction.timeout.ms"),
            frames=self._frames,
            creation=creation_of(values),
            client=worker.client,
        )


def transactional_id(group_id: str, connector: str, topic: str) -> str:
    """The id of the producer that owns a topic's position, whichever task carries the topic (ADR 0009)."""
    return f"{group_id}-{connector}-{topic.strip('/').replace('/', '.')}"


def _one_task(mirrors: list[SourceTask]) -> Task:
    return mirrors[0] if len(mirrors) == 1 else TopicGroup(mirrors)


def _policy(values: Values, topic: str) -> Policy:
    return Policy(
        topic=topic,
        preset=ReplayPreset(values.string("replay.preset").upper()),
        gap_policy=GapPolicy(values.string("replay.gap.policy")),
        tolerate_errors=values.string("errors.tolerance") == "all",
        watchdog_s=values.number("watchdog.timeout.s"),
        start_timeout_s=values.number("start.timeout.s"),
        settle_s=values.number("replay.latest.settle.s"),
        checkpoint_interval_s=values.number("checkpoint.interval.s"),
        max_inflight_events=values.integer("max.inflight.events"),
        max_inflight_bytes=values.integer("max.inflight.bytes"),
    )


def _endpoint(values: Values, route: Route) -> Endpoint:
    return Endpoint(
        address=values.string("salesforce.pubsub.endpoint"),
        tls=values.boolean("salesforce.pubsub.tls"),
        route=route,
        ping_interval_s=values.number("salesforce.pubsub.ping.interval.s"),
    )
