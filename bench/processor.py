"""`processor.events_per_s`, `processor.stock_faust_events_per_s` and their ratio: the same events through both, one
core each.

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
    """Run our worker and a stock one in turn, `bench.runs` times, each with empty state.

    In turn, because the speed of a shared machine changes from minute to minute: the ratio is that of neighbours.
    """
    count = bench.events or EVENTS
    filled, filled_stock = _filled(bench, count), _filled(bench, int(count * STOCK_SHARE))
    ours, stock = [], []
    for number in range(bench.runs):
        topics = bench.next_app(filled.topics)
        worker = bench.streams_worker(f"processor-{number}", topics)
        ours.append(_run(bench, worker, filled, topics, exactly_once=True))
        topics = bench.next_app(filled_stock.topics)
        stock.append(_run(bench, _stock_worker(bench, number, topics), filled_stock, topics, exactly_once=False))
    ratios = tuple(own.per_s / other.per_s for own, other in zip(ours, stock, strict=True))
    return [
        rated("processor.events_per_s", "events/s", ours),
        rated("processor.stock_faust_events_per_s", "events/s", stock),
        Result(name="processor.stock_faust_ratio", unit="times", runs=ratios),
    ]


def _stock_worker(bench: Bench, number: int, topics: Topics) -> Measured:
    options = ["--bootstrap-servers", bench.bootstrap_servers, "--prefix", topics.prefix]
    options += ["--app-id", topics.app_id, "--partitions", str(PARTITIONS)]
    options += ["--data-dir", str(bench.directory / "stock")]
    return bench.start(f"stock-{number}", "bench.stock_faust", options)


def _filled(bench: Bench, count: int) -> Filled:
    topics = bench.topics()
    delivered: set[str] = set()

    def records() -> Iterator[Record]:
        for played in play(count, now_ms=now_ms()):
            if played.delivered_entry_id is not None:
                delivered.add(played.delivered_entry_id)
            yield played.key, played.value, BY_KEY

    write(bench.bootstrap_servers, topics.events, records())
    written = sum(CommittedEnds(bench.bootstrap_servers, topics.events, PARTITIONS).offsets().values())
    if written != count:
        raise MeasurementError(f"filling {topics.events}: it has {written} of {count} records, all were acknowledged")
    return Filled(topics, count, frozenset(delivered))


def _run(bench: Bench, worker: Measured, filled: Filled, topics: Topics, *, exactly_once: bool) -> Pace:
    before = CommittedEnds(bench.bootstrap_servers, topics.deliveries, PARTITIONS).offsets()
    progress = GroupProgress(bench.bootstrap_servers, topics.app_id, topics.events, PARTITIONS)
    ends = CommittedEnds(bench.bootstrap_servers, topics.events, PARTITIONS)
    try:
        with worker:
            seen = follow(worker, progress.offsets, until=filled.count, ends=ends.offsets)
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
