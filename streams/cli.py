"""`byoc streams`: run one worker of the processor."""

import gc
import socket
import sys
from typing import Any

import click
import uvloop
from pydantic import ValidationError

from streams.settings import StreamsSettings


@click.command()
@click.option("--bootstrap-servers", help="Kafka address, host:port[,host:port…].")
@click.option("--prefix", help="First part of every topic name.")
@click.option("--app-id", help="Consumer group; state belongs to it.")
@click.option("--partitions", type=int, help="Partitions of every co-partitioned topic.")
@click.option("--web-host", help="Address of the query API.")
@click.option("--web-port", type=int, help="Port of the query API; 0 takes a free one.")
@click.option("--data-dir", help="Faust's working folder.")
@click.option("--session-timeout-s", type=float, help="A worker silent for so long loses its partitions.")
@click.option("--routing-timeout-s", type=float, help="What Salesforce gives a routing request.")
@click.option("--answer-by-s", type=float, help="Own answer to a routing request, at the latest.")
@click.option(
    "--acknowledged-channels", help="Channel addresses acknowledged to Salesforce, comma-separated; * for all."
)
@click.option("--work-calls", is_flag=True, default=None, help="Make route and agentWork calls of accepted requests.")
@click.option("--remove-rerouted", is_flag=True, default=None, help="Remove reps who declined once another joined.")
@click.option("--partner-commands", is_flag=True, default=None, help="Take the partner's commands for sessions.")
@click.option("--log-level", default="WARNING", show_default=True, help="DEBUG, INFO, WARNING or ERROR.")
def streams(log_level: str, **options: Any) -> None:
    """Run one worker of the processor; start more to share the partitions.

    Example: byoc streams --bootstrap-servers 127.0.0.1:9092 --web-port 6066
    """
    from streams.runtime.errors import BrokerUnreachable, TopicMismatch  # noqa: PLC0415  keeps --help fast
    from streams.runtime.kafka_client import check_topics  # noqa: PLC0415

    try:
        settings = StreamsSettings(**{name: value for name, value in options.items() if value is not None})
    except ValidationError as error:
        first = error.errors()[0]
        raise click.ClickException(f"setting {first['loc'][0]}={first['input']!r}: {first['msg']}") from error
    settings = settings.model_copy(update={"web_port": _free_port(settings.web_host, settings.web_port)})
    from streams.app import create_app, needed_topics  # noqa: PLC0415

    uvloop.install()  # before the app, which makes its loop when it is made; the fetching thread makes another
    try:
        check_topics(settings.bootstrap_servers, needed_topics(settings), settings.partitions)
        app = create_app(settings)
    except (BrokerUnreachable, TopicMismatch, ValueError) as error:
        raise click.ClickException(str(error)) from error
    _run(app, settings, log_level)


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


def _run(app: Any, settings: StreamsSettings, log_level: str) -> None:
    announced = False

    @app.on_rebalance_complete.connect  # type: ignore[untyped-decorator]  # faust has no types
    async def announce(*_: Any, **__: Any) -> None:
        nonlocal announced
        if not announced:
            announced = True
            click.echo(f"ready http={settings.web_host}:{settings.web_port} app={settings.app_id}")
            sys.stdout.flush()

    @app.on_partitions_assigned.connect  # type: ignore[untyped-decorator]
    async def tell(*_: Any, **__: Any) -> None:
        numbers = ",".join(str(partition.number) for partition in app.partitions)
        click.echo(f"assigned generation={app.consumer_generation_id} partitions={numbers}")
        sys.stdout.flush()

    # Batches leave no cycles, but the records that wait for their agent are thousands of tracked objects, and the
    # default looks at all of them again and again: a tenth of the worker's time.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    worker = app.Worker(loglevel=log_level, redirect_stdouts=False, console_port=None, blocking_timeout=None)
    worker.spinner = None  # it sets the root logger to DEBUG: 18 % of the worker's time, and writes escape codes
    worker.execute_from_commandline()
