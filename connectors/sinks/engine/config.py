"""The configuration keys that every sink has, and the settings and tasks made from them.

A sink connector declares `sink_keys(...)` with the keys of its transport, and makes its tasks by `sink_settings` and
`sink_tasks`.
"""

from collections.abc import Callable
from functools import partial

from connectors.config.definition import ERROR_KEYS, ConfigDef, Key, Type, Values, at_least, non_empty
from connectors.connector import Task, WorkerConfig
from connectors.sinks.engine.dispatcher import Limits
from connectors.sinks.engine.metrics import SinkMetrics
from connectors.sinks.engine.port import Sink
from connectors.sinks.engine.task import SinkSettings, SinkTask
from schemas.topics import Topics

_MAX_IN_PROGRESS = 1024  # conversations, those that wait for their next attempt included: one small asyncio task each


def sink_keys(transport: ConfigDef) -> ConfigDef:
    """The keys of every sink, with those of its `transport` in their place among them."""
    topics = Key(
        "topics", Type.LIST, doc="Topics to read; the project's own when absent.", default=None, check=non_empty
    )
    buffers = ConfigDef(
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
    return ConfigDef(topics) + transport + buffers + ERROR_KEYS


def sink_settings(
    name: str, values: Values, topics: Topics, *, class_name: str, default_topic: str, output_topics: tuple[str, ...]
) -> SinkSettings:
    """The settings of a connector's tasks.

    `topics` are the project's own for the worker's prefix, `class_name` is what the dead letters say, `default_topic`
    is read when the configuration names none, and `output_topics` are what the sink writes to.
    """
    tolerated = values.string("errors.tolerance") == "all"
    dead_letter_topic = values.optional_string("errors.deadletterqueue.topic.name") or topics.dead_letters
    return SinkSettings(
        connector=name,
        group_id=f"connect-{name}",  # as Kafka Connect names a sink's group, so its tools find it
        class_name=class_name,
        topics=values.strings("topics") if values.given("topics") else (default_topic,),
        output_topics=output_topics,
        limits=Limits(
            max_buffered=values.integer("max.buffered"),
            max_buffered_bytes=values.integer("max.buffered.bytes"),
            max_in_progress=_MAX_IN_PROGRESS,
        ),
        dead_letter_topic=dead_letter_topic if tolerated else None,
    )


def sink_tasks(
    count: int, settings: SinkSettings, worker: WorkerConfig, make_sink: Callable[[SinkMetrics], Sink]
) -> list[Task]:
    """`count` members of one consumer group, each with a sink of its own; those beyond the partitions stay idle.

    `make_sink` is called on the event loop, when a task runs, with the metrics of that task.
    """

    def task(task_id: int) -> Task:
        metrics = SinkMetrics(settings.connector, task_id)
        return SinkTask(settings, task_id, worker, metrics, partial(make_sink, metrics))

    return [task(task_id) for task_id in range(count)]
