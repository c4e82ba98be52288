"""The connector of the Interaction Service API: its configuration keys, and its tasks made from them."""

import uuid
from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar

from connectors import clock
from connectors.config.addresses import http_url_without_credentials
from connectors.config.definition import CONNECTOR_KEYS, ConfigDef, Importance, Key
from connectors.connector import ConnectorType, Task, WorkerConfig
from connectors.kafka.idempotent_producer import IdempotentProducer
from connectors.kafka.topic_reader import TopicReader
from connectors.salesforce.auth import TokenSource
from connectors.salesforce.login_config import LOGIN_KEYS, login_of, network_of
from connectors.sinks.engine.config import sink_keys, sink_settings, sink_tasks
from connectors.sinks.engine.metrics import SinkMetrics
from connectors.sinks.http.config import client_maker, http_keys
from connectors.sinks.http.server import ServerName
from connectors.sinks.interaction.journal import CallJournal
from connectors.sinks.interaction.routing_log import RoutingLog
from connectors.sinks.interaction.sink import InteractionCaller, Service
from schemas.topics import Topics

_TIMEOUT_KEY = "salesforce.timeout.s"
_SERVER = ServerName(
    setting="salesforce.api.url", remedy="check it, and set salesforce.ca.file to the authority's PEM file"
)


def _header_value(value: Any) -> str | None:
    return None if str(value).isascii() and str(value).isprintable() and value else "must be printable ASCII, not empty"


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
                check=http_url_without_credentials,
            ),
            Key(
                "salesforce.authorization.context",
                doc="Developer name of the ConversationChannelDefinition.",
                importance=Importance.HIGH,
                check=_header_value,
            ),
            Key(
                "events.topic",
                doc="Mirrored events, asked about calls in doubt; <topic.prefix>.events when absent.",
                default=None,
            ),
            Key("journal.topic", doc="Attempts at calls; <topic.prefix>.salesforce.journal when absent.", default=None),
            Key("results.topic", doc="Topic for results; <topic.prefix>.salesforce.results when absent.", default=None),
        )
        + LOGIN_KEYS
        + sink_keys(http_keys(timeout_key=_TIMEOUT_KEY, max_inflight=32, hold_max_s=60.0))
    )

    def __init__(self, name: str, config: Mapping[str, str]) -> None:
        """Validate the configuration, and read the files that it names. Raises `ConfigError`."""
        self.name = name
        self.config = config
        subject = f"connector {name}"
        self._values = self.definition.parse(config, subject)
        self._credentials = login_of(subject, self._values)
        self._network = network_of(subject, self._values)

    def tasks(self, worker: WorkerConfig) -> list[Task]:
        """`tasks.max` members of one consumer group; those beyond the number of partitions stay idle."""
        values = self._values
        topics = Topics(prefix=worker.topic_prefix)
        results_topic = values.optional_string("results.topic") or topics.salesforce_results
        journal_topic = values.optional_string("journal.topic") or topics.salesforce_journal
        events_topic = values.optional_string("events.topic") or topics.events
        settings = sink_settings(
            self.name,
            values,
            topics,
            class_name="connectors.sinks.InteractionSink",
            default_topic=topics.salesforce_calls,
            output_topics=(results_topic, journal_topic),
        )
        service = Service(
            api_url=values.string("salesforce.api.url"),
            authorization_context=values.string("salesforce.authorization.context"),
        )

        make_reader = partial(TopicReader, bootstrap_servers=worker.bootstrap_servers, client=worker.client)

        def make_sink(metrics: SinkMetrics) -> InteractionCaller:
            member = f"{worker.group_id}-{self.name}-{uuid.uuid4()}"
            return InteractionCaller(
                service=service,
                results_topic=results_topic,
                make_client=client_maker(values, metrics.attempted, _TIMEOUT_KEY, _SERVER, self._network),
                journal=CallJournal(
                    topic=journal_topic,
                    results_topic=results_topic,
                    member=member,
                    make_producer=partial(
                        IdempotentProducer,
                        bootstrap_servers=worker.bootstrap_servers,
                        client_id=f"{worker.group_id}-{self.name}-journal",
                        # a call waits for each record, and few come at a time: no lingering for a batch
                        overrides={"linger.ms": "0", **(worker.client or {})},
                    ),
                    make_reader=make_reader,
                    now_ms=clock.now_ms,
                ),
                routing_log=RoutingLog(topic=events_topic, make_reader=make_reader, now_ms=clock.now_ms),
                make_tokens=partial(TokenSource, self._credentials, self._network),
                now_ms=clock.now_ms,
            )

        return sink_tasks(values.integer("tasks.max"), settings, worker, make_sink)
