"""Checks across keys of the source: what is wrong between values that are right each by itself."""

import re
from collections import Counter
from typing import Final

from connectors.config.definition import Values
from connectors.pubsub.config.options import REGISTRY_URL, expanded, subject_strategy_of
from connectors.pubsub.converters.choice import Mode
from connectors.pubsub.converters.subjects import SubjectStrategy

_TOPIC_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,249}")  # Kafka's rule
_RAW_TOPIC: Final = "raw.topic"
_STRATEGY: Final = "value.converter.value.subject.name.strategy"


def problems_of(values: Values) -> list[str]:
    """What is wrong, one sentence for each problem; empty when nothing is."""
    return [*_untyped(values), *_illegal_raw_topics(values), *_mixed_subjects(values)]


def _carries_several_types(topic: str) -> bool:
    """Whether the topic is a channel: GetTopic has no schema for it, each event names its own."""
    return topic.endswith("__chn") or topic == "/data/ChangeEvents"


def _untyped(values: Values) -> list[str]:
    if values.string("mode") != Mode.BYOC or values.strings("salesforce.event.types"):
        return []
    return [
        f'Missing required configuration "salesforce.event.types": {topic} is no BYOC event, or may carry others; name'
        " those that are, or set mode=raw"
        for topic in values.strings("salesforce.topics")
        if _carries_several_types(topic) or topic.startswith("/data/")
    ]


def _illegal_raw_topics(values: Values) -> list[str]:
    pattern = values.optional_string(_RAW_TOPIC) or ""
    wrong = [
        topic for topic in values.strings("salesforce.topics") if not _TOPIC_NAME.fullmatch(expanded(pattern, topic))
    ]
    if not pattern or not wrong:
        return []
    problem = "must give a legal Kafka topic name (letters, digits, '.', '_', '-'); ${topic} is the only variable"
    return [f"Invalid value {pattern} for configuration {_RAW_TOPIC}: {problem}"]


def _mixed_subjects(values: Values) -> list[str]:
    """A subject takes schemas of one type only: the registry would refuse all but the first."""
    if values.optional_string(REGISTRY_URL) is None:
        return []
    if subject_strategy_of(values) is not SubjectStrategy.TOPIC:
        return []
    topics = values.strings("salesforce.topics")
    pattern = values.optional_string(_RAW_TOPIC) or "${topic}"
    shared = Counter(expanded(pattern, topic) for topic in topics)
    mixed = [topic for topic in topics if _carries_several_types(topic) or shared[expanded(pattern, topic)] > 1]
    if not mixed:
        return []
    problem = (
        f"the Kafka topic of {mixed[0]} gets events of several types; use {SubjectStrategy.TOPIC_RECORD} or"
        f" {SubjectStrategy.RECORD}"
    )
    return [f"Invalid value {SubjectStrategy.TOPIC} for configuration {_STRATEGY}: {problem}"]
