"""The contract between a worker and its connectors.

A worker creates a connector from its name and its flat configuration, asks it once for its tasks, and runs each task
in an asyncio task of its own. A connector decides how the work is split, and a task does its share. Nothing here knows
Salesforce or HTTP.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from connectors.config.definition import ConfigDef


class ConnectorType(StrEnum):
    """`type` in the REST answers."""

    SOURCE = "source"
    SINK = "sink"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerConfig:
    """What all connectors of a worker share. `client` holds further librdkafka settings (security, for example)."""

    bootstrap_servers: str
    group_id: str
    topic_prefix: str
    offset_storage_topic: str
    client: Mapping[str, str] = field(default_factory=dict, repr=False)


class Task(Protocol):
    """A share of a connector's work. Made once, run once."""

    async def run(self, ready: Callable[[], None]) -> None:
        """Work until `stop` was called, then return with everything that was started committed.

        Called once by the worker. `ready` is called once, when the task is serving: its positions are known and its
        inputs are open. Raises `TaskFailed` when it cannot go on; the message is shown as the task's `trace`. After a
        crash a new task with the same id continues from what was committed.
        """
        ...

    async def stop(self) -> None:
        """Ask `run` to finish: no new input, commit what is complete, release everything. Idempotent; within 25 s."""
        ...


class Connector(Protocol):
    """A validated configuration that knows how to split itself into tasks. No I/O happens before a task runs."""

    name: str
    config: Mapping[str, str]

    def tasks(self, worker: WorkerConfig) -> list[Task]:
        """One task per share of the work, at most `tasks.max` of them; the index in the list is the task id.

        Called once per start. Raises `ConfigError` when the configuration does not fit the worker.
        """
        ...


class ConnectorClass(Protocol):
    """The class object of a connector, as the registry returns it."""

    type: ConnectorType
    definition: ConfigDef

    def __call__(self, name: str, config: Mapping[str, str]) -> Connector:
        """Validate the configuration and keep it verbatim. Raises `ConfigError` that names every wrong key."""
        ...
