"""The settings of one source task: the typed form of its connector's configuration."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from connectors.kafka.admin import TopicCreation
from connectors.pubsub.converters.choice import ConversionSettings
from connectors.pubsub.converters.dead_letters import ErrorReporter
from connectors.pubsub.protocol.policy import Policy
from connectors.pubsub.runner.schema_frames import FrameSettings
from connectors.pubsub.runner.transport import Endpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSettings:
    """Everything that the task of one Salesforce topic needs to know.

    `frames` is None without a schema registry; `creation` is None when Kafka topics must exist. `client` holds further
    librdkafka settings, such as security.
    """

    connector: str
    task_id: int
    class_name: str
    policy: Policy
    endpoint: Endpoint
    conversion: ConversionSettings
    dead_letter_topic: str
    offsets_topic: str
    bootstrap_servers: str
    transactional_id: str
    transaction_timeout_ms: int
    frames: FrameSettings | None = None
    creation: TopicCreation | None = None
    client: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def written_topics(self) -> tuple[str, ...]:
        """Every Kafka topic that the task may write to."""
        return (*self.conversion.kafka_topics, self.dead_letter_topic, self.offsets_topic)

    @property
    def errors(self) -> ErrorReporter:
        """What makes the task's dead letters."""
        return ErrorReporter(
            dead_letter_topic=self.dead_letter_topic,
            connector=self.connector,
            task_id=self.task_id,
            class_name=self.class_name,
            salesforce_topic=self.policy.topic,
        )
