"""Builds the processor's Faust app. Nothing is built at import: Faust binds an app to a loop and a port."""

import os
from collections.abc import AsyncIterable
from pathlib import Path

from schemas.process.hosts import OwnHosts
from schemas.topics import STATE_TABLES, Topics
from streams import clock
from streams.metrics import Metrics
from streams.processor import Processor, output_topics
from streams.runtime.app import ExactlyOnceApp
from streams.runtime.ticket import Ticket
from streams.runtime.timers import Timers
from streams.settings import StreamsSettings
from streams.state.tables import Tables
from streams.web.hosts import only_for
from streams.web.queries import add_queries

HOSTS_SETTING = "BYOC_WEB_ALLOWED_HOSTS (--web-allowed-hosts)"


def create_app(settings: StreamsSettings, web_port: int) -> ExactlyOnceApp:
    """A worker's app: an agent per input topic, the state tables, the query API. Start it with Faust's `Worker`.

    `web_port` is the port that is bound; `settings.web_port` may be 0, for any. Raises `ValueError` for settings that
    do not fit together.
    """
    topics = Topics(prefix=settings.prefix, app_id=settings.app_id)
    rules = settings.rules()
    app = _faust_app(settings, topics, web_port)
    tables = Tables(app, settings.partitions)
    metrics = Metrics()
    processor = Processor(tables, topics, rules, clock.now_ms, metrics)
    timers = Timers(app, tables.due_times, processor.expire, clock.now_ms)

    def recover() -> None:
        tables.recover()
        timers.rebuild()

    app.on_recovered = recover
    app.before_commit = processor.write_changelog
    _add_agents(app, processor)
    add_queries(app, tables, topics, metrics, rules)

    @app.task  # type: ignore[untyped-decorator]  # faust has no types
    async def run_timers(app: ExactlyOnceApp) -> None:  # noqa: ARG001  Faust passes the app
        await timers.run()

    return app


def _faust_app(settings: StreamsSettings, topics: Topics, web_port: int) -> ExactlyOnceApp:
    data_dir = Path(settings.data_dir) / f"{settings.app_id}-{os.getpid()}"
    data_dir.mkdir(parents=True, exist_ok=True)
    hosts = OwnHosts(settings.web_host, settings.web_allowed_hosts.split(","), setting=HOSTS_SETTING)
    return ExactlyOnceApp(
        settings.app_id,
        bootstrap_servers=settings.bootstrap_servers,
        commit_linger_s=settings.commit_linger_ms / 1000,
        max_open_s=settings.max_open_ms / 1000,
        output_topics=output_topics(topics).values(),
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
        web_port=web_port,
        canonical_url=f"http://{settings.web_host}:{web_port}",
        web_application_options={"middlewares": [only_for(hosts)]},
        web_tables_enabled=False,  # they would serve state without redaction
        web_router_enabled=False,
        datadir=data_dir,
    )


def _add_agents(app: ExactlyOnceApp, processor: Processor) -> None:
    """One agent per input topic: it brings batches to the processor."""

    async def process(stream: AsyncIterable[Ticket]) -> None:
        async with app.batches(stream) as batches:
            async for batch in batches:
                processor.apply(batch)

    for topic, source in processor.inputs.items():
        # An actor per partition: with one for all, a partition that is being committed held up the others (a core
        # stood idle for 12 % of a backlog, and 2,000 events/s took 50 ms instead of 42). A partition has one ticket.
        app.agent(app.ticket_topic(topic), name=source.agent, concurrency=app.conf.topic_partitions)(process)


def needed_topics(settings: StreamsSettings) -> list[str]:
    """Topics that must exist with `settings.partitions` partitions before a worker starts."""
    catalogue = Topics(prefix=settings.prefix, app_id=settings.app_id).catalogue(settings.partitions)
    return [spec.name for spec in catalogue if spec.partitions == settings.partitions and "connect" not in spec.name]


def written_topics(settings: StreamsSettings) -> list[str]:
    """Topics that a worker writes: they must take its largest records."""
    topics = Topics(prefix=settings.prefix, app_id=settings.app_id)
    return [*output_topics(topics).values(), topics.dead_letters, *(topics.changelog(name) for name in STATE_TABLES)]
