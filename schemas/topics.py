"""The topic catalogue: names, record types, partitions and cleanup of every topic the project owns.

The number of partitions P is one for all co-partitioned topics: a conversation's events, decisions, receipts and
results then meet on one worker, and its state changelog has the same partition number.
"""

import re
from dataclasses import dataclass

from schemas import records
from schemas.kafka_settings import TOPIC_MAX_MESSAGE_BYTES

DAY_MS = 86_400_000
LARGEST_RECORD = {"max.message.bytes": str(TOPIC_MAX_MESSAGE_BYTES)}
DEFAULT_PARTITIONS = 4
DEFAULT_PREFIX = "byoc"
DEFAULT_APP_ID = "byoc-streams"
STATE_TABLES = ("conversations", "routing", "seen")

# Kafka allows 249 characters of this alphabet in a topic name; prefixes leave room for the longest suffix.
_PREFIX = re.compile(r"[A-Za-z0-9._-]{1,200}")


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicSpec:
    """What a topic must look like. `partitions` is exact; `config` is applied on creation only."""

    name: str
    partitions: int
    config: dict[str, str]
    record: type[records.Record] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Topics:
    """Names of all topics for one prefix and one application id.

    Raises `ValueError` for a prefix that is not a legal beginning of a Kafka topic name.
    """

    prefix: str = DEFAULT_PREFIX
    app_id: str = DEFAULT_APP_ID

    def __post_init__(self) -> None:
        """Raise `ValueError` for a prefix or an application id that no topic name can begin with."""
        for what, value in (("topic prefix", self.prefix), ("application id", self.app_id)):
            if not _PREFIX.fullmatch(value):
                raise ValueError(
                    f"{what} {value!r} is not usable in a Kafka topic name; use letters, digits, '.', '_' and '-'"
                )

    @property
    def events(self) -> str:
        """The mirrored events of Salesforce (`OutboundEvent`)."""
        return f"{self.prefix}.events"

    @property
    def deliveries(self) -> str:
        """Messages and indicators for end users (`Delivery`)."""
        return f"{self.prefix}.deliveries"

    @property
    def routing_requests(self) -> str:
        """Open routing requests for the partner's router (`RoutingTask`)."""
        return f"{self.prefix}.routing.requests"

    @property
    def routing_outcomes(self) -> str:
        """How routing requests ended (`RoutingOutcome`)."""
        return f"{self.prefix}.routing.outcomes"

    @property
    def routing_decisions(self) -> str:
        """The answers of the partner's router (`RoutingDecision`)."""
        return f"{self.prefix}.routing.decisions"

    @property
    def receipts(self) -> str:
        """Results of deliveries (`DeliveryReceipt`)."""
        return f"{self.prefix}.receipts"

    @property
    def commands(self) -> str:
        """Orders of the partner (`PartnerCommand`)."""
        return f"{self.prefix}.commands"

    @property
    def salesforce_calls(self) -> str:
        """Calls to the Interaction Service API (`SalesforceCall`)."""
        return f"{self.prefix}.salesforce.calls"

    @property
    def salesforce_results(self) -> str:
        """Results of these calls (`SalesforceCallResult`)."""
        return f"{self.prefix}.salesforce.results"

    @property
    def salesforce_journal(self) -> str:
        """Attempts at calls that must not be made twice, written before they are made; internal to the sink."""
        return f"{self.prefix}.salesforce.journal"

    @property
    def dead_letters(self) -> str:
        """Records that could not be processed, as they were, with the reason in their headers."""
        return f"{self.prefix}.dead-letters"

    @property
    def connect_configs(self) -> str:
        """The connector configurations of distributed connect workers."""
        return f"{self.prefix}-connect-configs"

    @property
    def connect_offsets(self) -> str:
        """The positions of source connectors, in Kafka Connect's form."""
        return f"{self.prefix}-connect-offsets"

    @property
    def connect_status(self) -> str:
        """The states of connectors and tasks of distributed connect workers."""
        return f"{self.prefix}-connect-status"

    def changelog(self, table: str) -> str:
        """Return the changelog of a state table, named as Faust names it."""
        return f"{self.app_id}-{table}-changelog"

    def catalogue(self, partitions: int = DEFAULT_PARTITIONS) -> list[TopicSpec]:
        """Return every topic with its partitions, cleanup policy and retention."""

        def kept(name: str, days: int, record: type[records.Record]) -> TopicSpec:
            config = {"cleanup.policy": "delete", "retention.ms": str(days * DAY_MS), **LARGEST_RECORD}
            return TopicSpec(name=name, partitions=partitions, config=config, record=record)

        def compacted(name: str, count: int) -> TopicSpec:
            return TopicSpec(name=name, partitions=count, config={"cleanup.policy": "compact", **LARGEST_RECORD})

        return [
            kept(self.events, 14, records.OutboundEvent),
            kept(self.deliveries, 7, records.Delivery),
            kept(self.routing_requests, 7, records.RoutingTask),
            kept(self.routing_outcomes, 14, records.RoutingOutcome),
            kept(self.routing_decisions, 7, records.RoutingDecision),
            kept(self.receipts, 7, records.DeliveryReceipt),
            kept(self.commands, 7, records.PartnerCommand),
            kept(self.salesforce_calls, 7, records.SalesforceCall),
            kept(self.salesforce_results, 7, records.SalesforceCallResult),
            TopicSpec(
                name=self.salesforce_journal,
                partitions=partitions,
                config={"cleanup.policy": "delete", "retention.ms": str(7 * DAY_MS)},
            ),
            TopicSpec(
                name=self.dead_letters,
                partitions=1,
                config={"cleanup.policy": "delete", "retention.ms": str(30 * DAY_MS), **LARGEST_RECORD},
            ),
            *(compacted(self.changelog(table), partitions) for table in STATE_TABLES),
            compacted(self.connect_configs, 1),
            compacted(self.connect_offsets, 25),
            compacted(self.connect_status, 5),
        ]
