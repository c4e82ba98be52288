"""The demo's table of entry types: a row each, also for those that nobody published, and fates that add up."""

import io

import pytest
from rich.console import Console

from byoc.demo.result_tables import table_of_types
from byoc.partner.received import Line
from byoc.verification.entry_types import Fate, TypeCount, count_types
from byoc.verification.evidence import Evidence, Published
from schemas.records import Delivery, OutboundEvent
from simulator.events.expectation import EXPECTED_OF
from tests.support.public_schema import PublicSchema, SchemaFile


def published(uuid: str, entry_type: str | None, expect: str, *, repeat: bool = False) -> Published:
    return Published(
        event_uuid=uuid,
        replay_id=f"{uuid}{repeat}".encode(),
        conversation_id="cv-1",
        seq=1,
        entry_type=entry_type,
        duplicate_of_seq=1 if repeat else None,
        expect=expect,
        request_id=None,
    )


def mirrored(event: Published) -> OutboundEvent:
    return OutboundEvent(
        event_uuid=event.event_uuid,
        replay_id=event.replay_id,
        schema_id="s",
        topic="t",
        org_id="o",
        event_type="Interaction",
        conversation_id=event.conversation_id,
        created_at_ms=1,
        received_at_ms=1,
        payload="{}",
    )


def counted(events: list[Published], *, accepted: str | None = None, unmirrored: str = "") -> dict[str, TypeCount]:
    """`accepted` is the event that became a delivery which the partner took."""
    delivery = Delivery(
        delivery_id="d1",
        conversation_id="cv-1",
        org_id="o",
        entry_id="e1",
        kind="message",
        created_at_ms=1,
        event_uuid=accepted or "",
    )
    line = Line(
        delivery_id="d1",
        conversation_id="cv-1",
        entry_id="e1",
        kind="message",
        text="hello",
        received_at_ms=2,
        repeat=False,
    )
    evidence = Evidence(
        published=events,
        concluded=[],
        events=[mirrored(event) for event in events if event.event_uuid != unmirrored],
        deliveries=[delivery] if accepted else [],
        tasks=[],
        outcomes=[],
        calls=[],
        results=[],
        attempts=[],
        dead_letters=0,
        received=[line] if accepted else [],
    )
    return {row.entry_type: row for row in count_types(evidence)}


def test_a_type_that_was_not_published_has_a_row_of_zeros() -> None:
    rows = counted([published("u1", "Note", "withhold")])
    assert set(EXPECTED_OF) < set(rows)
    assert rows["FlagLower"].published == 0
    assert rows["FlagLower"].fates.total() == 0
    assert (rows["FlagLower"].expected, rows["Note"].published) == ("withhold", 1)


def test_the_processor_and_the_ledger_that_judges_it_give_each_type_the_same_class() -> None:
    words = [(name, expectation.value.partition("_")[0]) for name, expectation in EXPECTED_OF.items()]
    shown = [(row.entry_type, row.expected) for row in counted([]).values()]
    assert shown == [*words, ("RoutingRequested", "routing"), ("(unknown)", "withhold")]


def test_the_types_are_those_of_the_public_schema() -> None:
    path = SchemaFile().public_schema
    if not path.is_file():
        pytest.skip(f"the public schema file is not at {path}; set BYOC_PUBLIC_SCHEMA to its path")
    assert set(PublicSchema(path).schemas["EntryType"]["enum"]) == set(EXPECTED_OF)


@pytest.mark.parametrize(
    ("entry_type", "expect", "row", "fate"),
    [
        pytest.param("Message", "deliver", "Message", Fate.LOST, id="message that never arrived"),
        pytest.param("Message", "withhold", "Message", Fate.WITHHELD, id="internal message"),
        pytest.param("ProgressIndicator", "ephemeral", "ProgressIndicator", Fate.STALE, id="old progress"),
        pytest.param("Note", "withhold", "Note", Fate.WITHHELD, id="note"),
        pytest.param("MessageUpdated", "state", "MessageUpdated", Fate.STATE, id="state"),
        pytest.param("RoutingResult", "routing_result", "RoutingResult", Fate.ROUTING, id="result"),
        pytest.param(None, "routing_request", "RoutingRequested", Fate.ROUTING, id="request"),
        pytest.param("Tomorrow", "withhold", "(unknown)", Fate.WITHHELD, id="unknown type"),
        pytest.param(None, "withhold", "(unknown)", Fate.WITHHELD, id="unreadable"),
    ],
)
def test_what_was_not_delivered_has_the_fate_of_its_class(
    entry_type: str | None, expect: str, row: str, fate: Fate
) -> None:
    assert counted([published("u1", entry_type, expect)])[row].fates == {fate: 1}


@pytest.mark.parametrize("expect", ["deliver", "ephemeral", "withhold"])
def test_delivered_is_what_the_partner_took_whatever_was_expected(expect: str) -> None:
    assert counted([published("u1", "Message", expect)], accepted="u1")["Message"].fates == {Fate.DELIVERED: 1}


def test_a_repeat_is_counted_apart_and_an_event_that_is_not_mirrored_is_lost() -> None:
    events = [
        published("u1", "Message", "deliver"),
        published("u1", "Message", "deliver", repeat=True),
        published("u2", "Note", "withhold"),
    ]
    rows = counted(events, accepted="u1", unmirrored="u2")
    assert rows["Message"].fates == {Fate.DELIVERED: 1, Fate.REPEATED: 1}
    assert rows["Note"].fates == {Fate.LOST: 1}
    assert all(row.published == row.fates.total() for row in rows.values())


def test_the_table_shows_every_type_with_its_zeros_in_the_width_of_a_log() -> None:
    console = Console(file=io.StringIO(), width=110)
    console.print(table_of_types(list(counted([published("u1", "Message", "deliver")], accepted="u1").values())))
    file = console.file
    assert isinstance(file, io.StringIO)
    cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in file.getvalue().splitlines() if "│" in line]
    shown = {row[0]: row[1:] for row in cells}
    assert set(EXPECTED_OF) | {"RoutingRequested", "(unknown)"} == set(shown)
    assert shown["Message"] == ["deliver", "1", "1", "0", "0", "0", "0", "0", "0"]
    assert shown["ParticipantsConferenced"] == ["state", *["0"] * 8]
