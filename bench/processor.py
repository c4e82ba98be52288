"""`processor.events_per_s` and `processor.stock_faust_events_per_s`: the same events through both, one core each.

`byoc.events` is filled beforehand. The rate is that of committed group offsets between the first tenth of the events
and the end, so starting, joining and warming up are left out. Both must have sent exactly the deliveries that the
events ask for; ours each of them once, stock Faust (at least once) may repeat.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from bench.errors import MeasurementError
from bench.events import play
from bench.following import follow
from bench.kafka import BY_KEY, CommittedEnds, CommittedReader, GroupProgress, Offsets, Record, write
from bench.measured import Measured
from bench.rates import Pace, Sample, pace_of
from bench.results import Result, rated
from bench.setting import PARTITIONS, Bench, now_ms
from schemas.codec import decode
from schemas.records import Delivery
from schemas.topics import Topics

EVENTS = 200_000
WARM_UP_SHARE = 0.1
STOCK_SHARE = 0.125  # of the events: stock takes an order of magnitude longer for each


@dataclass(frozen=True, slots=True)
class Filled:
    """Topics with `count` events, and the entries that must be delivered because of them."""

    topics: Topics
    count: int
    delivered: frozenset[str]


def measure_processor(bench: Bench) -> list[Result]:
    """Run our worker over the events, `bench.runs` times, each with empty state."""
    filled = _filled(bench, bench.events or EVENTS)
    done = []
    for number in range(bench.runs):
        topics = bench.next_app(filled.topics)
        name = f"processor-{number}"
        done.append(_run(bench, bench.streams_worker(name, topics), filled, topics, exactly_once=True))
    return [rated("processor.events_per_s", "events/s", done)]


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
    return [rated("processor.stock_faust_events_per_s", "events/s", done)]


def _filled(bench: Bench, count: int) -> Filled:
    topics = bench.topics()
    delivered: set[str] = set()

    def records() -> Iterator[Record]:
        for played in play(count, now_ms=now_ms()):
            if played.delivered_entry_id is not None:
                delivered.add(played.delivered_entry_id)
            yield played.key, played.value, BY_KEY

    write(bench.bootstrap_servers, topics.events, records())
    return Filled(topics, count, frozenset(delivered))


def _run(bench: Bench, worker: Measured, filled: Filled, topics: Topics, *, exactly_once: bool) -> Pace:
    before = CommittedEnds(bench.bootstrap_servers, topics.deliveries, PARTITIONS).offsets()
    progress = GroupProgress(bench.bootstrap_servers, topics.app_id, topics.events, PARTITIONS)
    try:
        with worker:
            seen = follow(worker, progress.offsets, until=filled.count)
    finally:
        progress.close()
    _check(bench, topics, before, filled.delivered, exactly_once=exactly_once)
    samples = [Sample(each.at_s, each.cpu_s, sum(each.offsets.values())) for each in seen]
    return pace_of(samples, skip_share=WARM_UP_SHARE)


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
