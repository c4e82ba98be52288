"""Settings of the streams worker, read once at start. Each is one field here; `byoc streams` makes its option of it."""

from pydantic import AliasChoices, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from schemas.kafka_settings import TRANSACTION_TIMEOUT_MS
from schemas.topics import DEFAULT_APP_ID, DEFAULT_PARTITIONS, DEFAULT_PREFIX
from streams.core.model.rules import Rules

# Tuned with the benchmarks, or rarely wanted: set by their environment variable, not by an option.
ENVIRONMENT_ONLY = frozenset({"commit_linger_ms", "max_open_ms", "supervisor_messages"})

# Kafka aborts a transaction that is open for `transaction.timeout.ms`; half of it leaves the commit time to settle.
LONGEST_OPEN_MS = TRANSACTION_TIMEOUT_MS / 2
# Brokers refuse sessions above `group.max.session.timeout.ms`, 30 min unless it was changed. Below 1 s there is no room
# for a heartbeat: Faust's shortest interval here is 0.3 s.
SHORTEST_SESSION_S, LONGEST_SESSION_S = 1.0, 1800.0
LONGEST_ROUTING_S = 180.0  # the window in which a result is bound to its request, `Rules.result_window_ms`


class StreamsSettings(BaseSettings):
    """Read from `BYOC_*` environment variables; options of `byoc streams` override them.

    Raises pydantic's `ValidationError` for a value out of range.
    """

    model_config = SettingsConfigDict(env_prefix="BYOC_", frozen=True, extra="ignore")

    bootstrap_servers: str = Field(
        "127.0.0.1:9092",
        # KAFKA_… is what every other part reads
        validation_alias=AliasChoices("bootstrap_servers", "BYOC_BOOTSTRAP_SERVERS", "KAFKA_BOOTSTRAP_SERVERS"),
        description="Kafka address, host:port[,host:port…].",
    )
    prefix: str = Field(DEFAULT_PREFIX, description="First part of every topic name.")
    app_id: str = Field(DEFAULT_APP_ID, description="Consumer group; state belongs to it.")
    partitions: int = Field(DEFAULT_PARTITIONS, gt=0, description="Partitions of every co-partitioned topic.")
    web_host: str = Field("127.0.0.1", description="Address of the query API.")  # it has no authentication of its own
    web_port: int = Field(6066, ge=0, le=65535, description="Port of the query API; 0 takes a free one.")
    data_dir: str = Field(".byoc/streams", description="Faust's working folder.")  # state itself is in the changelogs
    session_timeout_s: float = Field(
        10.0,
        ge=SHORTEST_SESSION_S,
        le=LONGEST_SESSION_S,
        description="A worker silent for so long loses its partitions.",
    )
    routing_timeout_s: float = Field(
        60.0, gt=0, le=LONGEST_ROUTING_S, description="What Salesforce gives a routing request."
    )
    answer_by_s: float = Field(
        50.0, gt=0, le=LONGEST_ROUTING_S, description="Own answer to a routing request, at the latest."
    )
    commit_linger_ms: float = Field(
        2.0, ge=0, le=LONGEST_OPEN_MS, description="Wait of a drained partition before its commit."
    )
    max_open_ms: float = Field(
        500.0, gt=0, le=LONGEST_OPEN_MS, description="A transaction under load commits at the latest after this."
    )
    supervisor_messages: bool = Field(default=False, description="Deliver public messages of supervisors.")
    acknowledged_channels: str = Field(
        "", description="Channel addresses acknowledged to Salesforce, comma-separated; * for all."
    )
    work_calls: bool = Field(default=False, description="Make route and agentWork calls of accepted requests.")
    remove_rerouted: bool = Field(default=False, description="Remove reps who declined once another joined.")
    partner_commands: bool = Field(default=False, description="Take the partner's commands for sessions.")

    def rules(self) -> Rules:
        """The limits that the core works with. Raises `ValueError` when they do not fit together."""
        return Rules(
            routing_timeout_ms=int(self.routing_timeout_s * 1000),
            answer_by_ms=int(self.answer_by_s * 1000),
            supervisor_messages=self.supervisor_messages,
            acknowledged_channels=frozenset(filter(None, map(str.strip, self.acknowledged_channels.split(",")))),
            work_calls=self.work_calls,
            remove_rerouted=self.remove_rerouted,
            partner_commands=self.partner_commands,
        )
