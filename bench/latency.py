"""`e2e.p50_ms` and `e2e.p99_ms`: from publishing to a readable delivery, at 2,000 events/s through both stages.

The simulator plays its scenario; it shares the measured core with the source worker and the processor, and the broker
has the other one. Each delivery is compared with its event's CreatedDate, which the simulator sets when it publishes,
at the moment when a `read_committed` reader gets it: one clock, whole milliseconds, so that half a millisecond is added
on average. Afterwards the simulator's ledger decides whether every delivery came, and came once.
"""

import time
from collections import Counter
from dataclasses import dataclass, field

from bench.errors import MeasurementError
from bench.kafka import CommittedReader
from bench.measured import Measured
from bench.rates import percentile
from bench.results import Result
from bench.setting import PARTITIONS, Bench, now_ms
from bench.source import source_files
from byoc.system.http import get_json, post_json
from schemas.codec import decode
from schemas.records import Delivery, DeliveryKind
from schemas.topics import Topics

RATE_PER_S = 2_000
WARM_UP_S = 5.0
# Java's compiler works on the broker for minutes at this load and takes a quarter of its core meanwhile: p50 was 131,
# 69, 51 and 50 ms in four plays on a new broker.
WARM_UP_PLAYS = 3
MEASURED_S = 20.0
ARRIVAL_TIMEOUT_S = 30.0
# Conversations with an open routing request wait, and no router answers here: enough must be left to go on.
SPARE_EVENTS = 3
LEDGER_PAGE = 10_000


@dataclass(slots=True)
class Arrivals:
    """What the reader got: copies of each delivery, and (CreatedDate, delay) of those that count."""

    copies: Counter[str] = field(default_factory=Counter)
    delays: list[tuple[int, int]] = field(default_factory=list)

    def take(self, reader: CommittedReader, timeout_s: float) -> None:
        """Read what is there, waiting at most `timeout_s` for the first."""
        for record in reader.poll(timeout_s):
            at_ms = now_ms()
            delivery = decode(Delivery, record.value)
            self.copies[delivery.entry_id] += 1
            if delivery.kind == DeliveryKind.MESSAGE:
                self.delays.append((delivery.created_at_ms, at_ms - delivery.created_at_ms))


@dataclass(frozen=True, slots=True)
class Parts:
    """The running processes of one play. All share the measured core."""

    simulator: Measured
    processor: Measured
    source: Measured

    def check_running(self) -> None:
        """Raise `MeasurementError` when one of them has ended."""
        for part in (self.simulator, self.processor, self.source):
            part.check_running()


@dataclass(frozen=True, slots=True)
class Played:
    """What one play showed: delays in ms, and the cores that each stage used."""

    delays_ms: list[int]
    processor_cores: float
    source_cores: float


def measure_latency(bench: Bench) -> list[Result]:
    """Play for 25 s, `bench.runs` times, with everything new each time."""
    for number in range(WARM_UP_PLAYS):
        _run(bench, f"warm-up-{number}", seed=number + 1)
    plays = [_run(bench, str(number), seed=number + 1) for number in range(bench.runs)]
    counts = " ".join(f"{len(play.delays_ms):,}" for play in plays)
    cores = " ".join(f"{play.processor_cores:.2f}+{play.source_cores:.2f}" for play in plays)
    p50, p99 = (tuple(percentile(play.delays_ms, share) for play in plays) for share in (0.5, 0.99))
    return [
        Result(name="e2e.p50_ms", unit="ms", runs=p50, notes=f"deliveries {counts}"),
        Result(name="e2e.p99_ms", unit="ms", runs=p99, notes=f"cores used by processor+source {cores}"),
    ]


def _run(bench: Bench, name: str, *, seed: int) -> Played:
    topics = bench.topics()
    options = ["simulate", "--grpc-port", "0", "--http-port", "0", "--seed", str(seed)]
    with bench.start(f"e2e-simulator-{name}", "byoc", options) as simulator:
        address = simulator.wait_ready()
        files = source_files(bench, topics, address)
        with (
            bench.streams_worker(f"e2e-processor-{name}", topics) as processor,
            bench.start(f"e2e-source-{name}", "byoc", ["connect", *files, "--exit-on-failure"]) as source,
        ):
            processor.wait_ready()
            source.wait_ready()
            return _play(bench, topics, f"http://{address['http']}", Parts(simulator, processor, source))


def _play(bench: Bench, topics: Topics, simulator_url: str, parts: Parts) -> Played:
    arrivals = Arrivals()
    start = dict.fromkeys(range(PARTITIONS), 0)
    with CommittedReader(bench.bootstrap_servers, topics.deliveries, start) as reader:
        events = int(RATE_PER_S * (WARM_UP_S + MEASURED_S)) * SPARE_EVENTS
        post_json(f"{simulator_url}/v1/scenario", {"events": events, "rate": RATE_PER_S, "conversations": 400})
        _read_for(arrivals, reader, WARM_UP_S)
        begin_ms, processor_s, source_s = now_ms(), parts.processor.cpu_s(), parts.source.cpu_s()
        _read_for(arrivals, reader, MEASURED_S)
        end_ms = now_ms()
        parts.check_running()
        processor_cores = (parts.processor.cpu_s() - processor_s) / MEASURED_S
        source_cores = (parts.source.cpu_s() - source_s) / MEASURED_S
        _await(arrivals, reader, _published(simulator_url, end_ms))
    delays_ms = [delay_ms for created_at_ms, delay_ms in arrivals.delays if begin_ms <= created_at_ms < end_ms]
    return Played(delays_ms, processor_cores, source_cores)


def _read_for(arrivals: Arrivals, reader: CommittedReader, seconds: float) -> None:
    end_s = time.monotonic() + seconds
    while time.monotonic() < end_s:
        arrivals.take(reader, 0.1)


def _published(simulator_url: str, end_ms: int) -> set[str]:
    """Return the entries of before `end_ms` that must be delivered. Raises `MeasurementError` for a slow play."""
    entries: set[str] = set()
    total = after = 0
    while True:
        page = get_json(f"{simulator_url}/v1/ledger?after={after}&limit={LEDGER_PAGE}")
        events = [event for event in page["events"] if event["created_at_ms"] < end_ms]
        total += len(events)
        entries |= {event["entry_id"] for event in events if event["expect"] == "deliver"}
        after = page["next"]
        if len(events) < LEDGER_PAGE:
            break
    wanted = RATE_PER_S * (WARM_UP_S + MEASURED_S)
    if total < 0.9 * wanted:
        raise MeasurementError(
            f"playing {RATE_PER_S} events/s: only {total} of {wanted:.0f} were published; the core of broker and"
            " simulator was too busy"
        )
    return entries


def _await(arrivals: Arrivals, reader: CommittedReader, published: set[str]) -> None:
    """Wait for the rest; raise `MeasurementError` for deliveries that do not come, or came twice."""
    deadline = time.monotonic() + ARRIVAL_TIMEOUT_S
    while not published <= arrivals.copies.keys() and time.monotonic() < deadline:
        arrivals.take(reader, 0.1)
    lost = len(published - arrivals.copies.keys())
    duplicated = sum(arrivals.copies.values()) - len(arrivals.copies)
    if lost or duplicated:
        raise MeasurementError(
            f"checking the deliveries end to end: lost={lost} duplicated={duplicated} of {len(published)}"
        )
