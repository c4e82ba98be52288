"""The events that the benchmarks feed."""

from collections import Counter
from itertools import islice

import msgspec
import pytest

from bench.events import Played, play
from schemas.codec import decode
from schemas.records import Delivery, OutboundEvent, RoutingOutcome, RoutingTask
from simulator.events.event_facts import read_facts
from simulator.events.expectation import Expectation
from streams.core.apply import apply
from streams.core.model.rules import Rules
from tests.support.domain import MemoryState

NOW_MS = 1_790_000_000_000
COUNT = 3_000


@pytest.fixture(scope="module")
def events() -> list[Played]:
    return list(play(COUNT, now_ms=NOW_MS, open_conversations=50))


def test_the_same_seed_plays_the_same_events(events: list[Played]) -> None:
    again = list(play(100, now_ms=NOW_MS, open_conversations=50))
    assert [played.value for played in again] == [played.value for played in islice(events, 100)]


def test_events_are_about_a_kilobyte_and_can_be_read_back(events: list[Played]) -> None:
    assert decode(OutboundEvent, events[0].value) == events[0].record
    assert 900 < sum(len(played.value) for played in events) / COUNT < 1200


def test_the_mixture_is_the_one_that_is_written_down() -> None:
    played = list(play(40_000, now_ms=NOW_MS))
    facts = [read_facts(each.record.event_type, each.record.payload) for each in played]
    share = Counter(fact.expect for fact in facts)
    named = {"deliver": 42, "state": 25, "ephemeral": 18, "withhold": 9, "routing_request": 4}
    assert {name: round(share[Expectation(name)] / 400) for name in named} == pytest.approx(named, abs=2)


def test_the_processor_delivers_what_the_events_say_each_entry_once(events: list[Played]) -> None:
    state, rules = MemoryState(), Rules()
    delivered: Counter[str] = Counter()
    kinds: Counter[type[msgspec.Struct]] = Counter()
    for played in events:
        step = apply(state, played.record, NOW_MS, rules)
        state.take(step)
        delivered.update(output.entry_id for output in step.outputs if isinstance(output, Delivery))
        kinds.update(type(output) for output in step.outputs)
    assert delivered == Counter(played.delivered_entry_id for played in events if played.delivered_entry_id)
    assert kinds[RoutingTask] > 50
    assert kinds[RoutingOutcome] > 50
