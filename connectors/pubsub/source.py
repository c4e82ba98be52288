"""The source connector `connectors.pubsub.PubSubSource`: its checks, its tasks, and what each task is told."""

from collections.abc import Mapping
from typing import ClassVar, Final

from connectors.config.definition import ConfigDef, invalid
from connectors.connector import ConnectorType, Task, WorkerConfig
from connectors.pubsub.config.checks import problems_of
from connectors.pubsub.config.keys import DEFINITION
from connectors.pubsub.config.options import (
    conversion_of,
    policy_of,
    registry_of,
    subject_strategy_of,
    topic_creation_of,
)
from connectors.pubsub.runner.schema_frames import FrameSettings
from connectors.pubsub.runner.settings import SourceSettings
from connectors.pubsub.runner.task import SourceTask
from connectors.pubsub.runner.topic_group import TopicGroup, grouped
from connectors.pubsub.runner.transport import Endpoint
from connectors.salesforce.auth import TokenSource
from connectors.salesforce.login_config import login_of, network_of
from schemas.topics import Topics

CLASS_NAME: Final = "connectors.pubsub.PubSubSource"


class PubSubSource:
    """Mirrors Salesforce Pub/Sub API topics into Kafka, each event exactly once; a `Connector`."""

    type: ClassVar[ConnectorType] = ConnectorType.SOURCE
    definition: ClassVar[ConfigDef] = DEFINITION

    def __init__(self, name: str, config: Mapping[str, str]) -> None:
        """Raises `ConfigError` that names every wrong key."""
        self.name = name
        self.config = dict(config)
        subject = f"connector {name}"
        values = self._values = DEFINITION.parse({**config, "name": name}, subject=subject)
        self._login = login_of(subject, values)
        self._network = network_of(subject, values)
        self._registry = registry_of(subject, values)
        problems = problems_of(values)
        if problems:
            raise invalid(subject, problems)

    def tasks(self, worker: WorkerConfig) -> list[Task]:
        """At most `tasks.max` tasks, in the order of `salesforce.topics`; they share one source of tokens."""
        tokens = TokenSource(self._login, self._network)
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
            policy=policy_of(values, topic),
            endpoint=self._endpoint(),
            conversion=conversion_of(values, names, topic),
            dead_letter_topic=values.optional_string("errors.deadletterqueue.topic.name") or names.dead_letters,
            offsets_topic=worker.offset_storage_topic,
            bootstrap_servers=worker.bootstrap_servers,
            transactional_id=transactional_id(worker.group_id, self.name, topic),
            transaction_timeout_ms=values.integer("producer.override.transaction.timeout.ms"),
            frames=self._frames(),
            creation=topic_creation_of(values),
            client=worker.client,
        )

    def _endpoint(self) -> Endpoint:
        return Endpoint(
            address=self._values.string("salesforce.pubsub.endpoint"),
            tls=self._values.boolean("salesforce.pubsub.tls"),
            network=self._network,
            ping_interval_s=self._values.number("salesforce.pubsub.ping.interval.s"),
        )

    def _frames(self) -> FrameSettings | None:
        if self._registry is None:
            return None
        return FrameSettings(
            registry=self._registry,
            strategy=subject_strategy_of(self._values),
            register=self._values.boolean("value.converter.auto.register.schemas"),
        )


def transactional_id(group_id: str, connector: str, topic: str) -> str:
    """The id of the producer that owns a topic's position, whichever task carries the topic (ADR 0009)."""
    return f"{group_id}-{connector}-{topic.strip('/').replace('/', '.')}"


def _one_task(mirrors: list[SourceTask]) -> Task:
    return mirrors[0] if len(mirrors) == 1 else TopicGroup(mirrors)
