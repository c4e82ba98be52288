"""The feed for benchmarks: many events quickly, each of them a whole and different event."""

from collections import Counter

from schemas.proto import pubsub_api_pb2 as pb
from simulator.events.event_facts import read_facts
from simulator.events.expectation import Expectation
from simulator.org.org import Org
from simulator.preload import CONVERSATIONS, TEMPLATES, preload
from simulator.settings import Settings
from simulator.system_clock import SystemClock

COUNT = 2 * TEMPLATES + 1


def received(org: Org) -> list[pb.ConsumerEvent]:
    events: list[pb.ConsumerEvent] = []
    cursor = 0
    while (batch := org.log.read(org.settings.topics[0], cursor, 100)) is not None:
        cursor = batch.cursor
        events += pb.FetchResponse.FromString(b"".join(part for frame in batch.events for part in frame)).events
    return events


def test_preloaded_events_are_whole_and_have_ids_of_their_own() -> None:
    org = Org(Settings(), SystemClock())
    preload(org, COUNT)
    events = received(org)
    schema = org.schema(org.settings.topics[0])
    decoded = [schema.decode(event.event.payload) for event in events]
    facts = [read_facts(event.event_type, event.event_payload) for event in decoded]
    assert len(events) == COUNT
    assert len({event.event.id for event in events}) == COUNT
    assert len({fact.entry_id for fact in facts}) == COUNT
    assert len({fact.conversation_id for fact in facts}) == CONVERSATIONS
    assert {event.event.schema_id for event in events} == {schema.schema_id}
    assert [event.replay_id for event in events] == sorted(event.replay_id for event in events)
    counted = Counter(fact.expect for fact in facts)
    assert counted[Expectation.DELIVER] > COUNT / 3
    assert counted[Expectation.ROUTING_REQUEST] == 0


def test_preloaded_events_are_of_realistic_size_and_share_their_text() -> None:
    org = Org(Settings(), SystemClock())
    preload(org, COUNT)
    batch = org.log.read(org.settings.topics[0], 0, COUNT)
    assert batch is not None
    sizes = [sum(map(len, frame)) for frame in batch.events]
    assert 700 < sum(sizes) / len(sizes) < 1300
    shared = {id(part) for part in batch.events[0]} & {id(part) for part in batch.events[TEMPLATES]}
    assert len(shared) >= len(batch.events[0]) // 2


def test_preloaded_events_are_not_in_the_ledger() -> None:
    org = Org(Settings(), SystemClock())
    preload(org, 10)
    assert len(org.ledger) == 0
