"""`byoc demo`: everything at once, from nothing to a verdict."""

import signal
import sys
import time

import click
from rich.console import Console

from byoc.demo.progress import ProgressView
from byoc.demo.result_tables import table_of, table_of_types
from byoc.settings import Settings
from byoc.system.child import ChildError
from byoc.system.http import post_json
from byoc.system.signals import interrupt
from byoc.system.system import System, SystemOptions, own_topics, running
from byoc.verification.final_verdict import final_verdict, scenario_is_over
from byoc.verification.trace import TRACE_FILE
from byoc.verification.verdict import Verdict
from schemas.process.text import one_line

LOOK_S = 1.0


@click.command()
@click.option("--events", type=click.IntRange(min=1), default=2000, show_default=True, help="About how many events.")
@click.option("--rate", type=click.FloatRange(min=0), default=250.0, show_default=True, help="Events per second.")
@click.option("--seed", type=int, default=7, show_default=True, help="The same seed plays the same conversations.")
@click.option("--partitions", type=click.IntRange(min=1), default=4, show_default=True)
@click.option("--routing-timeout-s", type=float, default=8.0, show_default=True, help="Salesforce's 60 s, shortened.")
@click.option("--work-calls/--no-work-calls", default=True, show_default=True, help="Play every call to Salesforce.")
@click.option("--keep", is_flag=True, help="Leave everything running for a look around; Ctrl-C ends it.")
def demo(
    events: int, rate: float, seed: int, partitions: int, routing_timeout_s: float, work_calls: bool, keep: bool
) -> None:
    """Play conversations through the whole system and count what arrived.

    Starts Kafka (or uses KAFKA_BOOTSTRAP_SERVERS), a simulated Salesforce, the connect worker, a streams worker and a
    small partner. Exits with 1 when anything was lost, duplicated, reordered or leaked.

    \b
    Example:
      byoc demo
      byoc demo --events 20000 --rate 2000 --seed 7
    """
    signal.signal(signal.SIGTERM, interrupt)
    settings, console = Settings(), Console(width=None if sys.stdout.isatty() else 110)
    options = SystemOptions(
        topics=own_topics(settings, "demo"),
        folder=settings.byoc_home / "demo",
        partitions=partitions,
        seed=seed,
        routing_timeout_s=routing_timeout_s,
        answer_by_s=routing_timeout_s * 5 / 8,
        work_calls=work_calls,
    )
    try:
        with running(options, settings) as system:
            verdict = _play(system, console, {"events": events, "rate": rate, "seed": seed})
            if keep:
                _keep(console)
    except KeyboardInterrupt:
        raise click.ClickException("interrupted; everything that was started has been stopped") from None
    click.echo(verdict.last_line())
    sys.exit(0 if verdict.is_clean() else 1)


def _play(system: System, console: Console, scenario: dict[str, float]) -> Verdict:
    for line in system.start():
        console.print(line, highlight=False, soft_wrap=True)
    _print_where_to_look(system, console)
    view = ProgressView(console, system)

    def look() -> None:
        view.look()
        _check_parts(system)

    with view.showing():
        post_json(f"{system.simulator_url}/v1/scenario", scenario)
        while not scenario_is_over(system.simulator_url):
            look()
            time.sleep(LOOK_S)
        verdict = final_verdict(
            system.simulator_url,
            system.bootstrap_servers,
            system.options.topics,
            system.partner_log,
            trace=system.options.folder / TRACE_FILE,
            each_look=look,
        )
    console.print(table_of_types(verdict.by_type))
    console.print(table_of(verdict))
    for finding in verdict.first_findings():
        console.print(one_line(finding), highlight=False, soft_wrap=True, markup=False)  # ids may look like markup
    return verdict


def _check_parts(system: System) -> None:
    for child in system.ended():
        raise ChildError(f"running {child.name}: it ended with {child.process.returncode}: {child.last_words()}")


def _print_where_to_look(system: System, console: Console) -> None:
    streams = next(iter(system.streams_urls.values()))
    for what, url in (
        ("connectors", f"{system.connect_url}/connectors?expand=status"),
        ("open routing", f"{streams}/v1/routing/requests?state=open"),
        ("a conversation", f"{streams}/v1/conversations/<id>"),
        ("metrics", f"{streams}/metrics"),
        ("logs", str(system.options.folder)),
    ):
        console.print(f"{what:14} {url}", highlight=False, soft_wrap=True)


def _keep(console: Console) -> None:
    console.print("everything keeps running; Ctrl-C ends it", highlight=False)
    try:
        signal.pause()
    except KeyboardInterrupt:
        console.print("stopping", highlight=False)
