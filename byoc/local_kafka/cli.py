"""`byoc kafka up|down|status`."""

import shutil
import signal
import threading
from pathlib import Path

import click

from byoc.errors import BrokerError, LocalKafkaError
from byoc.kafka.admin import answers
from byoc.local_kafka import detached_node
from byoc.local_kafka.local import LocalKafka
from byoc.local_kafka.properties import Memory
from byoc.settings import Settings

DIRECTORY = click.option(
    "--dir",
    "directory",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of data, log and settings.  [default: .byoc/kafka/node]",
)


@click.group()
def kafka() -> None:
    """Run one node of real Apache Kafka on this machine, without Docker.

    Needs Java 17 or later; Maven fetches the jars once (54 MB). With KAFKA_BOOTSTRAP_SERVERS set, that cluster is
    used and nothing is started.

    \b
    Example:
      byoc kafka up
      byoc kafka status
      byoc kafka down --delete
    """


@kafka.command()
@click.option("--port", type=click.IntRange(0, 65535), default=9092, show_default=True, help="0 takes a free one.")
@DIRECTORY
@click.option(
    "--memory",
    type=click.Choice([memory.value for memory in Memory]),
    default=Memory.SMALL.value,
    show_default=True,
    help="small: 384 MB heap, ready in 2 s. bench: 1 GB heap and full JIT, for measuring.",
)
@click.option("--foreground", is_flag=True, help="Stay, and stop Kafka on Ctrl-C, SIGTERM or when killed.")
def up(port: int, directory: Path | None, memory: str, foreground: bool) -> None:
    """Start Kafka and return when it answers.

    \b
    Example:
      byoc kafka up --port 9092
      byoc kafka up --port 0 --foreground
    """
    settings = Settings()
    if settings.kafka_bootstrap_servers is not None:
        _use_existing(settings.kafka_bootstrap_servers)
        return
    folder = (directory or settings.kafka_data).resolve()
    running = detached_node.find(folder)
    if running is not None:
        if port not in (0, running.port):
            raise LocalKafkaError(
                f"starting the local Kafka on port {port}: {folder} runs on port {running.port} already; "
                f"stop it with `byoc kafka down`, or give another --dir"
            )
        click.echo(f"ready kafka={running.bootstrap_servers} pid={running.pid} dir={folder} (was running)")
        return
    local = LocalKafka(port=port, directory=folder, memory=Memory(memory), detached=not foreground, settings=settings)
    if foreground:
        _stay(local)
        return
    local.start()
    detached_node.DetachedNode.of(local).note_down()
    click.echo(_ready_line(local))


@kafka.command()
@DIRECTORY
@click.option("--delete", is_flag=True, help="Delete the data, too.")
def down(directory: Path | None, delete: bool) -> None:
    """Stop the Kafka of `byoc kafka up`.

    \b
    Example:
      byoc kafka down
      byoc kafka down --delete
    """
    folder = (directory or Settings().kafka_data).resolve()
    running = detached_node.find(folder)
    if running is not None:
        detached_node.end(running)
        click.echo(f"stopped kafka={running.bootstrap_servers}")
    else:
        click.echo(f"no Kafka runs on {folder}")
    if delete and folder.exists():
        if not (folder / "server.properties").exists():
            raise LocalKafkaError(f"deleting {folder}: it is no folder of a local Kafka; delete it by hand")
        shutil.rmtree(folder)


@kafka.command()
@DIRECTORY
def status(directory: Path | None) -> None:
    """Say whether Kafka runs and answers; exit with 1 when not.

    \b
    Example:
      byoc kafka status
    """
    settings = Settings()
    if settings.kafka_bootstrap_servers is not None:
        _use_existing(settings.kafka_bootstrap_servers)
        return
    folder = (directory or settings.kafka_data).resolve()
    running = detached_node.find(folder)
    if running is None:
        raise LocalKafkaError(f"no Kafka runs on {folder}; start it with `byoc kafka up`")
    if not answers(running.bootstrap_servers, timeout_s=5):
        raise BrokerError(
            f"Kafka runs (pid {running.pid}) but does not answer on {running.bootstrap_servers}; "
            f"look at {folder / 'kafka.log'}"
        )
    click.echo(f"ready kafka={running.bootstrap_servers} pid={running.pid} dir={folder}")


def _use_existing(bootstrap_servers: str) -> None:
    if not answers(bootstrap_servers, timeout_s=10):
        raise BrokerError(
            f"Kafka at KAFKA_BOOTSTRAP_SERVERS={bootstrap_servers} does not answer; check the address, "
            f"or unset the variable to use a local Kafka"
        )
    click.echo(f"ready kafka={bootstrap_servers} (KAFKA_BOOTSTRAP_SERVERS)")


def _ready_line(local: LocalKafka) -> str:
    return f"ready kafka={local.bootstrap_servers} pid={local.pid} dir={local.directory}"


def _stay(local: LocalKafka) -> None:
    asked_to_stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: asked_to_stop.set())
    with local:
        click.echo(_ready_line(local))
        while not asked_to_stop.wait(0.5):
            if local.pid is None:
                raise LocalKafkaError(f"the local Kafka ended by itself; look at {local.log_file}")
