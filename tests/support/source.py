"""A source task for tests: in this process, or in one of its own that can be killed; and what it has written."""

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from connectors.connector import WorkerConfig
from connectors.pubsub.runner.task import SourceTask
from connectors.pubsub.source import PubSubSource, transactional_id
from schemas.codec import decode
from schemas.records import OutboundEvent
from schemas.topics import Topics
from simulator.settings import DEFAULT_TOPIC
from tests.support.kafka import TestBroker
from tests.support.simulator import RunningSimulator

PATIENCE_S = 60.0
NAME = "salesforce"


def source_config(sim: RunningSimulator, **keys: str) -> dict[str, str]:
    """Configuration for a simulator; `keys` replace, with `_` for `.`: `replay_preset="latest"`."""
    return {
        "name": NAME,
        "connector.class": "connectors.pubsub.PubSubSource",
        "salesforce.pubsub.endpoint": sim.grpc_address,
        "salesforce.pubsub.tls": "false",
        "salesforce.login.url": sim.http_url,
        "salesforce.client.id": sim.client_id,
        "salesforce.client.secret": sim.client_secret,
        "salesforce.topics": sim.topic,
        "start.timeout.s": "30",
        **{key.replace("_", "."): value for key, value in keys.items()},
    }


def source_worker(bootstrap_servers: str, topics: Topics) -> WorkerConfig:
    """A worker for tasks that a test runs itself."""
    return WorkerConfig(
        bootstrap_servers=bootstrap_servers,
        group_id=f"{topics.prefix}-connect",
        topic_prefix=topics.prefix,
        offset_storage_topic=topics.connect_offsets,
    )


def source_task(bootstrap_servers: str, topics: Topics, sim: RunningSimulator, **keys: str) -> SourceTask:
    """The one task of a source connector."""
    (task,) = PubSubSource(NAME, source_config(sim, **keys)).tasks(source_worker(bootstrap_servers, topics))
    assert isinstance(task, SourceTask)
    return task


def source_transactional_id(topics: Topics, topic: str = DEFAULT_TOPIC) -> str:
    """The id of the producer that mirrors a topic."""
    return transactional_id(f"{topics.prefix}-connect", NAME, topic)


def mirrored(kafka: TestBroker, topics: Topics) -> list[OutboundEvent]:
    """Every committed event, in order per conversation."""
    return [decode(OutboundEvent, message.value or b"") for message in kafka.read_committed(topics.events)]


def mirrored_ids(kafka: TestBroker, topics: Topics) -> list[str]:
    """Event UUIDs of every committed event, by replay id."""
    return [event.event_uuid for event in sorted(mirrored(kafka, topics), key=lambda event: event.replay_id)]


def stored_positions(kafka: TestBroker, topics: Topics) -> list[dict[str, Any]]:
    """Every committed offset record's value, oldest first."""
    found = sorted(kafka.read_committed(topics.connect_offsets), key=lambda message: message.offset)
    return [json.loads(message.value or b"null") for message in found]


@dataclass
class ConnectProcess:
    """A `byoc connect` process. `stop` and `kill` end it; what it printed is kept."""

    process: Process
    rest_url: str = ""
    stdout: list[str] = field(default_factory=list)

    async def stop(self) -> int:
        """SIGTERM; the exit code."""
        self.process.terminate()
        return await asyncio.wait_for(self.process.wait(), PATIENCE_S)

    async def kill(self) -> None:
        """SIGKILL."""
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()


def write_properties(file: Path, properties: Mapping[str, str]) -> Path:
    """Write a .properties file."""
    file.write_text("".join(f"{key}={value}\n" for key, value in properties.items()), encoding="utf-8")
    return file


def worker_properties(bootstrap_servers: str, topics: Topics, **keys: str) -> dict[str, str]:
    """Worker properties for a broker; `keys` replace, with `_` for `.`."""
    return {
        "bootstrap.servers": bootstrap_servers,
        "group.id": f"{topics.prefix}-connect",
        "topic.prefix": topics.prefix,
        "rest.port": "0",
        **{key.replace("_", "."): value for key, value in keys.items()},
    }


async def start_connect(
    folder: Path, worker: Mapping[str, str], connector: Mapping[str, str], *options: str
) -> Process:
    """Start `byoc connect` with these configurations."""
    files = [
        write_properties(folder / "worker.properties", worker),
        write_properties(folder / "connector.properties", connector),
    ]
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "byoc", "connect", *map(str, files), *options, stdout=PIPE, stderr=PIPE
    )


@asynccontextmanager
async def connect_process(
    folder: Path, worker: Mapping[str, str], connector: Mapping[str, str]
) -> AsyncIterator[ConnectProcess]:
    """A running `byoc connect`, ready; killed at the end of the block when it still runs."""
    running = ConnectProcess(await start_connect(folder, worker, connector, "--exit-on-failure"))
    try:
        assert running.process.stdout is not None
        line = await asyncio.wait_for(running.process.stdout.readline(), PATIENCE_S)
        assert line.startswith(b"ready rest="), await running.process.communicate()
        running.rest_url = "http://" + line.decode().strip().removeprefix("ready rest=")
        yield running
    finally:
        await running.kill()
        await running.process.communicate()


async def failing_connect(folder: Path, worker: Mapping[str, str], connector: Mapping[str, str]) -> tuple[int, str]:
    """Exit code and stderr of a `byoc connect --exit-on-failure` that is expected to fail."""
    process = await start_connect(folder, worker, connector, "--exit-on-failure", "--log-level", "ERROR")
    try:
        _, stderr = await asyncio.wait_for(process.communicate(), PATIENCE_S)
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()
    assert process.returncode is not None
    return process.returncode, stderr.decode()
