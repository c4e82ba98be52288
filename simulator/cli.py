"""`byoc simulate`: a Salesforce org on this machine."""

import asyncio
import signal
from pathlib import Path

import click

from simulator.preload import preload
from simulator.scenario.options import ScenarioOptions
from simulator.server import Simulator
from simulator.settings import Settings
from simulator.wire.errors import PortInUseError

_EXAMPLE = """
Example: an org that plays 20,000 events at 500 per second and gives routing five seconds

    byoc simulate --events 20000 --rate 500 --routing-timeout-s 5 --start
"""


@click.command(epilog=_EXAMPLE, context_settings={"show_default": True, "max_content_width": 110})
@click.option("--host", default="127.0.0.1", help="Address to listen on.")
@click.option("--grpc-port", default=7443, type=click.IntRange(0, 65535), help="Pub/Sub API; 0 takes a free port.")
@click.option("--http-port", default=8044, type=click.IntRange(0, 65535), help="OAuth, Interaction Service, /v1.")
@click.option("--seed", default=1, help="Repeats ids, gaps, batch splits and the play.")
@click.option("--org-id", default="00DHs000000DemoMAC", help="18-character org id: the tenantid of the Pub/Sub API.")
@click.option("--client-id", default="byoc-streams", help="Consumer key of the connected app.")
@click.option(
    "--client-secret",
    default="byoc-simulator-secret",
    envvar="BYOC_SIMULATE_CLIENT_SECRET",
    help="Consumer secret, for the client credentials flow.",
)
@click.option("--username", default="integration@byoc.example", help="Of JWT bearer assertions and password logins.")
@click.option(
    "--password",
    default="byoc-simulator-password",
    envvar="BYOC_SIMULATE_PASSWORD",
    help="For the username-password flow and SOAP login().",
)
@click.option(
    "--security-token", default="", envvar="BYOC_SIMULATE_SECURITY_TOKEN", help="Must follow the password when given."
)
@click.option(
    "--public-key-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="PEM public key that verifies JWT bearer assertions; without it that flow is refused.",
)
@click.option("--topic", "topics", multiple=True, default=["/event/ByocOutbound__e"], help="Repeat for several.")
@click.option("--entity", "entities", multiple=True, help="Capture its changes, such as Account; repeat for several.")
@click.option("--routing-timeout-s", default=60.0, help="How long a routing request waits for routingResult.")
@click.option("--keepalive-s", default=120.0, help="Idle time before an empty FetchResponse.")
@click.option("--retention-h", default=72.0, help="How long events can be replayed.")
@click.option("--zero-credit-close-s", default=60.0, help="Time without credit before a stream is closed.")
@click.option("--zero-credit-close", default="unavailable", type=click.Choice(["unavailable", "ok", "reset"]))
@click.option("--latest-settle-s", default=0.0, help="What LATEST misses after it began (seen: about 3 s).")
@click.option("--session-timeout-s", default=7200.0, help="A token that nobody uses for so long expires.")
@click.option("--wire-faults", is_flag=True, help="Proxy that can break streams below gRPC; slower.")
@click.option(
    "--tls-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Serve TLS; the directory gets ca.pem, which clients must trust, and the server's certificate.",
)
@click.option("--events", default=1000, help="Scenario: about how many events.")
@click.option("--rate", default=100.0, help="Scenario: events per second; 0 for as fast as possible.")
@click.option("--conversations", default=40, help="Scenario: how many are open at the same time.")
@click.option("--start", is_flag=True, help="Play the scenario at once; else POST /v1/scenario starts one.")
@click.option("--preload", "preloaded", default=0, type=click.IntRange(min=0), help="Events in the log before serving.")
def simulate(
    *,
    public_key_file: Path | None,
    topics: tuple[str, ...],
    entities: tuple[str, ...],
    events: int,
    rate: float,
    conversations: int,
    start: bool,
    preloaded: int,
    **org_options: object,
) -> None:
    """Serve a simulated Salesforce org until SIGTERM or SIGINT.

    Pub/Sub API over gRPC; over HTTP the OAuth token endpoint, the Interaction Service API with the timer of routing
    requests, and the simulator's own calls under /v1, described by /openapi.json.
    Prints one line `ready grpc=HOST:PORT http=HOST:PORT`.
    """
    try:
        key = public_key_file.read_text() if public_key_file is not None else None
        settings = Settings(**org_options, topics=topics, entities=entities, public_key_pem=key)  # type: ignore[arg-type]  # click checked
        options = ScenarioOptions(events=events, rate=rate, conversations=conversations)
    except (ValueError, OSError) as error:
        raise click.ClickException(str(error)) from error
    try:
        asyncio.run(_serve(settings, options if start else None, preloaded))
    except PortInUseError as error:
        raise click.ClickException(f"{error}; choose another port, or 0 for a free one") from error
    except OSError as error:
        raise click.ClickException(f"serving with the certificates of {settings.tls_dir}: {error}") from error


async def _serve(settings: Settings, scenario: ScenarioOptions | None, preloaded: int) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signal_number, stopped.set)
    simulator = Simulator(settings)
    preload(simulator.org, preloaded)
    async with simulator:
        click.echo(f"ready grpc={simulator.grpc_address} http={simulator.http_address}")
        if scenario is not None:
            simulator.scenarios.start(scenario)
        await stopped.wait()
