"""The source connector `connectors.pubsub.PubSubSource`: its keys, its checks, one task per Salesforce topic."""

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Final

from connectors.auth import ClientCredentials, Credentials, JwtBearer
from connectors.errors import ConfigError
from connectors.kafka.producer import TRANSACTION_TIMEOUT_MS
from connectors.pubsub.events import GapPolicy, ReplayPreset
from connectors.pubsub.mapping import FieldNames
from connectors.pubsub.protocol import KEEPALIVE_BOUND_S, Policy
from connectors.pubsub.settings import SourceSettings
from connectors.pubsub.task import SourceTask
from connectors.pubsub.transport import Endpoint
from connectors.runtime.config import (
    CONNECTOR_KEYS,
    ERROR_KEYS,
    ConfigDef,
    Importance,
    Key,
    Kind,
    Values,
    at_least,
    http_url,
    invalid,
    non_empty,
    one_of,
)
from connectors.runtime.connector import ConnectorType, Task, WorkerConfig
from schemas.topics import Topics

CLASS_NAME: Final = "connectors.pubsub.PubSubSource"
_SALESFORCE: Final = "Salesforce"
_REPLAY: Final = "Replay"
_KAFKA: Final = "Kafka"

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
            "salesforce.pubsub.ca.file",
            doc="PEM certificates to trust instead of the system's, for a TLS-inspecting proxy.",
            default=None,
            importance=Importance.LOW,
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
            "salesforce.login.url",
            doc="My Domain URL of the org: where tokens come from.",
            importance=Importance.HIGH,
            check=http_url,
            group=_SALESFORCE,
        ),
        Key(
            "salesforce.auth.flow",
            doc="client_credentials needs salesforce.client.secret; jwt_bearer needs username and private key.",
            default="client_credentials",
            check=one_of("client_credentials", "jwt_bearer"),
            group=_SALESFORCE,
        ),
        Key(
            "salesforce.client.id",
            doc="Consumer key of the connected app.",
            importance=Importance.HIGH,
            check=non_empty,
            group=_SALESFORCE,
        ),
        Key(
            "salesforce.client.secret",
            Kind.PASSWORD,
            doc="Consumer secret (client_credentials).",
            default=None,
            importance=Importance.HIGH,
            group=_SALESFORCE,
        ),
        Key("salesforce.username", doc="Integration user (jwt_bearer).", default=None, group=_SALESFORCE),
        Key(
            "salesforce.private.key.file",
            doc="PEM file with the RSA key of the connected app's certificate (jwt_bearer).",
            default=None,
            group=_SALESFORCE,
        ),
        Key(
            "salesforce.topics",
            Kind.LIST,
            doc="Topics to mirror, such as /event/ByocOutbound__e; one task each.",
            importance=Importance.HIGH,
            check=non_empty,
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
    + ERROR_KEYS
)


class PubSubSource:
    """Mirrors Salesforce Pub/Sub API topics into Kafka, each event exactly once."""

    type: ClassVar[ConnectorType] = ConnectorType.SOURCE
    definition: ClassVar[ConfigDef] = DEFINITION

    def __init__(self, name: str, config: Mapping[str, str]) -> None:
        """Raises `ConfigError` that names every wrong key."""
        self.name = name
        self.config = dict(config)
        self._values = DEFINITION.parse({**config, "name": name}, subject=f"connector {name}")
        self._credentials = _credentials(name, self._values)

    def tasks(self, worker: WorkerConfig) -> list[Task]:
        """One task per topic, in the order of `salesforce.topics`; the order is part of the tasks' identity."""
        topics = self._values.strings("salesforce.topics")
        most = self._values.integer("tasks.max")
        if len(topics) > most:
            raise ConfigError(
                f"connector {self.name}: salesforce.topics names {len(topics)} topics, each needs a task, and tasks.max"
                f" is {most}; set tasks.max to {len(topics)}"
            )
        return [
            SourceTask(self._task_settings(worker, task_id, topic), self._credentials)
            for task_id, topic in enumerate(topics)
        ]

    def _task_settings(self, worker: WorkerConfig, task_id: int, topic: str) -> SourceSettings:
        values = self._values
        names = Topics(prefix=worker.topic_prefix)
        return SourceSettings(
            connector=self.name,
            task_id=task_id,
            class_name=CLASS_NAME,
            policy=_policy(values, topic),
            endpoint=_endpoint(self.name, values),
            fields=FieldNames(
                event_type=values.string("salesforce.event.type.field"),
                payload=values.string("salesforce.event.payload.field"),
                channel=values.optional_string("salesforce.event.channel.field"),
                recipient=values.optional_string("salesforce.event.recipient.field"),
            ),
            events_topic=values.optional_string("kafka.topic") or names.events,
            dead_letter_topic=values.optional_string("errors.deadletterqueue.topic.name") or names.dead_letters,
            offsets_topic=worker.offset_storage_topic,
            bootstrap_servers=worker.bootstrap_servers,
            transactional_id=f"{worker.group_id}-{self.name}-{task_id}",
            transaction_timeout_ms=values.integer("producer.override.transaction.timeout.ms"),
            client=worker.client,
        )


def _policy(values: Values, topic: str) -> Policy:
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


def _endpoint(name: str, values: Values) -> Endpoint:
    ca_file = values.optional_string("salesforce.pubsub.ca.file")
    try:
        ca = Path(ca_file).read_bytes() if ca_file is not None else None
    except OSError as error:
        raise invalid(
            f"connector {name}", [f"Invalid value {ca_file} for configuration salesforce.pubsub.ca.file: {error}"]
        ) from error
    return Endpoint(
        address=values.string("salesforce.pubsub.endpoint"),
        tls=values.boolean("salesforce.pubsub.tls"),
        ca=ca,
        ping_interval_s=values.number("salesforce.pubsub.ping.interval.s"),
    )


def _credentials(name: str, values: Values) -> Credentials:
    """The credentials of the chosen flow. Raises `ConfigError` naming what the flow still needs."""
    needed = {
        "client_credentials": ("salesforce.client.secret",),
        "jwt_bearer": ("salesforce.username", "salesforce.private.key.file"),
    }[values.string("salesforce.auth.flow")]
    missing = [key for key in needed if values.optional_string(key) is None]
    if missing:
        flow = values.string("salesforce.auth.flow")
        raise invalid(
            f"connector {name}",
            [f'Missing required configuration "{key}": salesforce.auth.flow={flow} needs it' for key in missing],
        )
    login_url, client_id = values.string("salesforce.login.url"), values.string("salesforce.client.id")
    if needed == ("salesforce.client.secret",):
        secret = values.password("salesforce.client.secret")
        return ClientCredentials(login_url=login_url, client_id=client_id, client_secret=secret)
    return JwtBearer(
        login_url=login_url,
        client_id=client_id,
        username=values.string("salesforce.username"),
        private_key_file=Path(values.string("salesforce.private.key.file")),
    )
