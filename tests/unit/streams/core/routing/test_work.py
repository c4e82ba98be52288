"""Calls that bring work to reps and take it back, and what their results change."""

import json
from typing import Any

import pytest

from schemas.records import SalesforceCall
from streams.core.model.rules import DAY_MS, Rules
from streams.core.model.state import CallState
from tests.support.domain import (
    CONVERSATION,
    REP,
    SECOND,
    T0,
    WORK_ITEM,
    Partition,
    answered,
    decision,
    entry,
    message,
    participant,
    requested,
    result,
    session,
)

WORKING = Rules(work_calls=True)
QUEUE, FLOW = "00GHs00000Que12", "300Hs00000Flo12"


def accepted(
    *, rules: Rules = WORKING, user_id: str | None = REP, external: bool = False, **parameters: Any
) -> Partition:
    partition = Partition(rules)
    partition.read(requested(**parameters))
    partition.read(decision(user_id=user_id, externally_routed=external))
    return partition


def operations(partition: Partition) -> list[str]:
    return [f"{call.method} {call.api}" for call in partition.calls]


def body(call: SalesforceCall) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(call.body)
    return found


ORDERS = [
    pytest.param({}, ["POST agentWork", "POST routingResult"], id="a rep"),
    pytest.param({"user_id": None}, ["POST routingResult"], id="nobody named"),
    pytest.param({"external": True}, ["POST routingResult"], id="someone outside Salesforce"),
    pytest.param(
        {"userId": None, "queueId": QUEUE},
        ["POST route", "POST agentWork", "POST routingResult"],
        id="a queue and a rep",
    ),
    pytest.param(
        {"userId": None, "queueId": QUEUE, "user_id": None}, ["POST route", "POST routingResult"], id="a queue"
    ),
    pytest.param({"userId": None, "flowId": FLOW, "user_id": None}, ["POST route", "POST routingResult"], id="a flow"),
    pytest.param({"rules": Rules()}, ["POST routingResult"], id="the partner makes its own calls"),
    pytest.param({"work_item": None}, [], id="no work item is known"),
]


@pytest.mark.parametrize(("how", "expected"), ORDERS)
def test_an_accepted_request_makes_its_calls_in_the_order_salesforce_wants(
    how: dict[str, Any], expected: list[str]
) -> None:
    assert operations(accepted(**how)) == expected


def test_the_offer_names_rep_work_item_and_request() -> None:
    offer = accepted().calls[0]
    assert body(offer) == {
        "userId": REP,
        "workItemId": WORK_ITEM,
        "capacityWeight": 1.0,
        "routingContext": {
            "conversationIdentifier": CONVERSATION,
            "routingType": "Transfer",
            "routingCorrelationId": "r1",
        },
    }
    assert (offer.request_id, offer.deadline_ms) == ("r1", T0 + 60 * SECOND)


@pytest.mark.parametrize(
    ("target", "info"),
    [
        pytest.param({"queueId": QUEUE}, {"queueId": QUEUE}, id="queue"),
        pytest.param({"flowId": FLOW, "queueId": QUEUE}, {"flow": {"flowId": FLOW, "queueId": QUEUE}}, id="flow"),
        pytest.param({"flowId": FLOW}, None, id="a flow without its fallback queue"),
    ],
)
def test_a_route_names_its_queue_or_flow(target: dict[str, Any], info: object) -> None:
    route = body(accepted(userId=None, user_id=None, **target).calls[0])
    assert (route["conversationIdentifier"], route["routingType"]) == (CONVERSATION, "Transfer")
    assert route.get("routingInfo") == info


def test_a_repeated_decision_makes_no_second_offer() -> None:
    partition = accepted()
    before = len(partition.calls)
    partition.read(decision(user_id="005Other", at=3 * SECOND))
    assert len(partition.calls) == before


def taken_back(partition: Partition) -> list[str]:
    return [each for each in operations(partition) if each in ("DELETE route", "PATCH agentWork")]


def offered(**how: Any) -> Partition:
    """A request for a queue whose offer Salesforce has accepted."""
    partition = accepted(userId=None, queueId=QUEUE, **how)
    offer = next(call for call in partition.calls if call.api == "agentWork")
    partition.read(answered(offer, agentWorkId="0Bz1"))
    return partition


ENDS = [
    pytest.param(result("Cancelled", at=9 * SECOND, cancelReason="Cancel"), True, id="the rep withdraws"),
    pytest.param(result("RoutingError", at=9 * SECOND), True, id="it fails"),
    pytest.param(session("Ended", at=9 * SECOND), True, id="the session ends"),
    pytest.param(result("None", at=9 * SECOND), False, id="it succeeds"),
    pytest.param(message(at=9 * SECOND), False, id="nothing of the kind"),
]


@pytest.mark.parametrize(("end", "undone"), ENDS)
def test_what_was_made_is_taken_back_when_the_request_is_cancelled_or_fails(end: Any, undone: bool) -> None:
    partition = offered()
    partition.read(end)
    assert taken_back(partition) == (["DELETE route", "PATCH agentWork"] if undone else [])


def test_a_cancel_after_an_early_success_takes_the_offer_back_once() -> None:
    partition = offered()
    partition.read(result("None", at=5 * SECOND))
    partition.read(result("Cancelled", at=9 * SECOND, cancelReason="EndUserEnded"))
    partition.read(result("Cancelled", at=10 * SECOND))
    unroute, cancel = partition.calls[-2:]
    assert body(unroute) == {"conversationIdentifier": CONVERSATION}  # that reason is no word of the API
    assert body(cancel) == {"workId": "0Bz1", "contextType": "Agent", "status": "Cancel"}
    assert cancel.deadline_ms == T0 + (9 + 180) * SECOND
    assert len(taken_back(partition)) == 2


def test_the_answer_to_an_undo_causes_no_second_one() -> None:
    partition = offered()
    partition.read(result("Cancelled", at=9 * SECOND))
    for call in partition.calls[-2:]:
        partition.read(answered(call, "failed", at=11 * SECOND))
    assert taken_back(partition) == ["DELETE route", "PATCH agentWork"]


def test_the_reason_of_a_cancel_is_passed_on() -> None:
    partition = offered()
    partition.read(result("Cancelled", at=9 * SECOND, cancelReason="Unavailable"))
    assert body(partition.calls[-2])["cancelReason"] == "Unavailable"


def test_after_someone_joined_nothing_is_taken_back() -> None:
    partition = offered()
    partition.read(result("None", at=5 * SECOND))
    partition.read(participant("add", REP, at=6 * SECOND))
    partition.read(result("Cancelled", at=9 * SECOND))
    partition.read(session("Ended", at=20 * SECOND))
    assert taken_back(partition) == []


def test_an_offer_whose_id_is_learned_after_the_cancel_is_taken_back_then() -> None:
    partition = accepted()
    partition.read(result("Cancelled", at=9 * SECOND))
    assert taken_back(partition) == []
    partition.read(answered(partition.calls[0], at=10 * SECOND, agentWorkId="0Bz1"))
    assert taken_back(partition) == ["PATCH agentWork"]


def work(work_id: str = "0Bz7", work_type: str = "Assigned") -> Any:
    fields = {"workId": work_id, "workTargetId": WORK_ITEM, "workType": work_type, "routingType": "Transfer"}
    return entry("RoutingWorkResult", fields, at=4 * SECOND)


def test_an_offer_whose_answer_was_lost_is_taken_back_by_the_id_that_salesforce_tells() -> None:
    partition = accepted()
    partition.read(work())
    partition.read(result("Cancelled", at=9 * SECOND))
    assert body(partition.calls[-1])["workId"] == "0Bz7"


def test_work_that_can_be_for_two_requests_is_kept_with_neither() -> None:
    partition = accepted()
    partition.read(requested("r2", at=SECOND))
    partition.read(work())
    assert [partition.request(each).agent_work_id for each in ("r1", "r2")] == [None, None]


def test_nothing_is_taken_back_when_it_is_no_use_any_more() -> None:
    partition = offered()
    partition.read(result("Cancelled", at=9 * SECOND), at=(9 + 180) * SECOND)
    assert taken_back(partition) == []


def test_a_request_keeps_what_became_of_its_calls() -> None:
    partition = accepted()
    offer, answer = partition.calls
    partition.read(answered(answer, "rejected", code=10033))
    partition.read(answered(offer, at=4 * SECOND, agentWorkId="0Bz1", psrId="0JR1"))
    assert partition.request("r1").calls == (
        CallState("agentWork", "accepted", T0 + 4 * SECOND, None, "0Bz1", "0JR1"),
        CallState("routingResult", "rejected", T0 + 3 * SECOND, 10033),
    )


@pytest.mark.parametrize(
    ("first", "second", "kept"),
    [
        pytest.param(("accepted", 3), ("failed", 5), "accepted", id="acceptance stands"),
        pytest.param(("failed", 5), ("accepted", 3), "accepted", id="acceptance wins"),
        pytest.param(("failed", 3), ("rejected", 5), "rejected", id="else the later"),
        pytest.param(("rejected", 5), ("failed", 3), "rejected", id="not the earlier"),
    ],
)
def test_of_two_results_of_one_call(first: tuple[str, int], second: tuple[str, int], kept: str) -> None:
    partition = accepted()
    for outcome, at in (first, second):
        partition.read(answered(partition.calls[1], outcome, at=at))
    assert [each.outcome for each in partition.request("r1").calls] == [kept]


def test_a_result_read_before_its_request_leaves_the_same_state() -> None:
    made = accepted().calls[1]
    before, after = Partition(WORKING), Partition(WORKING)
    asked, said = requested(uuid="u"), answered(made)
    for each in (said, asked):
        before.read(each)
    for each in (asked, said):
        after.read(each)
    assert before.state.facts() == after.state.facts()


def test_results_of_calls_without_a_request_are_dropped_after_their_retention() -> None:
    partition = Partition(WORKING)
    partition.read(answered(accepted().calls[1]))
    partition.pass_time(3 * SECOND + WORKING.retention_ms)
    assert partition.state.request(CONVERSATION, "r1") is None


def test_a_call_of_someone_else_changes_no_request() -> None:
    partition = accepted()
    foreign = accepted().calls[0]
    fields = {name: getattr(foreign, name) for name in SalesforceCall.__struct_fields__}
    step = partition.read(answered(SalesforceCall(**{**fields, "call_id": "x"})))
    assert step.changes_nothing()


@pytest.mark.parametrize("code", [10018, 10025, 10071, 10072])
def test_a_conversation_that_salesforce_knows_no_more_ends(code: int) -> None:
    partition = accepted()
    partition.read(message())
    partition.read(answered(partition.calls[0], "rejected", at=9 * SECOND, code=code))
    assert ("call_result", "conversation_gone") in partition.counts
    assert partition.conversation.due_at_ms == T0 + 9 * SECOND + WORKING.ended_retention_ms
    partition.read(message(entry_id="e2", at=20 * SECOND))
    assert partition.conversation.due_at_ms is not None
    assert partition.conversation.due_at_ms > T0 + 29 * DAY_MS


@pytest.mark.parametrize("code", [15105, 15106, 15112])
def test_a_rep_who_cannot_take_the_work_is_counted(code: int) -> None:
    partition = accepted()
    partition.read(answered(partition.calls[0], "rejected", code=code))
    assert ("call_result", "rep_unavailable") in partition.counts
