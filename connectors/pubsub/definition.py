"""The configuration keys of the source connector."""

import re
from typing import Any, Final

from connectors.kafka.producer import TRANSACTION_TIMEOUT_MS
from connectors.login_config import LOGIN_KEYS
from connectors.pubsub.protocol import KEEPALIVE_BOUND_S
from connectors.runtime.config import (
    CONNECTOR_KEYS,
    ERROR_KEYS,
    ConfigDef,
    Importance,
    Key,
    Kind,
    at_least,
    non_empty,
    one_of,
)

_SALESFORCE: Final = "Salesforce"
_REPLAY: Final = "Replay"
_KAFKA: Final = "Kafka"
_TOPIC: Final = re.compile(r"/(event|data)/\w+")


def topic_list(value: Any) -> str | None:
    """Every item is a topic of the Pub/Sub API, named once: two owners of one position would repeat its events."""
    if not value:
        return "must not be empty"
    wrong = [topic for topic in value if not _TOPIC.fullmatch(topic)]
    if wrong:
        return f"{wrong[0]} is no topic; use the form /event/<Name> or /data/<Name>"
    twice = [topic for number, topic in enumerate(value) if topic in value[:number]]
    return f"{twice[0]} is named twice" if twice else None


DEFINITION: Final = (
    CONNECTOR_KEYS
    + ConfigDef(
        Key(
            "salesforce.pubsub.endpoint",
            doc="host:port of the Pub/Sub API; api.pubsub.salesforce.com:7443, or port 443 behind strict firewalls.",
            default="api.pubsub.salesforce.com:7443",
            importance=Importance.HIGH,
            check=non_empty,
            group=_SALESFORCE,
        ),
        Key(
            "salesforce.pubsub.tls",
            Kind.BOOLEAN,
            doc="false only for the simulator.",
            default=True,
            group=_SALESFORCE,
        ),
        Key(
            "salesforce.pubsub.ping.interval.s",
            Kind.DOUBLE,
            doc="HTTP/2 ping interval; finds dead connections.",
            default=30.0,
            importance=Importance.LOW,
            check=at_least(10),
            group=_SALESFORCE,
        ),
        Key(
            "salesforce.topics",
            Kind.LIST,
            doc="Topics and channels to mirror, such as /event/ByocOutbound__e; a task each, as far as tasks.max goes.",
            importance=Importance.HIGH,
            check=topic_list,
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
            check=one_of("fail", "latest", "earliest"),
            group=_REPLAY,
        ),
        Key(
            "replay.latest.settle.s",
            Kind.DOUBLE,
            doc="Wait before a subscription from latest counts as in effect; Salesforce takes about 3 s.",
            default=5.0,
            importance=Importance.LOW,
            check=at_least(0),
            group=_REPLAY,
        ),
        Key(
            "watchdog.timeout.s",
            Kind.DOUBLE,
            doc="Silence after which the stream is opened again; Salesforce answers at least every 270 s.",
            default=KEEPALIVE_BOUND_S + 30,
            check=at_least(1),
            group=_REPLAY,
        ),
        Key(
            "start.timeout.s",
            Kind.DOUBLE,
            doc="How long the first connection may take before the task fails.",
            default=60.0,
            check=at_least(0),
            group=_REPLAY,
        ),
        Key(
            "checkpoint.interval.s",
            Kind.DOUBLE,
            doc="On a quiet topic the position is stored at most this often.",
            default=60.0,
            importance=Importance.LOW,
            check=at_least(0),
            group=_REPLAY,
        ),
        Key(
            "max.inflight.events",
            Kind.INT,
            doc="Events received and not yet committed; beyond it no more are asked for.",
            default=10_000,
            check=at_least(1),
            group=_KAFKA,
        ),
        Key(
            "max.inflight.bytes",
            Kind.LONG,
            doc="The same, in bytes of responses.",
            default=64 * 1024 * 1024,
            check=at_least(1),
            group=_KAFKA,
        ),
        Key(
            "producer.override.transaction.timeout.ms",
            Kind.INT,
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
