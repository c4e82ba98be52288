"""Which request a result belongs to."""

from typing import Any

import pytest

from streams.core.model.rules import Rules
from streams.core.model.state import MAX_OPEN_REQUESTS, MAX_ORPHANS, MAX_RESULTS
from tests.support.domain import REP, SECOND, Partition, participant, party, requested, result

RULES = Rules()
REP_2 = "005Hs00000ZzZzZ"
QUEUE = "00GHs00000AbCdE"


def two_requests(**second: Any) -> Partition:
    """r1 for a rep and r2 for another, both without a result."""
    partition = Partition()
    partition.read(requested("r1", router="router-1"))
    partition.read(requested("r2", at=SECOND, **{"userId": REP_2, "router": "router-2", **second}))
    return partition


def bound(partition: Partition) -> list[str]:
    """The requests that have a result."""
    found = [partition.request(each) for each in ("r1", "r2")]
    return [each.request_id for each in found if each.results]


QUEUE_DETAILS = {"routingConfigurationType": "QueueRoutingType", "queueId": QUEUE + "AAA"}

EVIDENCE = [
    pytest.param({"entry_id": "r2"}, id="a: the entry id is the request id"),
    pytest.param({"eventId": "r2"}, id="a: an eventId nobody promised"),
    pytest.param({"routingCorrelationId": "r2"}, id="a: a routingCorrelationId"),
    pytest.param({"channelData": '{"eventId": "r2"}'}, id="a: channelData"),
    pytest.param({"sender": party("Router", "router-2")}, id="c: the router participant"),
    pytest.param({"routingConfigurationDetails": {"agentId": REP_2 + "AAA"}}, id="d: the rep, 18 characters"),
]


@pytest.mark.parametrize("fields", EVIDENCE)
def test_evidence_picks_the_request(fields: dict[str, Any]) -> None:
    partition = two_requests()
    partition.read(result("None", at=2 * SECOND, **fields))
    assert bound(partition) == ["r2"]
    assert partition.request("r2").ambiguous is False
    assert [each.request_id for each in partition.outcomes] == ["r2"]


def test_the_queue_picks_the_request() -> None:
    partition = two_requests(userId=None, queueId=QUEUE)
    partition.read(result("None", at=2 * SECOND, routingConfigurationDetails=QUEUE_DETAILS))
    assert bound(partition) == ["r2"]


def test_the_routing_record_of_an_earlier_result_picks_the_request() -> None:
    partition = two_requests()
    partition.read(result("None", at=2 * SECOND, entry_id="r2", pendingServiceRoutingId="0JRx"))
    partition.read(result("Cancelled", at=3 * SECOND, pendingServiceRoutingId="0JRx"))
    assert [each.outcome for each in partition.outcomes if each.request_id == "r2"] == ["routed", "cancelled"]
    assert partition.request("r1").results == ()


def test_stronger_evidence_goes_before_weaker() -> None:
    partition = two_requests()
    fields: dict[str, Any] = {"eventId": "r2", "routingConfigurationDetails": {"agentId": REP}}
    partition.read(result("None", at=2 * SECOND, sender=party("Router", "router-1"), **fields))
    assert bound(partition) == ["r2"]


def test_a_router_subject_of_another_role_is_no_evidence() -> None:
    partition = two_requests()
    partition.read(result("None", at=2 * SECOND, sender=party("Agent", "router-2")))
    assert bound(partition) == ["r1"]
    assert partition.request("r1").ambiguous is True


def test_the_only_candidate_is_taken() -> None:
    partition = Partition()
    partition.read(requested("r1"))
    partition.read(result("None"))
    assert partition.request("r1").ambiguous is False
    assert partition.outcomes[0].ambiguous is False


def test_without_evidence_the_oldest_is_taken_and_flagged() -> None:
    partition = two_requests()
    partition.read(result("None", at=2 * SECOND))
    assert bound(partition) == ["r1"]
    assert partition.outcomes[0].ambiguous is True
    assert ("ambiguous", "result_success") in partition.counts


def test_requests_without_a_result_go_before_those_with_an_early_success() -> None:
    partition = two_requests()
    partition.read(result("None", at=2 * SECOND, entry_id="r2"))
    partition.read(result("Cancelled", at=3 * SECOND))
    assert [each.outcome for each in partition.outcomes] == ["routed", "cancelled"]
    assert partition.request("r1").state == "CANCELLED"
    assert partition.request("r1").ambiguous is False


def test_evidence_for_one_with_an_early_success_is_stronger_than_being_without_a_result() -> None:
    partition = two_requests()
    partition.read(result("None", at=2 * SECOND, entry_id="r2"))
    partition.read(result("Cancelled", at=3 * SECOND, routingConfigurationDetails={"agentId": REP_2}))
    assert partition.request("r2").state == "CANCELLED"
    assert partition.request("r1").state == "OPEN"


def test_of_several_early_successes_the_newest_is_withdrawn_and_flagged() -> None:
    partition = two_requests()
    partition.read(result("None", at=2 * SECOND, entry_id="r1"))
    partition.read(result("None", at=2 * SECOND, entry_id="r2"))
    partition.read(result("Cancelled", at=3 * SECOND))
    assert partition.request("r2").state == "CANCELLED"
    assert partition.request("r2").ambiguous is True
    assert partition.request("r1").state == "DONE"


@pytest.mark.parametrize(
    ("routing_type", "expected"),
    [
        pytest.param("Conference", ["r2"], id="the same type"),
        pytest.param("Transfer", ["r1"], id="the other type"),
        pytest.param("Initial", [], id="a type nobody asked for"),
        pytest.param(None, ["r1"], id="no type: conversation only"),
    ],
)
def test_the_routing_type_limits_the_candidates(routing_type: str | None, expected: list[str]) -> None:
    partition = two_requests(routing_type="Conference")
    partition.read(result("None", at=2 * SECOND, routing_type=routing_type))
    assert bound(partition) == expected


@pytest.mark.parametrize(
    ("at", "binds"),
    [
        pytest.param(-RULES.skew_ms - 1, False, id="created before the request by more than the skew"),
        pytest.param(-RULES.skew_ms, True, id="created before the request by the skew"),
        pytest.param(RULES.result_window_ms, True, id="at the end of the window"),
        pytest.param(RULES.result_window_ms + 1, False, id="after the window"),
    ],
)
def test_only_requests_of_the_right_age_are_candidates(at: int, binds: bool) -> None:
    partition = Partition()
    partition.read(requested("r1"))
    partition.read(result("None", at=at), at=0)
    assert bool(partition.request("r1").results) is binds
    assert (("orphan", "result_success") in partition.counts) is not binds


def test_an_early_success_can_be_withdrawn_at_any_age() -> None:
    partition = Partition()
    partition.read(requested("r1"))
    partition.read(result("None", at=SECOND))
    partition.pass_time(3600 * SECOND)
    partition.read(result("Cancelled", at=3600 * SECOND))
    assert partition.outcome_words() == ["routed", "cancelled"]


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"sender": party("Router", "router-2")}, id="another router participant"),
        pytest.param({"routingConfigurationDetails": {"agentId": REP_2}}, id="another rep"),
    ],
)
def test_a_cancel_that_names_another_waits_for_its_own_request(fields: dict[str, Any]) -> None:
    partition = Partition()
    partition.read(requested("r1", router="router-1"))
    partition.read(result("None", at=SECOND))
    partition.read(result("Cancelled", at=3 * SECOND, **fields))
    partition.read(requested("r2", at=2 * SECOND, userId=REP_2, router="router-2"))
    assert [partition.request(each).outcome for each in ("r1", "r2")] == ["routed", "cancelled"]


def test_a_success_is_not_bound_to_a_request_that_has_one() -> None:
    partition = Partition()
    partition.read(requested("r1"))
    partition.read(result("None", at=SECOND))
    partition.read(result("None", at=2 * SECOND))
    assert len(partition.request("r1").results) == 1
    assert ("orphan", "result_success") in partition.counts


def test_after_someone_joined_a_cancel_is_not_for_this_request() -> None:
    partition = Partition()
    partition.read(requested("r1"))
    partition.read(result("None", at=SECOND))
    partition.read(participant("add", REP, at=2 * SECOND))
    partition.read(result("Cancelled", at=3 * SECOND))
    assert partition.outcome_words() == ["routed"]
    assert partition.conversation.open_request_ids == ()


@pytest.mark.parametrize(
    ("subject", "role", "state"),
    [
        pytest.param(REP + "AAA", "Agent", "SEATED", id="the rep who was asked for, 18 characters"),
        pytest.param(REP_2, "Agent", "DONE", id="another rep"),
        pytest.param(REP, "Router", "DONE", id="a router"),
        pytest.param(REP, "Supervisor", "DONE", id="a supervisor"),
    ],
)
def test_who_joins_decides_what_is_seated(subject: str, role: str, state: str) -> None:
    partition = Partition()
    partition.read(requested("r1"))
    partition.read(result("None", at=SECOND))
    partition.read(participant("add", subject, role, at=2 * SECOND))
    assert partition.request("r1").state == state


def test_whoever_joins_seats_a_request_for_nobody_by_name() -> None:
    partition = Partition()
    partition.read(requested("r1", userId=None, queueId=QUEUE))
    partition.read(result("None", at=SECOND))
    partition.read(participant("add", REP_2, "Chatbot", at=SECOND - 1))  # clocks differ
    assert partition.request("r1").state == "SEATED"


def test_a_result_before_its_request_is_kept_until_the_request() -> None:
    partition = Partition()
    partition.read(result("None", at=2 * SECOND, uuid="res-1"))
    assert len(partition.conversation.orphans) == 1
    partition.read(requested("r1", at=SECOND, received=3 * SECOND))
    assert partition.tasks == []
    assert partition.calls == []
    (outcome,) = partition.outcomes
    assert (outcome.outcome, outcome.request_id, outcome.result_event_uuid) == ("routed", "r1", "res-1")
    assert partition.request("r1").result_came_first is True
    assert not partition.conversation.orphans
    partition.pass_time(RULES.result_window_ms)
    assert len(partition.outcomes) == 1


@pytest.mark.parametrize(("failure_type", "outcome"), [("Cancelled", "cancelled"), ("RoutingError", "failed")])
def test_a_cancel_or_failure_before_its_request_closes_it(failure_type: str, outcome: str) -> None:
    partition = Partition()
    partition.read(result(failure_type, at=2 * SECOND))
    partition.read(requested("r1", at=SECOND, received=3 * SECOND))
    assert partition.tasks == []
    assert partition.outcome_words() == [outcome]
    assert partition.conversation.open_request_ids == ()


def test_success_and_cancel_before_their_request_both_wait_for_it() -> None:
    partition = Partition()
    partition.read(result("None", at=2 * SECOND))
    partition.read(result("Cancelled", at=3 * SECOND))
    partition.read(requested("r1", at=SECOND, received=4 * SECOND))
    assert partition.outcome_words() == ["cancelled"]
    assert not partition.conversation.orphans


@pytest.mark.parametrize(
    ("created", "received", "binds"),
    [
        pytest.param(2 * SECOND, 3 * SECOND, True, id="created with the result"),
        pytest.param(2 * SECOND + 1, 3 * SECOND, False, id="created after the result"),
        pytest.param(0, 2_020 + RULES.orphan_window_ms, True, id="received at the end of the wait"),
        pytest.param(0, 2_021 + RULES.orphan_window_ms, False, id="received after the wait"),
        pytest.param(2 * SECOND - RULES.result_window_ms - 1, 3 * SECOND, False, id="too old for the result"),
    ],
)
def test_a_waiting_result_is_bound_to_an_older_request_in_time(created: int, received: int, binds: bool) -> None:
    partition = Partition()
    partition.read(result("None", at=2 * SECOND, received=2_020))
    partition.read(requested("r1", at=created, received=received))
    assert bool(partition.request("r1").results) is binds
    assert bool(partition.conversation.orphans) is not binds


def test_a_waiting_result_of_another_type_is_left_alone() -> None:
    partition = Partition()
    partition.read(result("None", at=2 * SECOND, routing_type="Conference"))
    partition.read(requested("r1", at=SECOND, received=3 * SECOND))
    assert len(partition.tasks) == 1


def test_waiting_results_are_bounded_and_old_ones_go() -> None:
    partition = Partition()
    for index in range(MAX_ORPHANS + 2):
        partition.read(result("None", at=SECOND + index))
    assert len(partition.conversation.orphans) == MAX_ORPHANS
    partition.read(result("None", at=SECOND + RULES.orphan_window_ms + 100))
    assert len(partition.conversation.orphans) == 1


def test_open_requests_are_bounded_and_the_oldest_goes() -> None:
    partition = Partition()
    for index in range(MAX_OPEN_REQUESTS + 1):
        partition.read(requested(f"r{index}", at=index))
    assert len(partition.conversation.open_request_ids) == MAX_OPEN_REQUESTS
    assert partition.conversation.open_request_ids[0] == "r1"
    partition.pass_time(RULES.answer_by_ms + 100)
    assert partition.outcome_words() == ["timed_out"] * (MAX_OPEN_REQUESTS + 1)


@pytest.mark.parametrize("later", ["None", "RoutingError"])
def test_results_of_one_request_are_bounded(later: str) -> None:
    partition = Partition()
    partition.read(requested("r1"))
    for index in range(MAX_RESULTS + 2):
        partition.read(result("None" if index == 0 else later, at=SECOND + index, entry_id=f"x{index}"))
    assert len(partition.request("r1").results) <= MAX_RESULTS


@pytest.mark.parametrize(
    ("fields", "verdict"),
    [
        pytest.param({"failureType": "None"}, "result_success", id="None"),
        pytest.param({"failureType": "NoError"}, "result_success", id="NoError"),
        pytest.param({"failureType": "NO_ERROR"}, "result_success", id="NO_ERROR"),
        pytest.param({"failureType": "None", "errorMessages": ["queued"]}, "result_success", id="text on success"),
        pytest.param({"failureType": "Cancelled"}, "result_cancelled", id="Cancelled"),
        pytest.param({"failureType": "SubmissionError"}, "result_failed", id="SubmissionError"),
        pytest.param({"failureType": "Unknown"}, "result_failed", id="Unknown"),
        pytest.param({"failureType": "SomethingNew"}, "result_failed", id="a new failure"),
        pytest.param({"failureType": None}, "result_failed", id="missing is not success"),
        pytest.param({"failureType": ""}, "result_failed", id="empty is not success"),
    ],
)
def test_success_has_to_be_said(fields: dict[str, Any], verdict: str) -> None:
    partition = Partition()
    partition.read(requested("r1"))
    partition.read(result(**{"failure_type": fields["failureType"], **{k: fields[k] for k in fields if k[0] == "e"}}))
    assert partition.request("r1").results[0].verdict == verdict


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        pytest.param({"failureReason": "queue closed", "errorMessages": ["x"]}, "queue closed", id="failureReason"),
        pytest.param({"cancelReason": "Decline", "errorMessages": ["x"]}, "Decline", id="cancelReason"),
        pytest.param({"errorMessages": ["a", None, "b"]}, "a; b", id="messages"),
        pytest.param({"errorMessages": "a"}, None, id="messages that are no list"),
    ],
)
def test_the_reason_of_a_failure_is_kept(fields: dict[str, Any], reason: str | None) -> None:
    partition = Partition()
    partition.read(requested("r1"))
    partition.read(result("RoutingError", **fields))
    assert partition.outcomes[0].reason == reason
