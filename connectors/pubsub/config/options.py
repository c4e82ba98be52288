"""Options of the source, made from its parsed configuration: subscription, conversion, topic creation, registry."""

from typing import Final

from connectors.config.definition import Values
from connectors.kafka.admin import TopicCreation
from connectors.kafka.schema_registry import RegistrySettings
from connectors.pubsub.converters.byoc import FieldNames
from connectors.pubsub.converters.choice import ConversionSettings, ForeignPolicy, Mode
from connectors.pubsub.converters.raw import RawOptions
from connectors.pubsub.converters.subjects import SubjectStrategy
from connectors.pubsub.protocol.messages import GapPolicy, ReplayPreset
from connectors.pubsub.protocol.policy import Policy
from connectors.salesforce.login_config import certificates_of
from schemas.topics import Topics

REGISTRY_URL: Final = "value.converter.schema.registry.url"
_REGISTRY_CA_FILE: Final = "value.converter.schema.registry.ssl.ca.location"


def policy_of(values: Values, topic: str) -> Policy:
    """The policy of the subscription to a Salesforce topic."""
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


def conversion_of(values: Values, names: Topics, topic: str) -> ConversionSettings:
    """How the events of a Salesforce topic are converted; `names` gives the Kafka topics that are not configured."""
    return ConversionSettings(
        mode=Mode(values.string("mode")),
        events_topic=values.optional_string("kafka.topic") or names.events,
        fields=FieldNames(
            event_type=values.string("salesforce.event.type.field"),
            payload=values.string("salesforce.event.payload.field"),
            channel=values.optional_string("salesforce.event.channel.field"),
            recipient=values.optional_string("salesforce.event.recipient.field"),
        ),
        raw=RawOptions(
            topic=expanded(values.optional_string("raw.topic") or f"{names.prefix}.raw.${{topic}}", topic),
            key_field=values.optional_string("raw.key.field"),
            change_headers=values.boolean("raw.change.headers"),
        ),
        event_types=frozenset(values.strings("salesforce.event.types")),
        foreign=ForeignPolicy(values.string("foreign.event.policy")),
    )


def expanded(pattern: str, topic: str) -> str:
    """The value of `raw.topic` for a Salesforce topic, whose last part takes the place of `${topic}`."""
    return pattern.replace("${topic}", topic.rpartition("/")[2])


def topic_creation_of(values: Values) -> TopicCreation | None:
    """How missing Kafka topics are made, None when they must exist."""
    if not values.given("topic.creation.default.partitions"):
        return None
    return TopicCreation(
        partitions=values.integer("topic.creation.default.partitions"),
        replication_factor=values.integer("topic.creation.default.replication.factor"),
    )


def registry_of(subject: str, values: Values) -> RegistrySettings | None:
    """The schema registry, None without one. Raises `ConfigError` for a file of certificates that cannot be used."""
    certificates_of(subject, values, _REGISTRY_CA_FILE)  # a wrong file is named also when there is no registry
    url = values.optional_string(REGISTRY_URL)
    if url is None:
        return None
    return RegistrySettings(
        url=url,
        user_info=values.optional_password("value.converter.basic.auth.user.info"),
        ca_file=values.optional_string(_REGISTRY_CA_FILE),
    )


def subject_strategy_of(values: Values) -> SubjectStrategy:
    """How subjects are named; the configured value is a name with or without Confluent's package."""
    return SubjectStrategy(values.string("value.converter.value.subject.name.strategy").rpartition(".")[2])
