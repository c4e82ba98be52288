"""The event log: where a subscription may start, what it reads, and when events and ids expire."""

from itertools import pairwise

import pytest

from schemas.proto import pubsub_api_pb2 as pb
from simulator.events.seeded import seeded
from simulator.org import replay_ids
from simulator.org.event_log import MAX_RESPONSE_BYTES, EventLog, Preset, UnknownTopicError
from simulator.org.replay_ids import ReplayIdError

A, B = "/event/A__e", "/event/B__e"
START_MS = 1_767_225_600_000
RETENTION_MS = 1000


def new_log(seed: int = 1) -> EventLog:
    return EventLog((A, B), rng=seeded(seed, "test"), retention_ms=RETENTION_MS, now_ms=START_MS)


def event(name: str, payload: bytes = b"") -> bytes:
    return pb.ProducerEvent(id=name, payload=payload).SerializeToString()


def names(log: EventLog, topic: str, cursor: int, limit: int = 100) -> list[str]:
    batch = log.read(topic, cursor, limit)
    frames = batch.events if batch is not None else []
    response = pb.FetchResponse.FromString(b"".join(part for frame in frames for part in frame))
    return [consumed.event.id for consumed in response.events]


def test_positions_of_all_topics_come_from_one_counter_with_gaps() -> None:
    log = new_log()
    positions = [replay_ids.decode(log.append(topic, event("e"), START_MS)) for topic in (A, B, A, B) * 20]
    gaps = {later - earlier for earlier, later in pairwise(positions)}
    assert min(gaps) >= 1
    assert len(gaps) > 3


def test_the_seed_decides_the_positions() -> None:
    def positions(seed: int) -> list[bytes]:
        log = new_log(seed)
        return [log.append(A, event("e"), START_MS) for _ in range(10)]

    assert positions(1) == positions(1)
    assert positions(1) != positions(2)


def test_presets_start_at_the_ends_and_after_an_id() -> None:
    log = new_log()
    ids = [log.append(A, event(name), START_MS) for name in ("one", "two", "three")]
    assert names(log, A, log.start(A, Preset.EARLIEST, b"", START_MS)) == ["one", "two", "three"]
    assert names(log, A, log.start(A, Preset.CUSTOM, ids[0], START_MS)) == ["two", "three"]
    assert names(log, A, log.start(A, Preset.CUSTOM, ids[2], START_MS)) == []
    assert names(log, A, log.start(A, Preset.LATEST, b"", START_MS)) == []


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(lambda good: b"", id="empty"),
        pytest.param(lambda good: good[:7], id="too short"),
        pytest.param(lambda good: good + b"\0", id="too long"),
        pytest.param(lambda good: good[:8] + b"\0\1", id="last byte not zero"),
        pytest.param(lambda good: replay_ids.encode(replay_ids.decode(good) + 1), id="in the gap after it"),
        pytest.param(lambda good: replay_ids.encode(2**63), id="far ahead"),
    ],
)
def test_an_id_that_was_never_given_out_is_refused(bad: object) -> None:
    log = new_log(seed=3)
    good = log.append(A, event("one"), START_MS)
    assert callable(bad)
    with pytest.raises(ReplayIdError):
        log.start(A, Preset.CUSTOM, bad(good), START_MS)


@pytest.mark.parametrize(
    ("age_ms", "kept"),
    [
        pytest.param(RETENTION_MS - 1, True, id="one ms early"),
        pytest.param(RETENTION_MS, True, id="exactly at the retention"),
        pytest.param(RETENTION_MS + 1, False, id="one ms later"),
    ],
)
def test_events_and_their_ids_live_as_long_as_the_retention(age_ms: int, kept: bool) -> None:
    log = new_log()
    old = log.append(A, event("old"), START_MS)
    now_ms = START_MS + age_ms
    log.append(A, event("new"), now_ms)
    cursor = log.start(A, Preset.EARLIEST, b"", now_ms)
    assert names(log, A, cursor) == (["old", "new"] if kept else ["new"])
    if kept:
        assert names(log, A, log.start(A, Preset.CUSTOM, old, now_ms)) == ["new"]
    else:
        with pytest.raises(ReplayIdError):
            log.start(A, Preset.CUSTOM, old, now_ms)


def test_a_slow_reader_goes_on_after_what_was_purged() -> None:
    log = new_log()
    log.append(A, event("old"), START_MS)
    cursor = log.start(A, Preset.EARLIEST, b"", START_MS)
    now_ms = START_MS + RETENTION_MS + 1
    log.append(A, event("new"), now_ms)
    log.purge(now_ms)
    assert log.available(A, cursor) == 1
    assert names(log, A, cursor) == ["new"]


def test_a_keepalive_id_stays_valid_while_nothing_is_published() -> None:
    log = new_log()
    now_ms = START_MS
    for _ in range(20):
        kept = log.keepalive_id(now_ms)
        now_ms += RETENTION_MS // 2
        assert log.start(A, Preset.CUSTOM, kept, now_ms) == log.start(A, Preset.LATEST, b"", now_ms)


def test_a_read_stops_at_the_limit_and_goes_on_at_its_cursor() -> None:
    log = new_log()
    for n in range(5):
        log.append(A, event(f"e{n}"), START_MS)
    batch = log.read(A, 0, 3)
    assert batch is not None
    assert names(log, A, 0, 3) == ["e0", "e1", "e2"]
    assert names(log, A, batch.cursor) == ["e3", "e4"]
    assert log.read(A, log.start(A, Preset.LATEST, b"", START_MS), 3) is None


@pytest.mark.parametrize(
    ("payload_bytes", "expected"),
    [
        pytest.param(900_000, 3, id="three fit into 3 MB"),
        pytest.param(1_600_000, 1, id="one fits"),
        pytest.param(3_100_000, 1, id="one alone is sent even if it is too large"),
    ],
)
def test_a_response_stays_within_three_megabytes(payload_bytes: int, expected: int) -> None:
    log = new_log()
    for n in range(5):
        log.append(A, event(f"e{n}", b"x" * payload_bytes), START_MS)
    batch = log.read(A, 0, 100)
    assert batch is not None
    assert len(batch.events) == expected
    assert expected == 1 or sum(len(part) for frame in batch.events for part in frame) <= MAX_RESPONSE_BYTES


def test_a_clock_that_steps_back_breaks_no_search() -> None:
    log = new_log()
    log.append(A, event("one"), START_MS + 500)
    log.append(A, event("two"), START_MS)
    now_ms = START_MS + RETENTION_MS + 400
    assert names(log, A, log.start(A, Preset.EARLIEST, b"", now_ms)) == ["one", "two"]


def test_topics_are_read_apart_and_unknown_ones_refused() -> None:
    log = new_log()
    log.append(A, event("a"), START_MS)
    log.append(B, event("b"), START_MS)
    assert (names(log, A, 0), names(log, B, 0)) == (["a"], ["b"])
    with pytest.raises(UnknownTopicError):
        log.append("/event/C__e", event("c"), START_MS)
