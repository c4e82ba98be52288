"""From configuration to what becomes of events: mode, types, Kafka topics, registry; and checks across those keys."""

import re
from collections import Counter
from typing import Final

from connectors.config.definition import Values
from connectors.kafka.admin import TopicCreation
from connectors.kafka.schema_registry import RegistrySettings
from connectors.pubsub.converters.byoc import FieldNames
from connectors.pubsub.converters.choice import ForeignPolicy, Making, Mode
from connectors.pubsub.converters.raw import RawOptions
from connectors.pubsub.converters.schema_frames import FrameSettings, SubjectStrategy
from connectors.salesforce.login_config import certificates_of
from schemas.topics import Topics

_TOPIC_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,249}")
_RAW_TOPIC: Final = "raw.topic"
_CA_FILE: Final = "value.converter.schema.registry.ssl.ca.location"
_STRATEGY: Final = "value.converter.value.subject.name.strategy"


def making_of(values: Values, names: Topics, topic: str) -> Making:
    """What becomes of the events of one topic."""
    return Making(
        mode=Mode(values.string("mode")),
        events_topic=values.optional_string("kafka.topic") or names.events,
        fields=FieldNames(
            event_type=values.string("salesforce.event.type.field"),
            payload=values.string("salesforce.event.payload.field"),
            channel=values.optional_string("salesforce.event.channel.field"),
            recipient=values.optional_string("salesforce.event.recipient.field"),
        ),
        raw=RawOptions(
            topic=_expanded(values.optional_string(_RAW_TOPIC) or f"{names.prefix}.raw.${{topic}}", topic),
            key_field=values.optional_string("raw.key.field"),
            change_headers=values.boolean("raw.change.headers"),
        ),
        event_types=frozenset(values.strings("salesforce.event.types")),
        foreign=ForeignPolicy(values.string("foreign.event.policy")),
    )


def frames_of(subject: str, values: Values) -> FrameSettings | None:
    """The registry and how it is used, None without one. Raises `ConfigError` for certificates that cannot be used."""
    certificates_of(subject, values, _CA_FILE)
    url = values.optional_string("value.converter.schema.registry.url")
    if url is None:
        return None
    return FrameSettings(
        registry=RegistrySettings(
            url=url,
            user_info=values.optional_password("value.converter.basic.auth.user.info"),
            ca_file=values.optional_string(_CA_FILE),
        ),
        strategy=_strategy(values),
        register=values.boolean("value.converter.auto.register.schemas"),
    )


def creation_of(values: Values) -> TopicCreation | None:
    """How missing topics are made, None when they must exist."""
    if not values.given("topic.creation.default.partitions"):
        return None
    return TopicCreation(
        partitions=values.integer("topic.creation.default.partitions"),
        replication_factor=values.integer("topic.creation.default.replication.factor"),
    )


def problems_of(values: Values) -> list[str]:
    """What is wrong between keys that are right each by itself, one sentence each."""
    return [*_untyped(values), *_illegal_raw_topics(values), *_mixed_subjects(values)]


def carries_several_types(topic: str) -> bool:
    """A channel: GetTopic has no schema for it, each event names its own."""
    return topic.endswith("__chn") or topic == "/data/ChangeEvents"


def _untyped(values: Values) -> list[str]:
    if values.string("mode") != Mode.BYOC or values.strings("salesforce.event.types"):
        return []
    return [
        f'Missing required configuration "salesforce.event.types": {topic} is no BYOC event, or may carry others; name'
        " those that are, or set mode=raw"
        for topic in values.strings("salesforce.topics")
        if carries_several_types(topic) or topic.startswith("/data/")
    ]


def _illegal_raw_topics(values: Values) -> list[str]:
    pattern = values.optional_string(_RAW_TOPIC) or ""
    wrong = [
        topic for topic in values.strings("salesforce.topics") if not _TOPIC_NAME.fullmatch(_expanded(pattern, topic))
    ]
    if not pattern or not wrong:
        return []
    problem = "must give a legal Kafka topic name (letters, digits, '.', '_', '-'); ${topic} is the only variable"
    return [f"Invalid value {pattern} for configuration {_RAW_TOPIC}: {problem}"]


def _mixed_subjects(values: Values) -> list[str]:
    """One subject for the schemas of several types refuses all but the first of them."""
    if values.optional_string("value.converter.schema.registry.url") is None:
        return []
    if _strategy(values) is not SubjectStrategy.TOPIC:
        return []
    topics = values.strings("salesforce.topics")
    pattern = values.optional_string(_RAW_TOPIC) or "${topic}"
    shared = Counter(_expanded(pattern, topic) for topic in topics)
    mixed = [topic for topic in topics if carries_several_types(topic) or shared[_expanded(pattern, topic)] > 1]
    if not mixed:
        return []
    problem = (
        f"the Kafka topic of {mixed[0]} gets events of several types; use {SubjectStrategy.TOPIC_RECORD} or"
        f" {SubjectStrategy.RECORD}"
    )
    return [f"Invalid value {SubjectStrategy.TOPIC} for configuration {_STRATEGY}: {problem}"]


def _strategy(values: Values) -> SubjectStrategy:
    return SubjectStrategy(values.string(_STRATEGY).rpartition(".")[2])


def _expanded(pattern: str, topic: str) -> str:
    return pattern.replace("${topic}", topic.rpartition("/")[2])
