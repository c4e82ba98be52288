"""A standalone worker: connectors from files, each task in its own asyncio task, states as Kafka Connect names them.

A failed task does not end the worker or the other tasks; its message stays readable as `trace`.
"""

import asyncio
import logging
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from connectors.config.providers import ConfigProviders, Redaction
from connectors.connector import Connector, ConnectorType, Task, WorkerConfig
from connectors.errors import ConfigError, TaskFailed
from connectors.runtime.registry import connector_class
from schemas.process.descriptors import ran_out

log = logging.getLogger(__name__)

STOP_TIMEOUT_S = 25.0

# Measured with one broker: 23 files and sockets of a worker with a source, 13 more for each sink. Each further broker
# costs two for each client of a task.
_OWN_DESCRIPTORS = 64
_TASK_DESCRIPTORS = 48
_MAX_INFLIGHT = "max.inflight"


class RunState(StrEnum):
    """The state of a connector or task: those of Kafka Connect's states that a standalone worker comes to."""

    UNASSIGNED = "UNASSIGNED"
    RUNNING = "RUNNING"
    FAILED = "FAILED"


@dataclass(slots=True)
class TaskHandle:
    """One task and its state. `ready` is set when it serves, `ended` when it does nothing more."""

    id: int
    task: Task
    state: RunState = RunState.RUNNING
    trace: str | None = None
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    running: "asyncio.Task[None] | None" = None


@dataclass(slots=True)
class ConnectorHandle:
    """One connector and its tasks.

    `config` is what the user gave as others may see it: with `name` added, references as written, secrets hidden.
    """

    name: str
    config: Mapping[str, str]
    type: ConnectorType
    connector: Connector
    max_inflight: int = 0  # requests at the same time, of a connector that makes any
    state: RunState = RunState.RUNNING
    tasks: list[TaskHandle] = field(default_factory=list)


class Worker:
    """Runs connectors. Belongs to one event loop."""

    def __init__(
        self, config: WorkerConfig, providers: ConfigProviders | None = None, redaction: Redaction | None = None
    ) -> None:
        """`providers` look up the references in connectors' configurations; `redaction` keeps those values secret."""
        self.config = config
        self._providers = providers or ConfigProviders()
        self._redaction = redaction or Redaction()
        self._connectors: dict[str, ConnectorHandle] = {}
        self._task_failed = asyncio.Event()

    def add(self, name: str, config: Mapping[str, str]) -> ConnectorHandle:
        """Create a connector and its tasks; nothing runs before `start`.

        Raises `ConfigError` for wrong or missing keys, for a class that does not exist and for a name that is taken.
        """
        if name in self._connectors:
            raise ConfigError(f"Connector {name} already exists")
        if not config.get("connector.class"):
            raise ConfigError(f'connector {name}: Missing required configuration "connector.class"')
        made = connector_class(config["connector.class"])
        resolved = self._providers.resolved(config, f"connector {name}")
        self._redaction.learn(resolved, made.definition)
        try:
            connector = made(name, resolved)
            tasks = connector.tasks(self.config)
        except ConfigError as error:
            raise self._redaction.error(error) from None
        shown = {**made.definition.shown(config), "name": name}
        handle = ConnectorHandle(name=name, config=shown, type=made.type, connector=connector)
        if _MAX_INFLIGHT in made.definition.keys:
            handle.max_inflight = made.definition.parse(resolved, f"connector {name}").integer(_MAX_INFLIGHT)
        handle.tasks = [TaskHandle(task_id, task) for task_id, task in enumerate(tasks)]
        for key in made.definition.unknown(config):
            log.warning("configuration key is unknown", extra={"connector": name, "key": key})
        self._connectors[name] = handle
        return handle

    def descriptors(self) -> int:
        """About how many files and sockets the worker opens: its own, those of each task, and its requests."""
        return _OWN_DESCRIPTORS + sum(
            len(handle.tasks) * (_TASK_DESCRIPTORS + handle.max_inflight) for handle in self._connectors.values()
        )

    def start(self) -> None:
        """Run all tasks."""
        for handle in self._connectors.values():
            for task in handle.tasks:
                task.running = asyncio.create_task(self._run(handle, task), name=f"{handle.name}-{task.id}")

    async def stop(self) -> None:
        """Ask all tasks to finish; cancel those that need more than 25 s."""
        tasks = self._tasks()
        await asyncio.gather(*(task.task.stop() for task in tasks), return_exceptions=True)
        running = [task.running for task in tasks if task.running is not None]
        if not running:
            return
        _, late = await asyncio.wait(running, timeout=STOP_TIMEOUT_S)
        for unfinished in late:
            log.warning("task did not stop in time", extra={"task": unfinished.get_name()})
            unfinished.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    async def settled(self) -> None:
        """Wait until every task serves or has ended."""
        for task in self._tasks():
            waits = [asyncio.create_task(task.ready.wait()), asyncio.create_task(task.ended.wait())]
            try:
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for wait in waits:
                    wait.cancel()

    async def failure(self) -> str:
        """Wait until a task fails; return a sentence that says which and why."""
        await self._task_failed.wait()
        return next(
            f"task {handle.name}-{task.id} failed: {task.trace}"
            for handle in self._connectors.values()
            for task in handle.tasks
            if task.state is RunState.FAILED
        )

    def redacted(self, text: str) -> str:
        """The text without what the connectors' configurations keep secret."""
        return self._redaction(text)

    @property
    def connectors(self) -> Mapping[str, ConnectorHandle]:
        """By name, in the order they were added."""
        return self._connectors

    def _tasks(self) -> list[TaskHandle]:
        return [task for handle in self._connectors.values() for task in handle.tasks]

    async def _run(self, connector: ConnectorHandle, task: TaskHandle) -> None:
        facts = {"connector": connector.name, "task": task.id}
        try:
            await task.task.run(task.ready.set)
            task.state = RunState.UNASSIGNED
        except TaskFailed as error:
            self._fail(task, str(error))
            log.error("task failed", extra={**facts, "reason": str(error)})  # noqa: TRY400 - the message is complete
        except Exception as error:  # a defect of ours: the trace is what a report needs
            self._fail(task, ran_out(error) or "".join(traceback.format_exception(error)))
            log.exception("task failed unexpectedly", extra=facts)
        finally:
            task.ended.set()

    def _fail(self, task: TaskHandle, trace: str) -> None:
        task.state, task.trace = RunState.FAILED, self._redaction(trace)
        self._task_failed.set()
