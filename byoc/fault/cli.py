"""`byoc fault`: seeded faults end to end."""

import contextlib
import signal
import sys
import threading
import time
from collections.abc import Iterator

import click

from byoc.errors import ByocError
from byoc.fault.injector import FaultInjector
from byoc.fault.schedule import plan
from byoc.settings import Settings
from byoc.system.http import get_json, post_json
from byoc.system.signals import interrupt
from byoc.system.system import System, SystemOptions, own_topics, running
from byoc.verification.final_verdict import final_verdict, scenario_is_over
from byoc.verification.trace import TRACE_FILE
from byoc.verification.verdict import Verdict
from schemas.process.text import one_line

PLAY_EVENTS = 1500  # a play is short, so that the last one ends soon after the last round
LOOK_S = 0.5


@click.command()
@click.option("--seed", type=int, default=1, show_default=True, help="Repeats the schedule and the conversations.")
@click.option(
    "--rounds", type=click.IntRange(min=0), default=20, show_default=True, help="Number of faults, one after another."
)
@click.option("--rate", type=click.FloatRange(min=1), default=250.0, show_default=True, help="Events per second.")
@click.option("--streams-workers", type=click.IntRange(min=1), default=2, show_default=True)
@click.option("--work-calls", is_flag=True, help="Make every call to Salesforce, as the demo does.")
def fault(seed: int, rounds: int, rate: float, streams_workers: int, work_calls: bool) -> None:
    """Kill (-9), freeze, replace and restart workers under load, then count what arrived.

    Exits with 1 when anything was lost, duplicated, reordered or leaked.

    \b
    Example:
      byoc fault --seed 1 --rounds 20
    """
    signal.signal(signal.SIGTERM, interrupt)
    settings = Settings()
    options = SystemOptions(
        topics=own_topics(settings, "fault"),
        folder=settings.byoc_home / "fault",
        seed=seed,
        streams_workers=streams_workers,
        work_calls=work_calls,
    )
    try:
        with running(options, settings) as system:
            injector = FaultInjector(system, click.echo)
            verdict = _run(system, injector, seed=seed, rounds=rounds, rate=rate)
            counts = f"kills={injector.kills} rebalances={injector.rebalances()}"
    except KeyboardInterrupt:
        raise click.ClickException("interrupted; everything that was started has been stopped") from None
    for finding in verdict.first_findings():
        click.echo(one_line(finding))
    if not verdict.is_clean():
        click.echo(f"the records of these conversations are in {options.folder / TRACE_FILE}")
    click.echo(f"{counts} {verdict.last_line()}")
    sys.exit(0 if verdict.is_clean() else 1)


def _run(system: System, injector: FaultInjector, *, seed: int, rounds: int, rate: float) -> Verdict:
    for line in system.start():
        click.echo(line)
    schedule = plan(seed, rounds, system.streams_names(), system.options.session_timeout_s)
    with _load(system, seed, rate):
        for number, planned in enumerate(schedule, 1):
            injector.restart_ended()
            injector.inject(number, planned)
    return final_verdict(
        system.simulator_url,
        system.bootstrap_servers,
        system.options.topics,
        system.partner_log,
        trace=system.options.folder / TRACE_FILE,
        each_look=injector.restart_ended,
    )


@contextlib.contextmanager
def _load(system: System, seed: int, rate: float) -> Iterator[None]:
    """Play one scenario after another while the block runs; when it ends, wait until the last one is over."""
    enough = threading.Event()
    failures: list[ByocError] = []

    def play() -> None:
        number = 0
        try:
            while not enough.is_set() or not scenario_is_over(system.simulator_url):
                if not enough.is_set() and scenario_is_over(system.simulator_url):
                    number += 1
                    options = {"events": PLAY_EVENTS, "rate": rate, "seed": seed * 1000 + number}
                    post_json(f"{system.simulator_url}/v1/scenario", options)
                time.sleep(LOOK_S)
        except ByocError as error:
            failures.append(error)

    player = threading.Thread(target=play, name="load")
    player.start()
    try:
        yield
    finally:
        enough.set()
        player.join()
    for failure in failures:
        raise failure
    click.echo(f"the load is over: {get_json(f'{system.simulator_url}/v1/stats')['published']} events published")
