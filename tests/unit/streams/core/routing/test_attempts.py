"""A target declines what the router accepted: the router is asked again while there is time, and answers anew."""

import json

import pytest

from schemas.records import OutboundEvent
from streams.core.model.rules import Rules
from streams.core.model.state import MAX_DECISIONS, MAX_MOMENTS
from streams.core.routing.attempts import attempts_of
from tests.support.domain import (
    REP,
    SECOND,
    T0,
    WORK_ITEM,
    Partition,
    answered,
    decision,
    entry,
    participant,
    requested,
    result,
    session,
)

WORKING = Rules(work_calls=True)
OTHER = "005Hs00000Other"
ANSWER_BY = 50 * SECOND


def declined(*, at: int = 10 * SECOND, word: str = "Declined", work_id: str | None = None) -> OutboundEvent:
    return entry("RoutingWorkResult", {"workType": word, "workTargetId": WORK_ITEM, "workId": work_id}, at=at)


def claimed(rules: Rules = WORKING) -> Partition:
    partition = Partition(rules)
    partition.read(requested())
    partition.read(decision(user_id=REP, decision_id="d1"))
    return partition


def operations(partition: Partition) -> list[str]:
    return [f"{call.method} {call.api}" for call in partition.calls]


@pytest.mark.parametrize("word", ["Declined", "TransferError"])
@pytest.mark.parametrize("confirmed", [False, True], ids=["claimed", "done"])
def test_the_router_is_asked_again_with_the_next_attempt_and_the_same_deadline(word: str, confirmed: bool) -> None:
    partition = claimed()
    if confirmed:
        partition.read(result(at=4 * SECOND))
    partition.read(declined(word=word))
    first, second = partition.tasks
    assert (first.attempt, first.declined_user_ids) == (1, [])
    assert (second.attempt, second.declined_user_ids) == (2, [REP])
    assert (second.request_id, second.answer_by_ms, second.deadline_ms) == ("r1", first.answer_by_ms, first.deadline_ms)
    assert partition.request("r1").state == "CLAIMED"


@pytest.mark.parametrize(
    ("at", "tasks"),
    [
        pytest.param(ANSWER_BY - 1, 2, id="one ms before decisions end"),
        pytest.param(ANSWER_BY, 1, id="when they end"),
    ],
)
def test_it_is_asked_only_while_decisions_are_taken(at: int, tasks: int) -> None:
    partition = claimed()
    partition.read(declined(at=10 * SECOND), at=at)
    assert len(partition.tasks) == tasks


def test_a_decline_of_what_nobody_accepted_asks_nobody() -> None:
    partition = Partition(WORKING)
    partition.read(requested())
    partition.read(declined(at=SECOND))
    partition.read(decision(user_id=REP))
    assert len(partition.tasks) == 1


def test_two_declines_of_one_offer_ask_once() -> None:
    partition = claimed()
    partition.read(declined())
    partition.read(declined(at=11 * SECOND))
    assert [task.attempt for task in partition.tasks] == [1, 2]


@pytest.mark.parametrize(
    "end",
    [
        pytest.param(result("Cancelled", at=5 * SECOND), id="cancelled"),
        pytest.param(result("RoutingError", at=5 * SECOND), id="failed"),
        pytest.param(session("Ended", at=5 * SECOND), id="the session is over"),
    ],
)
def test_nobody_is_asked_for_a_request_that_is_over(end: OutboundEvent) -> None:
    partition = claimed()
    partition.read(end)
    partition.read(declined())
    assert len(partition.tasks) == 1


def test_the_second_answer_is_offered_to_another_rep_and_salesforce_is_not_answered_twice() -> None:
    partition = claimed()
    partition.read(declined())
    partition.read(decision(user_id=OTHER, decision_id="d2", at=12 * SECOND))
    assert operations(partition) == ["POST agentWork", "POST routingResult", "POST agentWork"]
    first, _, second = partition.calls
    assert first.call_id != second.call_id
    assert json.loads(second.body)["userId"] == OTHER
    assert second.deadline_ms == T0 + 60 * SECOND
    partition.read(declined(at=14 * SECOND))
    assert partition.tasks[-1].declined_user_ids == [REP, OTHER]
    assert partition.tasks[-1].attempt == 3


@pytest.mark.parametrize(
    ("rules", "kind"),
    [
        pytest.param(Rules(), "accept", id="the partner makes its own calls"),
        pytest.param(WORKING, "refuse", id="the router gives up"),
    ],
)
def test_no_second_offer_is_made_when(rules: Rules, kind: str) -> None:
    partition = claimed(rules)
    before = len(partition.calls)
    partition.read(declined())
    partition.read(decision(kind, user_id=OTHER, decision_id="d2", at=12 * SECOND))
    assert len(partition.tasks) == 2
    assert len(partition.calls) == before
    assert partition.request("r1").state == "CLAIMED"


def test_no_second_offer_is_made_at_the_deadline() -> None:
    partition = claimed()
    partition.read(declined())
    partition.read(decision(user_id=OTHER, decision_id="d2", at=12 * SECOND), at=60 * SECOND)
    assert len(partition.calls) == 2


def test_no_second_offer_is_made_for_a_request_that_is_over() -> None:
    partition = claimed()
    partition.read(declined())
    partition.read(result("Cancelled", at=11 * SECOND))
    partition.read(decision(user_id=OTHER, decision_id="d2", at=12 * SECOND))
    assert operations(partition).count("POST agentWork") == 1


def test_the_same_answer_again_is_no_second_answer() -> None:
    partition = claimed()
    partition.read(declined())
    assert partition.read(decision(user_id=REP, decision_id="d1", at=12 * SECOND)).counts == [("decision", "repeated")]
    assert len(partition.calls) == 2


def test_a_decision_from_before_the_decline_does_not_answer_it() -> None:
    partition = claimed()
    partition.read(decision(user_id=OTHER, decision_id="d2", at=3 * SECOND))
    partition.read(declined())
    assert len(partition.tasks) == 2
    assert [each.decision and each.decision.decision_id for each in attempts_of(partition.request("r1"), WORKING)] == [
        "d1",
        None,
    ]


def test_a_cancel_takes_back_the_second_offer_and_not_the_declined_one() -> None:
    partition = claimed()
    partition.read(answered(partition.calls[0], agentWorkId="0Bz1"))
    partition.read(declined(work_id="0Bz1"))
    partition.read(decision(user_id=OTHER, decision_id="d2", at=12 * SECOND))
    partition.read(result("Cancelled", at=13 * SECOND))
    assert "PATCH agentWork" not in operations(partition)  # its work has no name yet
    partition.read(answered(partition.calls[2], at=14 * SECOND, agentWorkId="0Bz2"))
    assert [json.loads(call.body)["workId"] for call in partition.calls if call.method == "PATCH"] == ["0Bz2"]
    assert [each.kind for each in partition.request("r1").calls] == ["agentWork", "agentWork#2"]


REMOVING = Rules(work_calls=True, remove_rerouted=True)


def rerouted(rules: Rules = REMOVING, second: str = OTHER) -> Partition:
    """REP declined, another rep got the offer."""
    partition = claimed(rules)
    partition.read(result(at=4 * SECOND))
    partition.read(declined())
    partition.read(decision(user_id=second, decision_id="d2", at=12 * SECOND))
    return partition


def removed(partition: Partition) -> list[str]:
    calls = [json.loads(call.body) for call in partition.calls if call.api == "participant"]
    return [call["participants"][0]["subject"] for call in calls]


def test_who_declined_is_removed_once_another_has_joined_and_not_before() -> None:
    partition = rerouted()
    assert removed(partition) == []
    partition.read(entry("RoutingWorkResult", {"workType": "Accepted", "workTargetId": WORK_ITEM}, at=13 * SECOND))
    assert partition.request("r1").state == "SEATED"
    assert removed(partition) == [REP]
    call = partition.calls[-1]
    assert (call.created_at_ms, call.deadline_ms) == (T0 + 13 * SECOND, T0 + 193 * SECOND)


@pytest.mark.parametrize(
    ("rules", "second", "joins"),
    [
        pytest.param(WORKING, OTHER, None, id="the rules do not say so"),
        pytest.param(REMOVING, REP, None, id="who declined got the offer again"),
        pytest.param(REMOVING, OTHER, REP, id="who declined joined after all"),
    ],
)
def test_nobody_is_removed_when(rules: Rules, second: str, joins: str | None) -> None:
    partition = rerouted(rules, second)
    if joins is None:
        joined = entry("RoutingWorkResult", {"workType": "Accepted", "workTargetId": WORK_ITEM}, at=13 * SECOND)
    else:
        joined = participant("add", joins, at=13 * SECOND)
    partition.read(joined)
    assert partition.request("r1").state == "SEATED"
    assert removed(partition) == []


def test_nobody_is_removed_when_joining_is_read_too_late() -> None:
    partition = rerouted()
    joined = entry("RoutingWorkResult", {"workType": "Accepted", "workTargetId": WORK_ITEM}, at=13 * SECOND)
    partition.read(joined, at=193 * SECOND)
    assert removed(partition) == []


def test_nobody_is_removed_for_a_request_whose_session_was_over_before_someone_joined() -> None:
    partition = rerouted()
    partition.read(session("Inactive", at=12_500))
    partition.read(entry("RoutingWorkResult", {"workType": "Accepted", "workTargetId": WORK_ITEM}, at=13 * SECOND))
    assert [moment.event for moment in partition.request("r1").moments] == ["work_declined", "session_ended", "seated"]
    assert partition.request("r1").state == "CANCELLED"
    assert removed(partition) == []


def test_a_decline_after_the_router_has_given_up_asks_nobody() -> None:
    partition = claimed()
    partition.read(declined())
    partition.read(decision("refuse", decision_id="d2", at=12 * SECOND))
    partition.read(declined(at=13 * SECOND))
    assert [task.attempt for task in partition.tasks] == [1, 2]


def test_a_decline_that_is_read_after_its_answer_asks_nobody() -> None:
    partition = claimed()
    partition.read(decision(user_id=OTHER, decision_id="d2", at=12 * SECOND))
    partition.read(declined(at=10 * SECOND), at=13 * SECOND)
    assert [task.attempt for task in partition.tasks] == [1]
    assert json.loads(partition.calls[-1].body)["userId"] == OTHER


def test_who_joins_seats_the_request_that_was_declined_and_not_one_for_a_contact_outside() -> None:
    partition = Partition(WORKING)
    partition.read(requested("outside", userId="ext-agent-9"))
    partition.read(decision(request_id="outside", externally_routed=True, decision_id="d0", at=SECOND))
    partition.read(result(at=2 * SECOND))
    partition.read(requested("r1", at=3 * SECOND, routing_type="Conference", userId=None, queueId="00GHs00000Que12"))
    partition.read(decision(user_id=REP, decision_id="d1", at=4 * SECOND))
    partition.read(result(at=5 * SECOND, routing_type="Conference"))
    partition.read(declined(at=6 * SECOND))
    partition.read(decision(user_id=OTHER, decision_id="d2", at=7 * SECOND))
    partition.read(participant("add", OTHER, at=8 * SECOND))
    partition.read(session("Ended", at=8 * SECOND))
    assert [partition.request(each).state for each in ("outside", "r1")] == ["DONE", "SEATED"]
    assert partition.outcome_words() == ["routed", "routed"]


def test_decisions_and_declines_of_one_request_are_bounded() -> None:
    partition = claimed()
    for number in range(MAX_DECISIONS + 4):
        partition.read(decision(user_id=OTHER, decision_id=f"more-{number}", at=3 * SECOND + number))
        partition.read(declined(at=4 * SECOND + number))
    request = partition.request("r1")
    assert (len(request.decisions), len(request.moments)) == (MAX_DECISIONS, MAX_MOMENTS)
