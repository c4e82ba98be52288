"""`byoc streams`: run one worker of the processor."""

import socket
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click
import uvloop
from pydantic import ValidationError

from schemas.collector import spare_collector
from schemas.process.descriptors import TooFewDescriptors, raise_descriptor_limit
from schemas.process.log_lines import as_dictionary, configure
from streams.settings import ENVIRONMENT_ONLY, StreamsSettings
from streams.supervisor import EXIT_CRASHED, EXIT_NO_KAFKA, Supervisor

if TYPE_CHECKING:
    from streams.runtime.app import ExactlyOnceApp


# Measured with one broker: 28 of the process and 6 for the producer of each partition; a further broker costs a
# producer two more.
_OWN_DESCRIPTORS = 64
_PARTITION_DESCRIPTORS = 12


def _option_per_setting(command: Callable[..., None]) -> Callable[..., None]:
    for name, setting in reversed(StreamsSettings.model_fields.items()):
        if name in ENVIRONMENT_ONLY:
            continue
        words = {"is_flag": True, "default": None} if setting.annotation is bool else {"type": setting.annotation}
        option = f"--{name.replace('_', '-')}"
        if setting.annotation is bool and setting.default is True:
            option = f"{option}/--no-{option[2:]}"
        command = click.option(option, help=setting.description, **words)(command)
    return command


@click.command()
@_option_per_setting
@click.option("--log-level", default="WARNING", show_default=True, help="DEBUG, INFO, WARNING or ERROR.")
def streams(log_level: str, **options: Any) -> None:
    """Run one worker of the processor; start more to share the partitions.

    A parent process starts the worker again when it ends by itself: after 1 s, and up to 30 s when that repeats. With
    --no-supervisor the worker runs alone, for a system that restarts it by other means.

    \b
    Example: byoc streams --bootstrap-servers 127.0.0.1:9092 --web-port 6066
    """
    from streams.runtime.errors import BrokerUnreachable, TopicMismatch  # noqa: PLC0415  keeps --help fast
    from streams.runtime.kafka_client import check_topics  # noqa: PLC0415

    try:
        settings = StreamsSettings(**{name: value for name, value in options.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        raise click.ClickException(f"setting {first['loc'][0]}={first['input']!r}: {first['msg']}") from error
    try:
        configure(log_level)  # for what is said before Faust configures it in its own way, by the same lines
        raise_descriptor_limit(_descriptors(settings.partitions), "byoc streams")
    except (ValueError, TooFewDescriptors) as error:
        raise click.ClickException(str(error)) from None
    if settings.supervisor:
        Supervisor().run()  # returns in the worker's process only
    web_port = _free_port(settings.web_host, settings.web_port)
    from streams.app import create_app, needed_topics, written_topics  # noqa: PLC0415

    uvloop.install()  # before the app, which makes its loop when it is made; the fetching thread makes another
    try:
        written = written_topics(settings)
        check_topics(settings.bootstrap_servers, needed_topics(settings), settings.partitions, written=written)
        app = create_app(settings, web_port)
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    except (BrokerUnreachable, TopicMismatch) as error:
        refusal = click.ClickException(str(error))
        if settings.supervisor:
            refusal.exit_code = EXIT_NO_KAFKA
        raise refusal from error
    _print_progress(app, f"{settings.web_host}:{web_port}", settings.app_id)
    _run_worker(app, log_level)


def _descriptors(partitions: int) -> int:
    """About how many files and sockets a worker opens that owns all partitions, with three brokers."""
    return _OWN_DESCRIPTORS + partitions * _PARTITION_DESCRIPTORS


def _free_port(host: str, port: int) -> int:
    """The port to bind, checked now: Faust would log a traceback for a port in use."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise click.ClickException(
                f"binding the query API to {host}:{port}: {error.strerror}; choose another with --web-port"
            ) from error
        bound: int = probe.getsockname()[1]
        return bound


def _print_progress(app: "ExactlyOnceApp", address: str, app_id: str) -> None:
    """Have the worker print a line when it is ready, and one for each assignment."""
    is_ready = False

    @app.on_rebalance_complete.connect  # type: ignore[untyped-decorator]  # faust has no types
    async def print_ready(*_: object, **__: object) -> None:
        nonlocal is_ready
        if not is_ready:
            is_ready = True
            click.echo(f"ready http={address} app={app_id}")
            sys.stdout.flush()

    @app.on_partitions_assigned.connect  # type: ignore[untyped-decorator]
    async def print_assigned(*_: object, **__: object) -> None:
        numbers = ",".join(str(partition.number) for partition in app.partitions)
        click.echo(f"assigned generation={app.consumer_generation_id} partitions={numbers}")
        sys.stdout.flush()


def _run_worker(app: "ExactlyOnceApp", log_level: str) -> None:
    spare_collector()
    worker = app.Worker(
        loglevel=log_level,
        logging_config=as_dictionary(log_level),  # Faust's own lines are coloured, and break at a line feed in an id
        redirect_stdouts=False,
        console_port=None,
        blocking_timeout=None,
    )
    worker.spinner = None  # it sets the root logger to DEBUG: 18 % of the worker's time, and writes escape codes
    try:
        worker.execute_from_commandline()
    except SystemExit as end:
        if end.code:  # Faust's 1, which says the same as a setting that is refused
            raise SystemExit(EXIT_CRASHED) from end
        raise
