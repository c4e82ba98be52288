"""The connector of the webhook: its configuration keys, and its tasks made from them."""

from collections.abc import Mapping
from typing import Any, ClassVar

from connectors import clock
from connectors.config.addresses import http_url
from connectors.config.definition import CONNECTOR_KEYS, ConfigDef, Importance, Key, Type, invalid
from connectors.connector import ConnectorType, Task, WorkerConfig
from connectors.sinks.engine.config import sink_keys, sink_settings, sink_tasks
from connectors.sinks.engine.metrics import SinkMetrics
from connectors.sinks.http.config import client_maker, http_keys
from connectors.sinks.http.server import ServerName
from connectors.sinks.http.status import FEW_ATTEMPTS, Patience, StatusRules, status_list_problem, statuses_with
from connectors.sinks.webhook.signing import signer_of
from connectors.sinks.webhook.sink import WebhookPoster
from schemas.topics import Topics

_TIMEOUT_KEY = "webhook.timeout.s"
_FINAL = "webhook.statuses.final"
_FINAL_SOON = "webhook.statuses.final.soon"


def _webhook_secret(value: Any) -> str | None:
    try:
        signer_of(value.reveal())
    except ValueError as error:
        return str(error)
    return None


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
            Key(
                _FINAL,
                Type.LIST,
                doc="Statuses that end a delivery at once, such as 410, or classes such as 4xx (408, 425, 429 apart).",
                default=statuses_with(Patience.FINAL),
                check=status_list_problem,
            ),
            Key(
                _FINAL_SOON,
                Type.LIST,
                doc=f"Statuses that end it after {FEW_ATTEMPTS} such answers; all others but 2xx are repeated.",
                default=statuses_with(Patience.FINAL_SOON),
                check=status_list_problem,
            ),
            Key("receipts.topic", doc="Topic for receipts; <topic.prefix>.receipts when absent.", default=None),
        )
        + sink_keys(http_keys(timeout_key=_TIMEOUT_KEY, max_inflight=64, hold_max_s=120.0))
    )

    def __init__(self, name: str, config: Mapping[str, str]) -> None:
        """Validate the configuration. Raises `ConfigError` that names every wrong key."""
        self.name = name
        self.config = config
        subject = f"connector {name}"
        self._values = self.definition.parse(config, subject)
        self._statuses = StatusRules(
            final=frozenset(self._values.strings(_FINAL)), final_soon=frozenset(self._values.strings(_FINAL_SOON))
        )
        both = sorted(self._statuses.final & self._statuses.final_soon)
        if both:
            problem = f"Invalid value {both[0]} for configuration {_FINAL_SOON}: {_FINAL} has it already"
            raise invalid(subject, [problem])

    def tasks(self, worker: WorkerConfig) -> list[Task]:
        """`tasks.max` members of one consumer group; those beyond the number of partitions stay idle."""
        values = self._values
        topics = Topics(prefix=worker.topic_prefix)
        receipts_topic = values.optional_string("receipts.topic") or topics.receipts
        settings = sink_settings(
            self.name,
            values,
            topics,
            class_name="connectors.sinks.WebhookSink",
            default_topic=topics.deliveries,
            output_topics=(receipts_topic,),
        )
        signer = signer_of(values.password("webhook.secret").reveal())

        def make_sink(metrics: SinkMetrics) -> WebhookPoster:
            return WebhookPoster(
                url=values.string("webhook.url"),
                signer=signer,
                statuses=self._statuses,
                receipts_topic=receipts_topic,
                make_client=client_maker(values, metrics.attempted, _TIMEOUT_KEY, ServerName(setting="webhook.url")),
                now_ms=clock.now_ms,
            )

        return sink_tasks(values.integer("tasks.max"), settings, worker, make_sink)
