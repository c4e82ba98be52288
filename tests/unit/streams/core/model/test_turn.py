"""The turn of one record: what it reads, what it keeps, and the step it ends in."""

import pytest

from streams.core.model.keys import routing_key
from streams.core.model.rules import Rules
from streams.core.model.state import Conversation, RoutingRequest, Seen
from streams.core.model.step import ROUTING, SEEN
from streams.core.model.turn import Turn
from tests.support.domain import MemoryState

OPEN = ("r1", "r2", "r3")
CONVERSATION = Conversation("c", "o", open_request_ids=OPEN)


class CountingState(MemoryState):
    """Counts how often a request is read."""

    reads = 0

    def request(self, conversation_id: str, request_id: str) -> RoutingRequest | None:
        self.reads += 1
        return super().request(conversation_id, request_id)


@pytest.fixture
def state() -> CountingState:
    found = CountingState()
    found.tables[ROUTING] = {routing_key("c", each): RoutingRequest("c", each) for each in OPEN}
    found.tables[SEEN] = {"known": Seen(1)}
    return found


@pytest.fixture
def turn(state: CountingState) -> Turn:
    turn = Turn(state, 5, Rules())
    turn.put_conversation(CONVERSATION)
    return turn


def ids(requests: list[RoutingRequest]) -> list[str]:
    return [each.request_id for each in requests]


def test_a_turn_that_changes_nothing_ends_in_an_empty_step(state: CountingState) -> None:
    assert Turn(state, 5, Rules()).finish().changes_nothing()


def test_the_conversation_cannot_be_read_before_a_handler_has_put_it(state: CountingState) -> None:
    with pytest.raises(LookupError, match="before a handler has put it"):
        _ = Turn(state, 5, Rules()).conversation


def test_the_conversation_gets_its_due_time_when_the_turn_ends(turn: Turn) -> None:
    step = turn.finish()
    assert CONVERSATION.due_at_ms is None
    assert step.conversation is not None
    assert step.conversation.due_at_ms is not None


def test_open_requests_are_read_when_they_are_asked_for_and_only_once(state: CountingState, turn: Turn) -> None:
    assert state.reads == 0
    assert ids(turn.open_requests()) == ids(turn.open_requests()) == list(OPEN)
    assert state.reads == len(OPEN)


def test_open_requests_are_as_the_turn_has_changed_them(turn: Turn) -> None:
    early, late = RoutingRequest("c", "r1", work_item_id="w"), RoutingRequest("c", "r2", work_item_id="w")
    turn.put_request(early)
    assert turn.open_requests()[0] is early
    turn.put_request(late)
    assert turn.open_requests()[1] is late


def test_changed_requests_are_the_open_ones_by_age_and_then_the_others(turn: Turn) -> None:
    turn.put_request(RoutingRequest("c", "new"))
    for request in reversed(turn.open_requests()):
        turn.put_request(RoutingRequest("c", request.request_id, work_item_id="w"))
    assert ids(turn.changed_requests()) == [*OPEN, "new"]


def test_putting_an_open_request_as_it_was_changes_nothing(turn: Turn) -> None:
    turn.put_request(turn.open_requests()[0])
    assert turn.changed_requests() == []


def test_closed_requests_leave_the_open_ones_of_the_conversation(turn: Turn) -> None:
    assert not turn.is_open(RoutingRequest("c", "r1"))  # nobody has asked for the open ones yet
    first = turn.open_requests()[0]
    assert turn.is_open(first)
    turn.close_requests({"r1", "r3"})
    assert turn.conversation.open_request_ids == ("r2",)


def test_a_key_is_seen_when_the_state_has_it_or_this_turn_has_remembered_it(turn: Turn) -> None:
    assert (turn.seen("known"), turn.seen("new")) == (True, False)
    turn.remember("other", 60_001)
    turn.remember("new", 60_001)
    assert turn.seen("new")
    assert turn.finish().seen == [("other", Seen(120_000)), ("new", Seen(120_000))]
