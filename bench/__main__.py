"""`python -m bench`: run the benchmarks, print a table, write `bench/results/latest.json`."""

import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import click
from rich.console import Console

from bench import pinning
from bench.conversations import measure_conversations
from bench.latency import measure_latency
from bench.machine import loop_ns
from bench.processor import measure_processor
from bench.recovery import measure_recovery
from bench.results import RESULTS_FILE, Result, save, show
from bench.setting import Bench
from bench.source import measure_catch_up, measure_source
from byoc.errors import ByocError
from byoc.local_kafka.local import LocalKafka
from byoc.local_kafka.properties import Memory

Measurement = Callable[[Bench], list[Result]]

MEASUREMENTS: dict[str, Measurement] = {
    "source": measure_source,  # source.events_per_s
    "catch-up": measure_catch_up,  # source.catch_up_events_per_s, source.bare_subscriber_events_per_s
    "processor": measure_processor,  # processor.events_per_s, .stock_faust_events_per_s, .stock_faust_ratio
    "conversations": measure_conversations,  # processor.cost_ratio_long_conversation, .bytes_per_conversation
    "recovery": measure_recovery,  # recovery.records_per_s
    "e2e": measure_latency,  # e2e.p50_ms, e2e.p99_ms
}


@click.command(context_settings={"show_default": True})
@click.option("--only", multiple=True, type=click.Choice(list(MEASUREMENTS)), help="Repeat for several; else all.")
@click.option("--events", type=click.IntRange(min=1000), help="Events per run, instead of each measurement's own.")
@click.option("--runs", default=3, type=click.IntRange(min=1), help="Repetitions; the value is their median.")
@click.option("--profile", is_flag=True, help="Run measured processes under cProfile; halves the rates.")
@click.option("--directory", type=click.Path(file_okay=False, path_type=Path), help="Keep logs and profiles here.")
def main(only: tuple[str, ...], events: int | None, runs: int, profile: bool, directory: Path | None) -> None:
    """Measure each part on one core of its own, with the broker on another.

    \b
    Example:
      python -m bench --only processor --runs 5
    """
    console = Console(width=None if sys.stdout.isatty() else 140)
    results: list[Result] = []
    with tempfile.TemporaryDirectory(prefix="byoc-bench-") as temporary:
        logs = directory or (RESULTS_FILE.parent / "profiles" if profile else Path(temporary))
        logs.mkdir(parents=True, exist_ok=True)
        try:
            results.extend(_measure(only or tuple(MEASUREMENTS), events, runs, profile, logs))
        except ByocError as error:
            raise click.ClickException(str(error)) from error
        finally:  # what was measured before a failure counts
            _tell(results, console, logs if profile else None)


def _tell(results: list[Result], console: Console, profiles: Path | None) -> None:
    if results:
        show(results, console)
    if profiles is not None:
        console.print(f"profiles are in {profiles}; rates under a profiler are not written to {RESULTS_FILE.name}")
    elif results:
        save(results)


def _measure(names: tuple[str, ...], events: int | None, runs: int, profile: bool, logs: Path) -> Iterator[Result]:
    cores = pinning.claim()  # before the broker starts: it inherits the core
    with LocalKafka(memory=Memory.BENCH) as kafka:
        bench = Bench(
            bootstrap_servers=kafka.bootstrap_servers,
            cores=cores,
            directory=logs,
            runs=runs,
            events=events,
            profile=profile,
        )
        loops = [loop_ns(cores)]
        for name in names:
            click.echo(f"measuring {name} …", err=True)
            yield from MEASUREMENTS[name](bench)
            loops.append(loop_ns(cores))
    yield Result(name="machine.loop_ns", unit="ns", runs=tuple(loops), notes="an empty loop, to compare machines")


if __name__ == "__main__":
    main()
