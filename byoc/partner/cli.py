"""`byoc partner channel|router|command`."""

import asyncio
import signal
import uuid
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import click
import msgspec
import uvloop
from standardwebhooks import Webhook

from byoc.errors import ByocError
from byoc.kafka.write import produce
from byoc.partner.channel import Channel
from byoc.partner.received import ReceivedLog
from byoc.partner.router import RouterRules, router_task
from byoc.partner.router_plan import Shares
from byoc.partner.serving import serving
from byoc.settings import Settings
from connectors import clock
from connectors.connector import Task
from connectors.errors import ConnectorError
from connectors.sinks.webhook.signing import signer_of
from schemas.codec import encode
from schemas.process.text import one_line
from schemas.records import CommandKind, PartnerCommand
from schemas.topics import DEFAULT_PREFIX, Topics


@click.group()
def partner() -> None:
    """Run a small partner: a channel that receives deliveries, a router that answers requests; give commands.

    \b
    Example:
      byoc partner channel --port 8055 --log partner.jsonl --secret-file whsec.txt
      byoc partner router --seed 7
      byoc partner command end_session --conversation c0ffee00-0000-4000-8000-0000000000a1
    """


@partner.command()
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=click.IntRange(0, 65535), default=8055, show_default=True, help="0 takes a free one.")
@click.option(
    "--log",
    "log_file",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="File that gets one JSON line per accepted request; repeats are recognised by what it holds.",
)
@click.option(
    "--secret-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="File with the sink's webhook.secret, whsec_…; or set WEBHOOK_SECRET.",
)
@click.option(
    "--secret", envvar="WEBHOOK_SECRET", help="The secret itself; everybody on this machine can read it as an option."
)
def channel(host: str, port: int, log_file: Path, secret_file: Path | None, secret: str | None) -> None:
    """Receive deliveries over HTTP: checks signatures, drops repeats, makes faults on demand.

    \b
    Example:
      byoc partner channel --port 0 --log partner.jsonl --secret-file whsec.txt
      curl -X POST http://127.0.0.1:8055/v1/faults -d '{"share": 0.2, "seed": 7, "retry_after_s": 1}'
    """
    if secret_file is not None:
        secret = _content(secret_file)
    if secret is None:
        raise click.UsageError("no secret; set WEBHOOK_SECRET, or name its file with --secret-file")
    _run(_channel(host, port, _log(log_file), _webhook(secret)))


@partner.command()
@click.option("--bootstrap-servers", help="Address of Kafka.  [default: KAFKA_BOOTSTRAP_SERVERS or 127.0.0.1:9092]")
@click.option("--prefix", default=DEFAULT_PREFIX, show_default=True, help="Beginning of the topic names.")
@click.option("--seed", type=int, default=7, show_default=True, help="The same seed gives the same answers.")
@click.option("--accept", type=click.FloatRange(0, 1), default=0.70, show_default=True, help="Share accepted.")
@click.option("--refuse", type=click.FloatRange(0, 1), default=0.15, show_default=True, help="Share refused.")
@click.option("--delay-ms", type=click.IntRange(min=0), default=200, show_default=True, help="Longest time to think.")
def router(bootstrap_servers: str | None, prefix: str, seed: int, accept: float, refuse: float, delay_ms: int) -> None:
    """Answer routing requests on the decisions topic: accepts, refuses, or says nothing.

    \b
    Example:
      byoc partner router --bootstrap-servers 127.0.0.1:9092 --seed 7 --accept 0.7 --refuse 0.15
    """
    try:
        topics = Topics(prefix=prefix)
        rules = RouterRules(seed=seed, shares=Shares(accept=accept, refuse=refuse), longest_delay_ms=delay_ms)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    task = router_task(bootstrap_servers or Settings().bootstrap_servers, topics, rules, clock.now_ms)
    _run(_router(task, topics))


@partner.command()
@click.argument("word", type=click.Choice([kind.value for kind in CommandKind]))
@click.option("--conversation", "conversation_id", required=True, help="Id of the conversation.")
@click.option("--user-id", help="Salesforce user to remove.")
@click.option("--on-behalf-of", type=click.Choice(["EndUser", "System"]), help="Who ends the session.")
@click.option("--command-id", help="The same id is followed once.  [default: a new one]")
@click.option("--bootstrap-servers", help="Address of Kafka.  [default: KAFKA_BOOTSTRAP_SERVERS or 127.0.0.1:9092]")
@click.option("--prefix", default=DEFAULT_PREFIX, show_default=True, help="Beginning of the topic names.")
def command(
    word: str,
    conversation_id: str,
    user_id: str | None,
    on_behalf_of: str | None,
    command_id: str | None,
    bootstrap_servers: str | None,
    prefix: str,
) -> None:
    """End a session, set it inactive, or remove a rep: writes one command, which is worth a minute.

    Followed by processors that run with --partner-commands.

    \b
    Example:
      byoc partner command end_session --conversation c0ffee00-0000-4000-8000-0000000000a1 --on-behalf-of EndUser
    """
    found = PartnerCommand(
        command_id=command_id or str(uuid.uuid4()),
        conversation_id=conversation_id,
        command=word,
        user_id=user_id,
        on_behalf_of=on_behalf_of,
        commanded_at_ms=clock.now_ms(),
    )
    servers = bootstrap_servers or Settings().bootstrap_servers
    produce(servers, Topics(prefix=prefix).commands, [(conversation_id.encode(), encode(found))])
    click.echo(f"command_id={one_line(found.command_id)}")


async def _channel(host: str, port: int, log: ReceivedLog, secret: Webhook) -> None:
    try:
        async with serving(Channel(log, secret, clock.now_ms).application(), host, port) as bound:
            click.echo(f"ready http={host}:{bound}")
            await _stop_signal().wait()
    finally:
        log.close()


async def _router(task: Task, topics: Topics) -> None:
    stop = _stop_signal()
    run = asyncio.create_task(
        task.run(lambda: click.echo(f"ready requests={topics.routing_requests} decisions={topics.routing_decisions}"))
    )
    stopped = asyncio.create_task(stop.wait())
    await asyncio.wait({run, stopped}, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    await task.stop()
    try:
        await run
    except ConnectorError as error:
        raise ByocError(str(error)) from None


def _stop_signal() -> asyncio.Event:
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    return stop


def _run(main: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main)


def _content(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        raise ByocError(f"reading --secret-file {file}: {error}; name a file with the secret alone") from None


def _webhook(secret: str) -> Webhook:
    try:
        return signer_of(secret)
    except ValueError as error:
        raise ByocError(f"reading the secret: {error}; give the webhook.secret of the sink") from None


def _log(path: Path) -> ReceivedLog:
    try:
        return ReceivedLog(path)
    except (OSError, msgspec.DecodeError) as error:
        raise ByocError(f"opening --log {path}: {error}; name a new file or one that the channel has written") from None
