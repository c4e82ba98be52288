"""What one source task is told: the typed form of its connector's configuration."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from connectors.pubsub.dead_letters import Sender
from connectors.pubsub.mapping import FieldNames
from connectors.pubsub.protocol import Policy
from connectors.pubsub.transport import Endpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSettings:
    """Everything one task needs to know."""

    connector: str
    task_id: int
    class_name: str
    policy: Policy
    endpoint: Endpoint
    fields: FieldNames
    events_topic: str
    dead_letter_topic: str
    offsets_topic: str
    bootstrap_servers: str
    transactional_id: str
    transaction_timeout_ms: int
    client: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def letters(self) -> Sender:
        """Who writes this task's dead letters."""
        return Sender(
            dead_letter_topic=self.dead_letter_topic,
            connector=self.connector,
            task_id=self.task_id,
            class_name=self.class_name,
            salesforce_topic=self.policy.topic,
        )
