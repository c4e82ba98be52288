"""The sink connectors that a worker can run: their keys, and how they are put together."""

from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar

from connectors import clock
from connectors.config.definition import (
    CONNECTOR_KEYS,
    ERROR_KEYS,
    ConfigDef,
    Importance,
    Key,
    Type,
    Values,
    at_least,
    http_url,
    non_empty,
)
from connectors.runtime.connector import ConnectorType, Task, WorkerConfig
from connectors.salesforce.auth import TokenSource
from connectors.salesforce.login_config import LOGIN_KEYS, login_of, network_of
from connectors.salesforce.network import NetworkSettings
from connectors.sinks.engine.dispatcher import Limits
from connectors.sinks.engine.metrics import SinkMetrics
from connectors.sinks.engine.task import SinkSettings, SinkTask
from connectors.sinks.http.client import HttpClient, RetryPolicy
from connectors.sinks.interaction.sink import InteractionCaller, Service
from connectors.sinks.webhook.signing import signer_of
from connectors.sinks.webhook.sink import WebhookPoster
from schemas.topics import Topics

_MAX_LANES = 1024  # conversations in progress, those that wait for their next attempt included: one small task each


def _positive(value: Any) -> str | None:
    return None if value > 0 else "must be greater than 0"


def _webhook_secret(value: Any) -> str | None:
    try:
        signer_of(value.reveal())
    except ValueError as error:
        return str(error)
    return None


def _header_value(value: Any) -> str | None:
    return None if str(value).isascii() and str(value).isprintable() and value else "must be printable ASCII, not empty"


def _sink_keys(*, timeout_key: str, max_inflight: int, hold_max_s: float) -> ConfigDef:
    return ConfigDef(
        Key("topics", Type.LIST, doc="Topics to read; the project's own when absent.", default=None, check=non_empty),
        Key(timeout_key, Type.DOUBLE, doc="Longest time of one request, seconds.", default=10.0, check=_positive),
        Key("retry.max", Type.INT, doc="Attempts after the first.", default=30, check=at_least(0)),
        Key("retry.backoff.s", Type.DOUBLE, doc="First wait; it doubles.", default=0.2, check=_positive),
        Key("retry.backoff.max.s", Type.DOUBLE, doc="Longest wait.", default=10.0, check=_positive),
        Key(
            "hold.max.s",
            Type.DOUBLE,
            doc="How long a record may hold up its conversation, from its first attempt on.",
            default=hold_max_s,
            check=_positive,
        ),
        Key("max.inflight", Type.INT, doc="Requests at the same time.", default=max_inflight, check=at_least(1)),
        Key(
            "max.buffered",
            Type.INT,
            doc="Records read and not done; more are not read.",
            default=10_000,
            check=at_least(1),
        ),
        Key(
            "max.buffered.bytes",
            Type.LONG,
            doc="Their keys and values together.",
            default=64 * 1024 * 1024,
            check=at_least(1),
        ),
    )


class WebhookSink:
    """Posts deliveries to the partner's channel; see `connectors.sinks.webhook.sink` for the protocol."""

    type: ClassVar[ConnectorType] = ConnectorType.SINK
    definition: ClassVar[ConfigDef] = (
        CONNECTOR_KEYS
        + ConfigDef(
            Key("webhook.url", doc="Where deliveries are posted.", importance=Importance.HIGH, check=http_url),
            Key(
                "webhook.secret",
                Type.PASSWORD,
                doc="Signing secret of Standard Webhooks, whsec_…; the receiver has the same.",
                importance=Importance.HIGH,
                check=_webhook_secret,
            ),
            Key("receipts.topic", doc="Topic for receipts; <topic.prefix>.receipts when absent.", default=None),
        )
        + _sink_keys(timeout_key="webhook.timeout.s", max_inflight=64, hold_max_s=120.0)
        + ERROR_KEYS
    )

    def __init__(self, name: str, config: Mapping[str, str]) -> None:
        self.name = name
        self.config = config
        self._values = self.definition.parse(config, f"connector {name}")

    def tasks(self, worker: WorkerConfig) -> list[Task]:
        """`tasks.max` members of one consumer group; those beyond the number of partitions stay idle."""
        values = self._values
        topics = Topics(prefix=worker.topic_prefix)
        receipts = values.optional_string("receipts.topic") or topics.receipts
        settings = _settings(self, values, topics, default_topic=topics.deliveries, output=receipts)
        signer = signer_of(values.password("webhook.secret").reveal())

        def task(task_id: int) -> Task:
            metrics = SinkMetrics(self.name, task_id)
            make_sink = partial(
                WebhookPoster,
                url=values.string("webhook.url"),
                signer=signer,
                receipts_topic=receipts,
                make_client=_client_maker(values, metrics, "webhook.timeout.s"),
                now_ms=clock.now_ms,
            )
            return SinkTask(settings, task_id, worker, metrics, make_sink)

        return [task(task_id) for task_id in range(values.integer("tasks.max"))]


class InteractionSink:
    """Makes calls to the Interaction Service API; see `connectors.sinks.interaction.sink`."""

    type: ClassVar[ConnectorType] = ConnectorType.SINK
    definition: ClassVar[ConfigDef] = (
        CONNECTOR_KEYS
        + ConfigDef(
            Key(
                "salesforce.api.url",
                doc="Base of the Interaction Service API, https://<MyDomain>.my.salesforce-scrt.com/api/v1.",
                importance=Importance.HIGH,
                check=http_url,
            ),
            Key(
                "salesforce.authorization.context",
                doc="Developer name of the ConversationChannelDefinition.",
                importance=Importance.HIGH,
                check=_header_value,
            ),
            Key("results.topic", doc="Topic for results; <topic.prefix>.salesforce.results when absent.", default=None),
        )
        + LOGIN_KEYS
        + _sink_keys(timeout_key="salesforce.timeout.s", max_inflight=32, hold_max_s=60.0)
        + ERROR_KEYS
    )

    def __init__(self, name: str, config: Mapping[str, str]) -> None:
        self.name = name
        self.config = config
        self._values = self.definition.parse(config, f"connector {name}")
        subject = f"connector {name}"
        self._credentials = login_of(subject, self._values)
        self._route = network_of(subject, self._values)

    def tasks(self, worker: WorkerConfig) -> list[Task]:
        """`tasks.max` members of one consumer group; those beyond the number of partitions stay idle."""
        values = self._values
        topics = Topics(prefix=worker.topic_prefix)
        results = values.optional_string("results.topic") or topics.salesforce_results
        settings = _settings(self, values, topics, default_topic=topics.salesforce_calls, output=results)
        service = Service(
            api_url=values.string("salesforce.api.url"),
            authorization_context=values.string("salesforce.authorization.context"),
        )

        def task(task_id: int) -> Task:
            metrics = SinkMetrics(self.name, task_id)
            make_sink = partial(
                InteractionCaller,
                service=service,
                results_topic=results,
                make_client=_client_maker(values, metrics, "salesforce.timeout.s", self._route),
                make_tokens=partial(TokenSource, self._credentials, self._route),
                now_ms=clock.now_ms,
            )
            return SinkTask(settings, task_id, worker, metrics, make_sink)

        return [task(task_id) for task_id in range(values.integer("tasks.max"))]


def _settings(
    connector: WebhookSink | InteractionSink, values: Values, topics: Topics, *, default_topic: str, output: str
) -> SinkSettings:
    tolerated = values.string("errors.tolerance") == "all"
    dead_letters = values.optional_string("errors.deadletterqueue.topic.name") or topics.dead_letters
    named = "topics" in connector.config
    return SinkSettings(
        connector=connector.name,
        group_id=f"connect-{connector.name}",  # as Kafka Connect names a sink's group, so its tools find it
        class_name=f"connectors.sinks.{type(connector).__name__}",
        topics=values.strings("topics") if named else (default_topic,),
        outputs=(output,),
        limits=Limits(
            max_buffered=values.integer("max.buffered"),
            max_buffered_bytes=values.integer("max.buffered.bytes"),
            max_lanes=_MAX_LANES,
        ),
        dead_letters=dead_letters if tolerated else None,
    )


def _client_maker(
    values: Values, metrics: SinkMetrics, timeout_key: str, route: NetworkSettings | None = None
) -> "partial[HttpClient]":
    policy = RetryPolicy(
        retry_max=values.integer("retry.max"),
        backoff_s=values.number("retry.backoff.s"),
        backoff_max_s=values.number("retry.backoff.max.s"),
        timeout_s=values.number(timeout_key),
        hold_max_s=values.number("hold.max.s"),
    )
    return partial(
        HttpClient,
        policy=policy,
        max_inflight=values.integer("max.inflight"),
        observe=metrics.attempted,
        route=route,
    )
