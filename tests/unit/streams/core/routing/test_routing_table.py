"""The transition table, row by row, and the page that shows it."""

import pytest

from schemas.records import Outcome
from streams.core.model.errors import RoutingTableError
from streams.core.model.routing_states import RoutingEvent, RoutingState
from streams.core.routing.machine import TRANSITIONS, Happening, advance, fold
from tests.support.routing_page import routing_table
from tests.support.sources import ROOT

S, E, OUT = RoutingState, RoutingEvent, Outcome
RESULTS = (E.RESULT_SUCCESS, E.RESULT_CANCELLED, E.RESULT_FAILED)
REQUESTS = (E.REQUESTED, E.REQUESTED_LATE)

# state -> event -> (next, outcome settled); what is not listed stays as it is
MOVES: dict[RoutingState, dict[RoutingEvent, tuple[RoutingState, Outcome | None]]] = {
    S.OPEN: {
        E.ACCEPTED: (S.CLAIMED, None),
        E.REFUSED: (S.REFUSED, OUT.REFUSED),
        E.ANSWER_BY_PASSED: (S.TIMED_OUT, OUT.TIMED_OUT),
        E.RESULT_SUCCESS: (S.DONE, OUT.ROUTED),
        E.RESULT_CANCELLED: (S.CANCELLED, OUT.CANCELLED),
        E.RESULT_FAILED: (S.FAILED, OUT.FAILED),
        E.SESSION_ENDED: (S.CANCELLED, OUT.CANCELLED),
    },
    S.CLAIMED: {
        E.RESULT_SUCCESS: (S.DONE, OUT.ROUTED),
        E.RESULT_CANCELLED: (S.CANCELLED, OUT.CANCELLED),
        E.RESULT_FAILED: (S.FAILED, OUT.FAILED),
        E.SESSION_ENDED: (S.CANCELLED, OUT.CANCELLED),
        E.SEATED: (S.SEATED, OUT.ROUTED),
        E.WINDOW_PASSED: (S.FAILED, OUT.FAILED),
    },
    S.TIMED_OUT: {
        E.RESULT_SUCCESS: (S.DONE, OUT.ROUTED),
        E.RESULT_CANCELLED: (S.CANCELLED, OUT.CANCELLED),
        E.RESULT_FAILED: (S.FAILED, None),
    },
    S.REFUSED: {
        E.RESULT_SUCCESS: (S.DONE, OUT.ROUTED),
        E.RESULT_CANCELLED: (S.CANCELLED, None),
        E.RESULT_FAILED: (S.FAILED, None),
    },
    S.EXPIRED: {
        E.RESULT_SUCCESS: (S.DONE, OUT.ROUTED),
        E.RESULT_CANCELLED: (S.CANCELLED, None),
        E.RESULT_FAILED: (S.FAILED, None),
    },
    S.DONE: {
        E.RESULT_CANCELLED: (S.CANCELLED, OUT.CANCELLED),
        E.RESULT_FAILED: (S.FAILED, OUT.FAILED),
        E.WORK_DECLINED: (S.CLAIMED, None),
        E.SEATED: (S.SEATED, None),
    },
    S.SEATED: {},
    S.CANCELLED: {},
    S.FAILED: {},
}
EVERY_PAIR = [(state, event) for state in MOVES for event in E if (state, event) != (S.OPEN, E.WINDOW_PASSED)]


@pytest.mark.parametrize(("state", "event"), EVERY_PAIR, ids=lambda value: value.name)
def test_each_row_leads_where_the_reference_says(state: RoutingState, event: RoutingEvent) -> None:
    expected = MOVES[state].get(event, (state, None))
    assert advance(state, event) == expected


@pytest.mark.parametrize("state", [S.NEW, S.ORPHAN], ids=lambda value: value.name)
def test_a_request_starts_open_or_expired(state: RoutingState) -> None:
    assert advance(state, E.REQUESTED) == (S.OPEN, None)
    assert advance(state, E.REQUESTED_LATE) == (S.EXPIRED, OUT.EXPIRED)


@pytest.mark.parametrize("event", RESULTS, ids=lambda value: value.name)
def test_a_result_without_a_request_is_an_orphan(event: RoutingEvent) -> None:
    assert advance(S.NEW, event) == (S.ORPHAN, None)


UNKNOWN = [
    (S.NEW, E.ACCEPTED),
    (S.NEW, E.ANSWER_BY_PASSED),
    (S.NEW, E.SESSION_ENDED),
    (S.NEW, E.SEATED),
    (S.ORPHAN, E.RESULT_SUCCESS),
    (S.ORPHAN, E.WINDOW_PASSED),
    (S.OPEN, E.WINDOW_PASSED),
]


@pytest.mark.parametrize(("state", "event"), UNKNOWN, ids=lambda value: value.name)
def test_an_unknown_pair_raises_and_names_both(state: RoutingState, event: RoutingEvent) -> None:
    with pytest.raises(RoutingTableError, match=f"event {event} in state {state}"):
        advance(state, event)


def test_the_table_has_no_row_that_the_tests_above_do_not_name() -> None:
    starts = {(state, event) for state in (S.NEW, S.ORPHAN) for event in REQUESTS}
    orphans = {(S.NEW, event) for event in RESULTS}
    assert set(TRANSITIONS) == set(EVERY_PAIR) | starts | orphans


def test_history_is_walked_by_event_time_not_by_reading_order() -> None:
    read = [
        Happening(0, 0, E.REQUESTED),
        Happening(50, 1, E.ANSWER_BY_PASSED),
        Happening(40, 3, E.RESULT_SUCCESS),
    ]
    assert fold(read)[:2] == (S.DONE, OUT.ROUTED)
    assert fold(list(reversed(read)))[:2] == (S.DONE, OUT.ROUTED)


def test_the_outcome_names_what_settled_it_first() -> None:
    refused = Happening(5, 2, E.REFUSED, "busy")
    confirmed = Happening(9, 3, E.RESULT_FAILED, "failed")
    assert fold([Happening(0, 0, E.REQUESTED), confirmed, refused]) == (S.FAILED, OUT.REFUSED, refused)


def test_the_page_shows_the_table_as_it_is() -> None:
    page = (ROOT / "docs" / "routing.md").read_text(encoding="utf-8")
    assert routing_table() in page, "put the output of tests.support.routing_page.routing_table() into docs/routing.md"
