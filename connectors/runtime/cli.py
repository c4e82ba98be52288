"""`byoc connect`: a standalone worker, as connect-standalone is one."""

import asyncio
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import click

from connectors.config.properties import parse_connector, parse_properties
from connectors.config.providers import Redaction, providers_of
from connectors.connector import WorkerConfig
from connectors.errors import ConnectorError
from connectors.kafka.admin import cluster_id, ensure_compacted
from connectors.runtime.rest import RestServer
from connectors.runtime.worker import Worker
from connectors.runtime.worker_config import DEFINITION, WorkerSettings, worker_settings
from schemas.collector import spare_collector
from schemas.process.descriptors import TooFewDescriptors, raise_descriptor_limit, ran_out
from schemas.process.log_lines import configure

_KAFKA_TIMEOUT_S = 10.0


class StartError(Exception):
    """The worker could not start, or had to end. The message is for the person who started it."""


@click.command()
@click.argument(
    "worker_file", metavar="WORKER.properties", type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.argument(
    "connector_files",
    metavar="CONNECTOR...",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
)
@click.option("--exit-on-failure", is_flag=True, help="End with exit code 1 as soon as a task has failed.")
@click.option(
    "--log-level",
    type=click.Choice(["DEBUG", "INFO", "WARNING", "ERROR"], case_sensitive=False),
    default="WARNING",
    show_default=True,
)
def connect(worker_file: Path, connector_files: tuple[Path, ...], exit_on_failure: bool, log_level: str) -> None:
    """Run connectors from files: Pub/Sub API to Kafka, Kafka to the partner.

    Connector files are .properties or JSON, {"name": …, "config": {…}}. The REST API of Kafka Connect answers on port
    8083; `rest.port` or `listeners` change it. Prints a line that starts with "ready" when all tasks serve.

    \b
    Example:
      byoc connect worker.properties salesforce.properties webhook.json
      curl localhost:8083/connectors/salesforce/status
    """
    redaction = Redaction()
    configure(log_level, redaction)
    # gRPC's only knob for its own stderr lines; its errors reach us through the calls
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # noqa: TID251 - a default for a library, not a setting of ours
    try:
        properties = parse_properties(worker_file.read_text(encoding="utf-8"))
        providers = providers_of(properties, dict(os.environ))  # noqa: TID251 - read once, here
        properties = providers.resolved(properties, "the worker")
        redaction.learn(properties, DEFINITION)
        settings = worker_settings(properties)
        worker = Worker(settings.shared, providers, redaction)
        connectors = [parse_connector(file.read_text(encoding="utf-8"), file.name) for file in connector_files]
        spare_collector()
        asyncio.run(serve(worker, settings, connectors, exit_on_failure=exit_on_failure))
    except (ConnectorError, StartError, TooFewDescriptors) as error:
        raise click.ClickException(redaction(str(error))) from None
    except OSError as error:
        told = ran_out(error)
        if told is None:
            raise
        raise click.ClickException(f"running byoc connect: {told}") from None


async def serve(
    worker: Worker,
    settings: WorkerSettings,
    connectors: Sequence[tuple[str, Mapping[str, str]]],
    *,
    exit_on_failure: bool,
) -> None:
    """Run a worker until SIGTERM or SIGINT.

    Raises `ConfigError` for wrong keys, `StartError` when the REST address is in use or (with `exit_on_failure`) a
    task has failed, `TooFewDescriptors`, and `ConnectorError` when Kafka does not answer.
    """
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    for name, config in connectors:
        worker.add(name, config)
    raise_descriptor_limit(worker.descriptors(), "byoc connect")
    cluster = await asyncio.to_thread(_prepare_kafka, settings.shared)
    started = asyncio.Event()
    rest = RestServer(
        worker,
        host=settings.rest_host,
        port=settings.rest_port,
        kafka_cluster_id=cluster,
        has_started=started.is_set,
        allowed_hosts=settings.rest_allowed_hosts,
    )
    try:
        host, port = await rest.start()
    except OSError as error:
        raise StartError(
            f"binding the REST API to {settings.rest_host}:{settings.rest_port}: {error.strerror}; set rest.port to a"
            " free port, or 0 for any"
        ) from error

    def report_start() -> None:
        started.set()
        click.echo(f"ready rest={host}:{port}")

    try:
        await _serve(worker, stop, report_start, exit_on_failure=exit_on_failure)
    finally:
        await worker.stop()
        await rest.stop()


def _prepare_kafka(config: WorkerConfig) -> str:
    """See that Kafka answers and that positions can be kept there; return the cluster's id."""
    servers, client = config.bootstrap_servers, config.client
    cluster = cluster_id(bootstrap_servers=servers, client=client, timeout_s=_KAFKA_TIMEOUT_S)
    ensure_compacted(config.offset_storage_topic, bootstrap_servers=servers, client=client, timeout_s=_KAFKA_TIMEOUT_S)
    return cluster


async def _serve(
    worker: Worker, stop: asyncio.Event, report_start: Callable[[], None], *, exit_on_failure: bool
) -> None:
    """Run the tasks until `stop` is set or, with `exit_on_failure`, one has failed."""
    worker.start()
    stopped = asyncio.create_task(stop.wait())
    failed = asyncio.create_task(worker.failure())
    settled = asyncio.create_task(worker.settled())
    ends = {stopped, failed} if exit_on_failure else {stopped}
    try:
        await asyncio.wait({settled, *ends}, return_when=asyncio.FIRST_COMPLETED)
        if settled.done() and not (exit_on_failure and failed.done()):
            report_start()
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        if exit_on_failure and failed.done():
            raise StartError(failed.result())
    finally:
        for task in (stopped, failed, settled):
            task.cancel()
