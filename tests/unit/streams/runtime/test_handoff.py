"""Records on their way to the agents: each offset once, one ticket, none forgotten."""

from dataclasses import dataclass

import pytest

from streams.runtime.handoff import Handoff
from streams.runtime.records import TopicPartition


@dataclass(frozen=True, slots=True)
class Fetched:
    offset: int
    timestamp: int = 0


P0, P1 = TopicPartition("in", 0), TopicPartition("in", 1)
ALL = {P0, P1}


def records(*offsets: int) -> list[Fetched]:
    return [Fetched(offset, 1_000 + offset) for offset in offsets]


def offsets(taken: list[Fetched]) -> list[int]:
    return [record.offset for record in taken]


@pytest.mark.parametrize(
    ("second", "new", "taken"),
    [
        pytest.param((3, 4), 2, [0, 1, 2, 3, 4], id="the next fetch"),
        pytest.param((0, 1, 2), 0, [0, 1, 2], id="a seek back to what waits"),
        pytest.param((1, 2, 3), 1, [0, 1, 2, 3], id="an overlap"),
        pytest.param((7, 8), 2, [0, 1, 2, 7, 8], id="a gap: transaction markers have offsets"),
    ],
)
def test_an_offset_is_handed_over_once(second: tuple[int, ...], new: int, taken: list[int]) -> None:
    handoff = Handoff()
    handoff.offer(P0, records(0, 1, 2))
    assert handoff.offer(P0, records(*second)) == new
    assert offsets(handoff.take(P0)) == taken


def test_offsets_already_taken_do_not_come_again() -> None:
    handoff = Handoff()
    handoff.offer(P0, records(0, 1, 2))
    handoff.take(P0)
    assert handoff.offer(P0, records(0, 1, 2)) == 0
    assert handoff.take(P0) == []


def test_a_new_owner_starts_where_it_is_told() -> None:
    handoff = Handoff()
    handoff.offer(P0, records(5, 6))
    handoff.forget([P0, P1])
    assert handoff.offer(P0, records(3, 4)) == 2


def test_a_partition_has_one_ticket_at_a_time() -> None:
    handoff = Handoff()
    handoff.offer(P0, records(0, 1))
    assert [(tp, newest.offset) for tp, newest in handoff.issue_tickets(ALL)] == [(P0, 1)]
    handoff.offer(P0, records(2))
    assert handoff.issue_tickets(ALL) == []
    assert offsets(handoff.take(P0)) == [0, 1, 2]
    assert handoff.issue_tickets(ALL) == []


def test_one_ticket_is_good_for_all_that_waits() -> None:
    handoff = Handoff(max_batch=2)
    handoff.offer(P0, records(0, 1, 2))
    handoff.issue_tickets(ALL)
    assert offsets(handoff.take(P0)) == [0, 1]
    assert handoff.issue_tickets(ALL) == []
    assert offsets(handoff.take(P0)) == [2]
    handoff.offer(P0, records(3))
    assert [(tp, newest.offset) for tp, newest in handoff.issue_tickets(ALL)] == [(P0, 3)]


def test_a_partition_that_is_not_active_gets_no_ticket() -> None:
    handoff = Handoff()
    handoff.offer(P0, records(0))
    assert not handoff.wants_ticket({P1})
    assert handoff.issue_tickets({P1}) == []
    assert [tp for tp, _ in handoff.issue_tickets({P0})] == [P0]


def test_a_ticket_that_was_cleared_from_a_queue_is_issued_again() -> None:
    handoff = Handoff()
    handoff.offer(P0, records(0))
    handoff.issue_tickets(ALL)
    handoff.reissue_tickets()
    assert [tp for tp, _ in handoff.issue_tickets(ALL)] == [P0]


def test_a_ticket_that_could_not_be_delivered_is_issued_again() -> None:
    handoff = Handoff()
    handoff.offer(P0, records(0))
    handoff.issue_tickets(ALL)
    handoff.withdraw_ticket(P0)
    handoff.withdraw_ticket(P1)
    assert [tp for tp, _ in handoff.issue_tickets(ALL)] == [P0]


def test_a_ticket_of_a_revoked_partition_finds_nothing() -> None:
    handoff = Handoff()
    handoff.offer(P0, records(0))
    handoff.issue_tickets(ALL)
    handoff.forget([P0])
    assert handoff.take(P0) == []


def test_a_full_partition_is_not_fetched_until_it_is_taken_from() -> None:
    handoff = Handoff(max_batch=2, max_waiting=3)
    handoff.offer(P0, records(0, 1, 2))
    assert handoff.full() == set()
    handoff.offer(P0, records(3))
    assert handoff.full() == {P0}
    handoff.take(P0)
    assert handoff.full() == set()


def test_the_timestamp_is_that_of_the_newest_record_taken() -> None:
    handoff = Handoff(max_batch=1)
    assert handoff.last_timestamp_ms(P0) == -1
    handoff.offer(P0, records(0, 1))
    assert handoff.last_timestamp_ms(P0) == -1
    handoff.take(P0)
    assert handoff.last_timestamp_ms(P0) == 1_000
    assert not handoff.is_empty(P0)
    handoff.take(P0)
    assert (handoff.last_timestamp_ms(P0), handoff.is_empty(P0)) == (1_001, True)
