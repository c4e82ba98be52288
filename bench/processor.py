"""`processor.events_per_s` and `processor.stock_faust_events_per_s`: the same events through both, one core each.

`byoc.events` is filled beforehand. The rate is that of committed group offsets between the first tenth of the events
and the end, so starting, joining and warming up are left out. Both must have sent exactly the deliveries that the
events ask for; ours each of them once, stock Faust (at least once) may repeat.
"""

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from bench.errors import MeasurementError
from bench.events import play
from bench.kafka import BY_KEY, CommittedEnds, CommittedReader, GroupProgress, Offsets, Record, write
from bench.measured import Measured
from bench.rates import Sample, steady_rate
from bench.results import Result
from bench.setting import PARTITIONS, Bench
from schemas.codec import decode
from schemas.records import Delivery
from schemas.topics import Topics

EVENTS = 200_000
STOCK_SHARE = 0.125  # of the events: stock takes an order of magnitude longer for each
STALLED_S = 60.0
POLL_S = 0.02


@dataclass(frozen=True, slots=True)
class Filled:
    """Topics with `count` events, and the entries that must be delivered because of them."""

    topics: Topics
    count: int
    delivered: frozenset[str]


@dataclass(frozen=True, slots=True)
class Measurement:
    """One run: events per second, and the share of its core that the process used."""

    rate: float
    cpu_share: float


def measure_processor(bench: Bench) -> list[Result]:
    """Run our worker over the events, `bench.runs` times, each with empty state."""
    filled = _filled(bench, bench.events or EVENTS)
    done = []
    for number in range(bench.runs):
        topics = bench.next_app(filled.topics)
        name = f"processor-{number}"
        done.append(_run(bench, bench.streams_worker(name, topics), filled, topics, exactly_once=True))
    return [_result("processor.events_per_s", done)]


def measure_stock(bench: Bench) -> list[Result]:
    """Run stock Faust over fewer of the same events."""
    filled = _filled(bench, int((bench.events or EVENTS) * STOCK_SHARE))
    done = []
    for number in range(bench.runs):
        topics = bench.next_app(filled.topics)
        options = ["--bootstrap-servers", bench.bootstrap_servers, "--prefix", topics.prefix]
        options += ["--app-id", topics.app_id, "--partitions", str(PARTITIONS)]
        options += ["--data-dir", str(bench.directory / "stock")]
        worker = bench.start(f"stock-{number}", "bench.stock_faust", options)
        done.append(_run(bench, worker, filled, topics, exactly_once=False))
    return [_result("processor.stock_faust_events_per_s", done)]


def _result(name: str, done: list[Measurement]) -> Result:
    shares = " ".join(f"{each.cpu_share:.2f}" for each in done)
    return Result(name=name, unit="events/s", runs=tuple(each.rate for each in done), notes=f"core used: {shares}")


def _filled(bench: Bench, count: int) -> Filled:
    topics = bench.topics()
    delivered: set[str] = set()

    def records() -> Iterator[Record]:
        for played in play(count, now_ms=time.time_ns() // 1_000_000):
            if played.delivered_entry_id is not None:
                delivered.add(played.delivered_entry_id)
            yield played.key, played.value, BY_KEY

    write(bench.bootstrap_servers, topics.events, records())
    return Filled(topics, count, frozenset(delivered))


def _run(bench: Bench, worker: Measured, filled: Filled, topics: Topics, *, exactly_once: bool) -> Measurement:
    before = CommittedEnds(bench.bootstrap_servers, topics.deliveries, PARTITIONS).offsets()
    with worker:
        measurement = _watch(bench, worker, topics, filled.count)
    _check(bench, topics, before, filled.delivered, exactly_once=exactly_once)
    return measurement


def _watch(bench: Bench, worker: Measured, topics: Topics, count: int) -> Measurement:
    """Follow the committed offsets until all events are done."""
    progress = GroupProgress(bench.bootstrap_servers, topics.app_id, topics.events, PARTITIONS)
    samples: list[Sample] = []
    cpu_s: list[float] = []
    try:
        while not samples or samples[-1].count < count:
            worker.check_running()
            committed, now_s = sum(progress.offsets().values()), time.monotonic()
            if committed > (samples[-1].count if samples else 0):
                samples.append(Sample(now_s, committed))
                cpu_s.append(worker.cpu_s())
            elif samples and now_s - samples[-1].at_s > STALLED_S:
                raise MeasurementError(f"{topics.app_id} stands still at {samples[-1].count} of {count} events")
            time.sleep(POLL_S)
    finally:
        progress.close()
    rate = steady_rate(samples)
    if rate is None:
        raise MeasurementError(f"{count} events were committed at once; use more --events to see a rate")
    return Measurement(rate, (cpu_s[-1] - cpu_s[0]) / (samples[-1].at_s - samples[0].at_s))


def _check(bench: Bench, topics: Topics, before: Offsets, expected: frozenset[str], *, exactly_once: bool) -> None:
    """Raise `MeasurementError` unless the run sent the expected deliveries, and no others."""
    sent: Counter[str] = Counter()
    with CommittedReader(bench.bootstrap_servers, topics.deliveries, before) as reader:
        for record in reader.to_end():
            sent[decode(Delivery, record.value).entry_id] += 1
    lost, unasked = len(expected - sent.keys()), len(sent.keys() - expected)
    duplicated = sum(sent.values()) - len(sent)
    if lost or unasked or (exactly_once and duplicated):
        raise MeasurementError(
            f"checking the deliveries of {topics.app_id}: lost={lost} unasked={unasked} duplicated={duplicated} of"
            f" {len(expected)}"
        )
