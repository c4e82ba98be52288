"""`source.events_per_s`, `source.catch_up_events_per_s`: the simulator's events through one real source task.

The simulator serves preloaded events, on the broker's core. The rate counts events that became visible to a
`read_committed` reader, from the first to the last; connecting and fencing come before the first. Afterwards the topic
must hold every event once, in replay order per partition.

A catch-up has a long distance between the simulator and the task. Salesforce lets 100 events be outstanding per stream,
so no client can get more than 100 per round trip on one. The true length of a round trip is measured by a subscriber
that does nothing but ask; the result is given as a share of its rate.
"""

import dataclasses
from bisect import bisect_left
from pathlib import Path

from bench.bare_subscriber import CREDIT
from bench.errors import MeasurementError
from bench.following import follow
from bench.kafka import CommittedEnds, CommittedReader, Offsets
from bench.rates import Pace, Sample, pace_of
from bench.results import Result, rated
from bench.setting import PARTITIONS, Bench
from schemas.topics import Topics

EVENTS = 300_000
CATCH_UP_EVENTS = 15_000
CONNECTING_SHARE = 0.2  # of a catch-up: a new HTTP/2 connection widens its window round trip by round trip
ROUND_TRIP_MS = 50.0
SETTLE_S = 2.0


def measure_source(bench: Bench) -> list[Result]:
    """Mirror the preloaded events `bench.runs` times, each into a new topic."""
    count = bench.events or EVENTS
    options = ["simulate", "--grpc-port", "0", "--http-port", "0", "--preload", str(count)]
    with bench.start("simulator", "byoc", options, on_measured_core=False) as simulator:
        address = simulator.wait_ready()
        paces = [_run(bench, number, count, address) for number in range(bench.runs)]
    return [rated("source.events_per_s", "events/s", paces)]


def measure_catch_up(bench: Bench) -> list[Result]:
    """Mirror a backlog over a round trip of 50 ms, beside a subscriber that does nothing else in the same run."""
    count = bench.events or CATCH_UP_EVENTS
    options = ["simulate", "--grpc-port", "0", "--http-port", "0", "--preload", str(count)]
    paces: list[Pace] = []
    bare: list[float] = []
    with bench.start("simulator", "byoc", options, on_measured_core=False) as simulator:
        address = simulator.wait_ready()
        way = [address["grpc"], "--round-trip-ms", str(ROUND_TRIP_MS)]
        with bench.start("far-away", "bench.far_away", way, on_measured_core=False) as forwarder:
            far = {**address, "grpc": forwarder.wait_ready()["address"]}
            for number in range(bench.runs):  # in turn: both see the same machine
                bare.append(_bare_rate(bench, number, count, far))
                paces.append(_run(bench, number, count, far, skip_share=CONNECTING_SHARE))
    limit = CREDIT / ROUND_TRIP_MS * 1000
    shares = " ".join(f"{pace.per_s / rate:.0%}" for pace, rate in zip(paces, bare, strict=True))
    result = rated("source.catch_up_events_per_s", "events/s", paces)
    note = f"{shares} of the bare subscriber; {result.notes}"
    return [
        dataclasses.replace(result, notes=note),
        Result(
            name="source.bare_subscriber_events_per_s",
            unit="events/s",
            runs=tuple(bare),
            notes=f"asks at once for what it got; {limit:,.0f} if a round trip took {ROUND_TRIP_MS:g} ms sharp",
        ),
    ]


def _bare_rate(bench: Bench, number: int, count: int, simulator: dict[str, str]) -> float:
    arguments = [f"http://{simulator['http']}", simulator["grpc"], str(count)]
    with bench.start(f"bare-{number}", "bench.bare_subscriber", arguments) as subscriber:
        return float(subscriber.wait_ready()["rate"])


def source_files(bench: Bench, topics: Topics, simulator: dict[str, str]) -> list[str]:
    """Write worker and connector properties for the simulator at `grpc=…`, `http=…`; return their paths."""
    worker = {
        "bootstrap.servers": bench.bootstrap_servers,
        "group.id": f"{topics.prefix}-connect",
        "topic.prefix": topics.prefix,
        "rest.port": "0",
    }
    connector = {
        "name": "source",
        "connector.class": "connectors.pubsub.PubSubSource",
        "salesforce.pubsub.endpoint": simulator["grpc"],
        "salesforce.pubsub.tls": "false",
        "salesforce.login.url": f"http://{simulator['http']}",
        "salesforce.client.id": "byoc-streams",
        "salesforce.client.secret": "byoc-simulator-secret",
        "salesforce.topics": "/event/ByocOutbound__e",
    }
    return [
        _properties(bench.directory / f"{topics.prefix}-worker.properties", worker),
        _properties(bench.directory / f"{topics.prefix}-source.properties", connector),
    ]


def _properties(file: Path, values: dict[str, str]) -> str:
    file.write_text("".join(f"{key}={value}\n" for key, value in values.items()), encoding="utf-8")
    return str(file)


def _run(bench: Bench, number: int, count: int, simulator: dict[str, str], *, skip_share: float = 0.0) -> Pace:
    topics = bench.topics()
    ends = CommittedEnds(bench.bootstrap_servers, topics.events, PARTITIONS)
    files = source_files(bench, topics, simulator)
    with bench.start(f"source-{number}", "byoc", ["connect", *files, "--exit-on-failure"]) as worker:
        seen = follow(worker, ends.offsets, until=count, settle_s=SETTLE_S)
    offsets = _checked(bench, topics, count)
    samples = [Sample(each.at_s, each.cpu_s, _visible(offsets, each.offsets)) for each in seen]
    # the markers of the take-over are seen before any event
    return pace_of([sample for sample in samples if sample.count], skip_share=skip_share)


def _visible(offsets: dict[int, list[int]], ends: Offsets) -> int:
    """How many events lie before the ends; commit markers take offsets too and are not events."""
    return sum(bisect_left(found, ends[partition]) for partition, found in offsets.items())


def _checked(bench: Bench, topics: Topics, count: int) -> dict[int, list[int]]:
    """The events' offsets by partition. Raises `MeasurementError` unless each of `count` events is there once."""
    offsets: dict[int, list[int]] = {number: [] for number in range(PARTITIONS)}
    newest: dict[int, bytes] = {}
    uuids: set[bytes] = set()
    reordered = 0
    with CommittedReader(bench.bootstrap_servers, topics.events, dict.fromkeys(offsets, 0)) as reader:
        for record in reader.to_end():
            offsets[record.partition].append(record.offset)
            uuids.add(record.headers["sf.event_uuid"])
            replay_id = record.headers["sf.replay_id"]
            reordered += replay_id <= newest.get(record.partition, b"")
            newest[record.partition] = replay_id
    read = sum(map(len, offsets.values()))
    if len(uuids) != count or read != count or reordered:
        raise MeasurementError(
            f"checking {topics.events}: {count} events published, lost={count - len(uuids)}"
            f" duplicated={read - len(uuids)} reordered={reordered}"
        )
    return offsets
