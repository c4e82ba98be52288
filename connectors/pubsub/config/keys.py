"""The configuration keys of the source connector. The login keys are those of `connectors.salesforce`."""

import re
from typing import Any, Final

from connectors.config.addresses import host_and_port, http_url_without_credentials
from connectors.config.definition import (
    CONNECTOR_KEYS,
    ERROR_KEYS,
    ConfigDef,
    Importance,
    Key,
    Type,
    at_least,
    non_empty,
    one_of,
)
from connectors.pubsub.converters.choice import ForeignPolicy, Mode
from connectors.pubsub.converters.subjects import SubjectStrategy
from connectors.pubsub.protocol.messages import GapPolicy
from connectors.pubsub.protocol.policy import KEEPALIVE_BOUND_S
from connectors.salesforce.login_config import LOGIN_KEYS
from schemas.kafka_settings import TRANSACTION_TIMEOUT_MS

_SALESFORCE: Final = "Salesforce"
_REPLAY: Final = "Replay"
_KAFKA: Final = "Kafka"
_REGISTRY: Final = "Schema registry"
_CONFLUENT: Final = "io.confluent.kafka.serializers.subject."
_TOPIC: Final = re.compile(r"/(event|data)/\w+")


def _topic_list(value: Any) -> str | None:
    """Each item is a topic of the Pub/Sub API and named once: two owners of one position would repeat its events."""
    if not value:
        return "must not be empty"
    wrong = [topic for topic in value if not _TOPIC.fullmatch(topic)]
    if wrong:
        return f"{wrong[0]} is no topic; use the form /event/<Name> or /data/<Name>"
    twice = [topic for number, topic in enumerate(value) if topic in value[:number]]
    return f"{twice[0]} is named twice" if twice else None


def _user_info(value: Any) -> str | None:
    return None if ":" in value.reveal() else "must have the form user:password"


DEFINITION: Final = (
    CONNECTOR_KEYS
    + ConfigDef(
        Key(
            "salesforce.pubsub.endpoint",
            doc="host:port of the Pub/Sub API; api.pubsub.salesforce.com:7443, or port 443 behind strict firewalls.",
            default="api.pubsub.salesforce.com:7443",
            importance=Importance.HIGH,
            check=host_and_port,
            group=_SALESFORCE,
        ),
        Key(
            "salesforce.pubsub.tls",
            Type.BOOLEAN,
            doc="false only for the simulator.",
            default=True,
            group=_SALESFORCE,
        ),
        Key(
            "salesforce.pubsub.ping.interval.s",
            Type.DOUBLE,
            doc="HTTP/2 ping interval; finds dead connections.",
            default=30.0,
            importance=Importance.LOW,
            check=at_least(10),
            group=_SALESFORCE,
        ),
        Key(
            "salesforce.topics",
            Type.LIST,
            doc="Topics and channels to mirror, such as /event/ByocOutbound__e; a task each, as far as tasks.max goes.",
            importance=Importance.HIGH,
            check=_topic_list,
            group=_SALESFORCE,
        ),
        Key(
            "mode",
            doc="byoc: BYOC events become OutboundEvent records; raw: events of any type are mirrored as they come.",
            default=Mode.BYOC.value,
            check=one_of(*Mode),
            group=_SALESFORCE,
        ),
        Key(
            "salesforce.event.types",
            Type.LIST,
            doc="API names of the BYOC events, such as ByocOutbound__e; a channel needs it, as it may carry others.",
            default=(),
            group=_SALESFORCE,
        ),
        Key(
            "foreign.event.policy",
            doc="What the source does with events of other types in mode byoc: dead-letter, or raw.",
            default=ForeignPolicy.DEAD_LETTER.value,
            check=one_of(*ForeignPolicy),
            group=_SALESFORCE,
        ),
        Key("salesforce.event.type.field", doc="Field with the event type.", default="EventType__c", group=_SALESFORCE),
        Key(
            "salesforce.event.payload.field",
            doc="Field with the payload JSON.",
            default="EventPayload__c",
            group=_SALESFORCE,
        ),
        Key(
            "salesforce.event.channel.field",
            doc="Field with the channel address (legacy events only).",
            default=None,
            importance=Importance.LOW,
            group=_SALESFORCE,
        ),
        Key(
            "salesforce.event.recipient.field",
            doc="Field with the recipient JSON (legacy events only).",
            default=None,
            importance=Importance.LOW,
            group=_SALESFORCE,
        ),
        Key("kafka.topic", doc="Where events go; <topic.prefix>.events when absent.", default=None, group=_KAFKA),
        Key(
            "raw.topic",
            doc="Where raw events go; ${topic} is the last part of the Salesforce topic."
            " <topic.prefix>.raw.${topic} when absent.",
            default=None,
            check=non_empty,
            group=_KAFKA,
        ),
        Key(
            "raw.key.field",
            doc="Field that raw events are keyed by, A or A.B; else a change's record id, another event's UUID.",
            default=None,
            check=non_empty,
            group=_KAFKA,
        ),
        Key(
            "raw.change.headers",
            Type.BOOLEAN,
            doc="sf.change.* headers on change events, the changed fields by name among them.",
            default=True,
            importance=Importance.LOW,
            group=_KAFKA,
        ),
        Key(
            "topic.creation.default.partitions",
            Type.INT,
            doc="Partitions of topics for events that do not exist and are then made; without it they must exist.",
            default=None,
            check=at_least(1),
            group=_KAFKA,
        ),
        Key(
            "topic.creation.default.replication.factor",
            Type.INT,
            doc="Their replication factor; -1 is the brokers' default.",
            default=-1,
            check=at_least(-1),
            group=_KAFKA,
        ),
        Key(
            "value.converter.schema.registry.url",
            doc="Registry of the schemas of raw events, which then have the Confluent wire format.",
            default=None,
            check=http_url_without_credentials,
            group=_REGISTRY,
        ),
        Key(
            "value.converter.basic.auth.user.info",
            Type.PASSWORD,
            doc="user:password for the registry.",
            default=None,
            check=_user_info,
            group=_REGISTRY,
        ),
        Key(
            "value.converter.schema.registry.ssl.ca.location",
            doc="PEM certificates to trust for the registry.",
            default=None,
            importance=Importance.LOW,
            group=_REGISTRY,
        ),
        Key(
            "value.converter.auto.register.schemas",
            Type.BOOLEAN,
            doc="false: schemas must be registered already.",
            default=True,
            importance=Importance.LOW,
            group=_REGISTRY,
        ),
        Key(
            "value.converter.value.subject.name.strategy",
            doc="How subjects are named; a Kafka topic with events of several types needs one with Record.",
            default=SubjectStrategy.TOPIC.value,
            check=one_of(*SubjectStrategy, *(_CONFLUENT + name for name in SubjectStrategy)),
            importance=Importance.LOW,
            group=_REGISTRY,
        ),
        Key(
            "replay.preset",
            doc="Where to start when no position is stored: earliest re-reads all that is retained (72 h).",
            default="earliest",
            check=one_of("earliest", "latest"),
            group=_REPLAY,
        ),
        Key(
            "replay.gap.policy",
            doc="When the stored position no longer exists: fail, or go on from earliest or latest, leaving a marker.",
            default="fail",
            check=one_of(*GapPolicy),
            group=_REPLAY,
        ),
        Key(
            "replay.latest.settle.s",
            Type.DOUBLE,
            doc="Wait before a subscription from latest counts as in effect; Salesforce takes about 3 s.",
            default=5.0,
            importance=Importance.LOW,
            check=at_least(0),
            group=_REPLAY,
        ),
        Key(
            "watchdog.timeout.s",
            Type.DOUBLE,
            doc="Silence after which the stream is opened again; Salesforce answers at least every 270 s.",
            default=KEEPALIVE_BOUND_S + 30,
            check=at_least(1),
            group=_REPLAY,
        ),
        Key(
            "start.timeout.s",
            Type.DOUBLE,
            doc="How long the first connection may take before the task fails.",
            default=60.0,
            check=at_least(0),
            group=_REPLAY,
        ),
        Key(
            "checkpoint.interval.s",
            Type.DOUBLE,
            doc="On a quiet topic the position is stored at most this often.",
            default=60.0,
            importance=Importance.LOW,
            check=at_least(0),
            group=_REPLAY,
        ),
        Key(
            "max.inflight.events",
            Type.INT,
            doc="Events received and not yet committed; beyond it no more are asked for.",
            default=10_000,
            check=at_least(1),
            group=_KAFKA,
        ),
        Key(
            "max.inflight.bytes",
            Type.LONG,
            doc="The same, in bytes of responses.",
            default=64 * 1024 * 1024,
            check=at_least(1),
            group=_KAFKA,
        ),
        Key(
            "producer.override.transaction.timeout.ms",
            Type.INT,
            doc="How long a crashed worker's open transaction may hold up readers; brokers allow 15 minutes at most.",
            default=TRANSACTION_TIMEOUT_MS,
            importance=Importance.LOW,
            check=at_least(1000),
            group=_KAFKA,
        ),
    )
    + LOGIN_KEYS
    + ERROR_KEYS
)
