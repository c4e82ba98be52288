"""`byoc streams`: run one worker of the processor."""

import logging
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from pydantic import ValidationError

from schemas.collector import spare_collector
from schemas.process.descriptors import TooFewDescriptors, raise_descriptor_limit
from schemas.process.log_lines import as_dictionary, configure
from streams.settings import ENVIRONMENT_ONLY, StreamsSettings
from streams.supervisor import (
    EXIT_CRASHED,
    EXIT_NO_KAFKA,
    EXIT_REFUSED,
    PARENT_PIPE,
    Supervisor,
    ending_with_parent,
)

if TYPE_CHECKING:
    from streams.runtime.app import ExactlyOnceApp


# Measured with one broker: 28 of the process and 6 for the producer of each partition; a further broker costs a
# producer two more.
_OWN_DESCRIPTORS = 64
_PARTITION_DESCRIPTORS = 12
_REFUSING = (PermissionError, FileExistsError, NotADirectoryError)  # how a system says that no folder can be made there

logger = logging.getLogger(__name__)


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
@click.option(PARENT_PIPE, type=click.IntRange(min=3), hidden=True)  # how the supervisor starts a worker
def streams(log_level: str, parent_pipe: int | None, **options: Any) -> None:
    """Run one worker of the processor; start more to share the partitions.

    A parent process starts the worker again when it ends by itself: after 1 s, and up to 30 s when that repeats. With
    --no-supervisor the worker runs alone, for a system that restarts it by other means.

    \b
    Example: byoc streams --bootstrap-servers 127.0.0.1:9092 --web-port 6066
    """
    given = {name: value for name, value in options.items() if value is not None}
    try:
        settings = StreamsSettings(**given)
    except ValidationError as error:
        first = error.errors()[0]
        raise click.ClickException(f"setting {first['loc'][0]}={first['input']!r}: {first['msg']}") from error
    if parent_pipe is not None:
        with ending_with_parent(parent_pipe):
            _work(settings, log_level, no_kafka=EXIT_NO_KAFKA)
    elif settings.supervisor:
        sys.exit(Supervisor(_worker_command(given, log_level)).run())
    else:
        _work(settings, log_level, no_kafka=EXIT_REFUSED)


def _worker_command(given: dict[str, Any], log_level: str) -> list[str]:
    """This command as a worker, with the options that were given; the environment says the rest to it, too."""
    options = [_as_option(name, value) for name, value in given.items() if name != "supervisor"]
    # A source tree runs where it lies. What is installed must not be shadowed by a folder `schemas` of whoever starts
    # it: -P keeps the working directory off the path, where -m puts it and the installed `byoc` does not.
    safe_path = [] if Path.cwd() == Path(__file__).parents[1] else ["-P"]
    return [sys.executable, *safe_path, "-m", "byoc", "streams", *options, f"--log-level={log_level}"]


def _as_option(name: str, value: object) -> str:
    words = name.replace("_", "-")
    if isinstance(value, bool):
        return f"--{words}" if value else f"--no-{words}"
    return f"--{words}={value}"


def _work(settings: StreamsSettings, log_level: str, *, no_kafka: int) -> None:
    """Be a worker until it is stopped. What is refused becomes one line; `no_kafka` is the exit code without Kafka."""
    try:
        configure(log_level)  # for what is said before Faust configures it in its own way, by the same lines
        raise_descriptor_limit(_descriptors(settings.partitions), "byoc streams")
    except (ValueError, TooFewDescriptors) as error:
        raise click.ClickException(str(error)) from None
    web_port = _free_port(settings.web_host, settings.web_port)
    try:
        app = _checked_app(settings, web_port, no_kafka)
    except click.ClickException:
        raise
    except Exception as error:
        logger.exception("the worker did not start")
        raise SystemExit(EXIT_CRASHED) from error
    _print_progress(app, f"{settings.web_host}:{web_port}", settings.app_id)
    _run_worker(app, log_level)


def _checked_app(settings: StreamsSettings, web_port: int, no_kafka: int) -> "ExactlyOnceApp":
    """The worker's app, once Kafka has answered and its topics are right."""
    import uvloop  # noqa: PLC0415  keeps --help fast, and the parent small

    from streams.app import create_app, needed_topics, written_topics  # noqa: PLC0415
    from streams.runtime.errors import BrokerUnreachable, TopicMismatch  # noqa: PLC0415
    from streams.runtime.kafka_client import check_topics  # noqa: PLC0415

    try:
        written = written_topics(settings)
        check_topics(settings.bootstrap_servers, needed_topics(settings), settings.partitions, written=written)
        uvloop.install()  # before the app, which makes its loop when it is made; the fetching thread makes another
        return create_app(settings, web_port)
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    except _REFUSING as error:
        raise click.ClickException(
            f"writing to {error.filename}: {error.strerror}; choose another with --data-dir"
        ) from error
    except (BrokerUnreachable, TopicMismatch) as error:
        refusal = click.ClickException(str(error))
        refusal.exit_code = no_kafka
        raise refusal from error


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
