"""Builds the processor's Faust app. Nothing is built at import: Faust binds an app to a loop and a port."""

import os
from pathlib import Path
from typing import Any

from schemas.topics import Topics
from streams import clock
from streams.agents.inputs import add_agents
from streams.core.model.rules import Rules
from streams.metrics import Metrics
from streams.processor import Processor
from streams.runtime.app import ExactlyOnceApp
from streams.settings import StreamsSettings
from streams.state.tables import Tables
from streams.web.queries import add_queries


def create_app(settings: StreamsSettings) -> ExactlyOnceApp:
    """A worker's app: an agent per input topic, three tables, the query API. Start it with Faust's `Worker`."""
    topics = Topics(prefix=settings.prefix, app_id=settings.app_id)
    data_dir = Path(settings.data_dir) / f"{settings.app_id}-{os.getpid()}"
    data_dir.mkdir(parents=True, exist_ok=True)
    app = ExactlyOnceApp(
        settings.app_id,
        bootstrap_servers=settings.bootstrap_servers,
        commit_linger_s=settings.commit_linger_ms / 1000,
        max_open_s=settings.max_open_ms / 1000,
        output_topics=[
            topics.deliveries,
            topics.routing_requests,
            topics.routing_outcomes,
            topics.salesforce_calls,
        ],
        single_partition_topics=[topics.dead_letters],
        topic_partitions=settings.partitions,
        topic_allow_declare=False,  # `byoc topics create` makes them, with the right counts
        topic_disable_leader=True,
        stream_buffer_maxsize=1024,  # counts tickets; there is at most one per input partition
        stream_recovery_delay=0.0,
        consumer_auto_offset_reset="earliest",
        consumer_max_fetch_size=1_048_576,
        broker_session_timeout=settings.session_timeout_s,
        broker_heartbeat_interval=max(0.3, settings.session_timeout_s / 5),
        broker_rebalance_timeout=max(10.0, settings.session_timeout_s),
        broker_request_timeout=max(30.0, settings.session_timeout_s),
        web_bind=settings.web_host,
        web_host=settings.web_host,
        web_port=settings.web_port,
        canonical_url=f"http://{settings.web_host}:{settings.web_port}",
        web_tables_enabled=False,  # they would serve state without redaction
        web_router_enabled=False,
        datadir=data_dir,
    )
    rules = Rules(
        routing_timeout_ms=int(settings.routing_timeout_s * 1000),
        answer_by_ms=int(settings.answer_by_s * 1000),
        supervisor_messages=settings.supervisor_messages,
        acknowledged_channels=frozenset(filter(None, map(str.strip, settings.acknowledged_channels.split(",")))),
        work_calls=settings.work_calls,
        remove_rerouted=settings.remove_rerouted,
        partner_commands=settings.partner_commands,
    )
    tables = Tables(app, settings.partitions)
    metrics = Metrics()
    processor = Processor(app, tables, topics, rules, clock.now_ms, metrics)
    add_agents(app, topics, processor)
    add_queries(app, tables, topics, metrics, rules)
    app.on_recovered = processor.recover
    app.before_commit = processor.write_changelog

    @app.task  # type: ignore[untyped-decorator]  # faust has no types
    async def run_timers(app: Any) -> None:  # noqa: ARG001  Faust passes the app
        await processor.run_timers()

    return app


def needed_topics(settings: StreamsSettings) -> list[str]:
    """Topics that must exist with `settings.partitions` partitions before a worker starts."""
    catalogue = Topics(prefix=settings.prefix, app_id=settings.app_id).catalogue(settings.partitions)
    return [spec.name for spec in catalogue if spec.partitions == settings.partitions and "connect" not in spec.name]
