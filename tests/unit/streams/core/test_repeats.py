"""A repeat repeats nothing: neither outputs nor state."""

import pytest
from msgspec.structs import replace

from schemas.records import OutboundEvent, RoutingDecision
from tests.support.domain import (
    Partition,
    consent,
    decision,
    entry,
    envelope,
    event,
    message,
    participant,
    requested,
    result,
    session,
    text_body,
    typing,
)

EVENTS = [
    pytest.param(message(), id="message"),
    pytest.param(typing(), id="typing"),
    pytest.param(entry("Note", {"abstractMessage": {}}), id="note"),
    pytest.param(entry("QueuePosition", {"position": 3}), id="queue position"),
    pytest.param(consent("OptOut"), id="consent"),
    pytest.param(session("Active"), id="session"),
    pytest.param(participant("add"), id="participant"),
    pytest.param(requested(), id="routing request"),
    pytest.param(requested(None), id="routing request without an event id"),
    pytest.param(result(), id="routing result"),
    pytest.param(event(envelope(text_body(), entry_id=None)), id="an entry without an id"),
    pytest.param(entry("SomethingNew"), id="unknown type"),
    pytest.param(decision(), id="early decision"),
]


def _again(record: OutboundEvent | RoutingDecision, **changed: object) -> OutboundEvent | RoutingDecision:
    return replace(record, **changed)


@pytest.mark.parametrize("record", EVENTS)
def test_the_same_record_again_changes_nothing(record: OutboundEvent | RoutingDecision) -> None:
    partition = Partition()
    first = partition.read(record, at=100)
    step = partition.read(record, at=200)
    assert not first.changes_nothing()
    assert step.changes_nothing()
    assert [name for name, _ in step.counts] == (["decision"] if isinstance(record, RoutingDecision) else ["repeated"])


@pytest.mark.parametrize("record", [each for each in EVENTS if each.id != "early decision"])
def test_the_same_event_under_another_replay_id_changes_nothing(record: OutboundEvent) -> None:
    partition = Partition()
    partition.read(record, at=100)
    step = partition.read(_again(record, replay_id=b"\x00\x00\x01"), at=200)
    assert step.changes_nothing()


WITH_BUSINESS_KEY = [each for each in EVENTS if "without" not in str(each.id) and each.id != "early decision"]


@pytest.mark.parametrize("record", WITH_BUSINESS_KEY)
def test_an_event_published_again_with_another_uuid_is_known_by_its_business_key(record: OutboundEvent) -> None:
    partition = Partition()
    partition.read(record, at=100)
    step = partition.read(_again(record, replay_id=b"\x07", event_uuid="another"), at=200)
    assert step.changes_nothing()


def test_an_entry_without_an_id_is_another_one_under_another_uuid() -> None:
    partition = Partition()
    partition.read(event(envelope(text_body(), entry_id=None), uuid="a"))
    partition.read(event(envelope(text_body(), entry_id=None), uuid="b"))
    assert len({each.delivery_id for each in partition.deliveries}) == 2


def test_entries_of_two_types_may_share_an_id() -> None:
    partition = Partition()
    partition.read(entry("Note", entry_id="e1"))
    partition.read(message(entry_id="e1"))
    assert len(partition.deliveries) == 1


def test_a_replay_within_the_72_hours_of_salesforce_is_still_known() -> None:
    partition = Partition()
    partition.read(message())
    late = 72 * 3_600_000
    partition.pass_time(late)
    assert partition.read(message(uuid="another"), at=late).changes_nothing()


def test_seen_entries_are_forgotten_after_their_time_and_not_before() -> None:
    partition = Partition()
    partition.read(message())
    week = 7 * 24 * 3_600_000
    partition.pass_time(week - 1)
    assert len(partition.state.tables["seen"]) == 1
    partition.pass_time(week + 61_000)
    assert partition.state.tables["seen"] == {}
