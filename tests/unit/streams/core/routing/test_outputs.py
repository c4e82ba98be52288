"""A routing request from its event to its outcome."""

import json
from typing import Any

import pytest
from msgspec.structs import replace

from streams.core.model.rules import Rules
from streams.core.model.step import ROUTING
from tests.support.domain import (
    CHANNEL,
    CONVERSATION,
    END_USER,
    ORG,
    REP,
    SECOND,
    T0,
    WORK_ITEM,
    Partition,
    decision,
    entry,
    message,
    participant,
    requested,
    result,
    session,
)

ANSWER_BY = 50 * SECOND
DEADLINE = 60 * SECOND
WINDOW = 180 * SECOND
DAY = 24 * 3600 * SECOND


def body(partition: Partition, index: int = 0) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(partition.calls[index].body)
    return parsed


def test_a_request_is_handed_to_the_router_with_its_deadlines() -> None:
    partition = Partition()
    partition.read(requested(at=5, uuid="uuid-5", queueId=None, skillsList=[{"id": "sk1"}]))
    (task,) = partition.tasks
    assert (task.request_id, task.conversation_id, task.org_id) == ("r1", CONVERSATION, ORG)
    assert (task.routing_type, task.target_kind, task.target_id, task.skills) == ("Transfer", "rep", REP, ["sk1"])
    assert (task.channel_address_id, task.end_user_subject) == (CHANNEL, END_USER)
    assert (task.work_item_id, task.attempt, task.event_uuid) == (WORK_ITEM, 1, "uuid-5")
    assert json.loads(task.channel_data or "")["eventId"] == "r1"
    times = (task.created_at_ms, task.answer_by_ms, task.deadline_ms)
    assert times == (T0 + 5, T0 + 5 + ANSWER_BY, T0 + 5 + DEADLINE)
    assert partition.outcomes == []
    assert partition.calls == []


def test_an_accepted_request_is_answered_with_success_and_ends_routed() -> None:
    partition = Partition()
    partition.read(requested())
    partition.read(decision("accept", at=2 * SECOND))
    (call,) = partition.calls
    assert body(partition) == {
        "workItemId": WORK_ITEM,
        "conversationIdentifier": CONVERSATION,
        "routingType": "Transfer",
        "success": True,
        "externallyRouted": False,
    }
    assert (call.api, call.method, call.request_id, call.org_id) == ("routingResult", "POST", "r1", ORG)
    assert (call.created_at_ms, call.deadline_ms) == (T0 + 2 * SECOND, T0 + DEADLINE)
    assert partition.outcomes == []
    partition.read(result("None", at=3 * SECOND, uuid="res-1"))
    (outcome,) = partition.outcomes
    assert (outcome.outcome, outcome.revision, outcome.result_event_uuid) == ("routed", 0, "res-1")
    assert (outcome.settled_at_ms, outcome.failure_type, outcome.ambiguous) == (T0 + 3 * SECOND, "None", False)
    assert partition.request("r1").state == "DONE"
    partition.read(participant("add", REP, at=4 * SECOND))
    assert partition.request("r1").state == "SEATED"
    assert partition.outcome_words() == ["routed"]


def test_a_refused_request_is_answered_with_the_reason_and_ends_refused() -> None:
    partition = Partition()
    partition.read(requested())
    partition.read(decision("refuse", reason="no rep free"))
    sent = body(partition)
    assert (sent["success"], sent["errorMessage"], sent["externallyRouted"]) == (False, "no rep free", False)
    assert partition.outcome_words() == ["refused"]
    assert partition.outcomes[0].reason == "no rep free"
    partition.read(result("RoutingError", at=3 * SECOND))
    assert partition.request("r1").state == "FAILED"
    assert partition.outcome_words() == ["refused"]


def test_a_refusal_without_a_reason_still_tells_salesforce_one() -> None:
    partition = Partition()
    partition.read(requested())
    partition.read(decision("refuse"))
    assert body(partition)["errorMessage"]


@pytest.mark.parametrize(
    ("parameters", "externally_routed", "expected"),
    [
        pytest.param({}, False, False, id="a rep"),
        pytest.param({}, True, True, id="the router says so"),
        pytest.param({"userId": "ext-agent-7"}, False, True, id="an external target"),
    ],
)
def test_externally_routed_is_true_only_outside_salesforce(
    parameters: dict[str, Any], externally_routed: bool, expected: bool
) -> None:
    partition = Partition()
    partition.read(requested(**parameters))
    partition.read(decision("accept", externally_routed=externally_routed))
    assert body(partition)["externallyRouted"] is expected


def test_a_refusal_is_never_externally_routed() -> None:
    partition = Partition()
    partition.read(requested(userId="ext-agent-7"))
    partition.read(decision("refuse", externally_routed=True))
    assert body(partition)["externallyRouted"] is False


def test_a_silent_router_is_answered_for_before_the_deadline() -> None:
    partition = Partition()
    partition.read(requested())
    assert partition.pass_time(ANSWER_BY - 1) == []
    partition.pass_time(ANSWER_BY)
    assert body(partition)["success"] is False
    assert body(partition)["errorMessage"]
    (outcome,) = partition.outcomes
    assert (outcome.outcome, outcome.settled_at_ms) == ("timed_out", T0 + ANSWER_BY)
    assert partition.request("r1").state == "TIMED_OUT"
    partition.read(result("RoutingError", at=DEADLINE))
    assert partition.request("r1").state == "FAILED"
    assert partition.outcome_words() == ["timed_out"]


@pytest.mark.parametrize(
    ("now", "calls"),
    [
        pytest.param(DEADLINE - 1, 1, id="one ms before the deadline"),
        pytest.param(DEADLINE, 0, id="exactly at the deadline"),
        pytest.param(10 * DEADLINE, 0, id="long after"),
    ],
)
def test_no_call_leaves_at_or_after_its_deadline(now: int, calls: int) -> None:
    silent, accepted, refused = Partition(), Partition(), Partition()
    silent.read(requested())
    silent.expire_at(now)
    for partition, kind in ((accepted, "accept"), (refused, "refuse")):
        partition.read(requested())
        partition.read(decision(kind, at=ANSWER_BY - 1), at=now)
    assert [len(each.calls) for each in (silent, accepted, refused)] == [calls] * 3
    assert silent.outcome_words() == ["timed_out"]
    assert refused.outcome_words() == ["refused"]


@pytest.mark.parametrize(
    ("decided", "state"),
    [
        pytest.param(ANSWER_BY - 1, "CLAIMED", id="one ms before"),
        pytest.param(ANSWER_BY, "OPEN", id="exactly at the limit"),
        pytest.param(ANSWER_BY + 1, "OPEN", id="one ms after"),
    ],
)
def test_a_decision_counts_when_it_was_made_in_time(decided: int, state: str) -> None:
    partition = Partition()
    partition.read(requested())
    partition.read(decision("accept", at=decided), at=1)
    assert partition.request("r1").state == state
    assert ("decision", "late" if state == "OPEN" else "accept") in partition.counts


def test_the_first_decision_counts() -> None:
    partition = Partition()
    partition.read(requested())
    partition.read(decision("accept", at=9))
    step = partition.read(decision("refuse", at=5))
    assert step.outputs == []
    assert step.counts == [("decision", "superseded")]
    assert [json.loads(call.body)["success"] for call in partition.calls] == [True]


def test_a_decision_of_an_unknown_kind_changes_nothing() -> None:
    partition = Partition()
    partition.read(requested())
    step = partition.read(decision("maybe"))
    assert step.changes_nothing()
    assert step.counts == [("decision", "unknown")]


def test_a_decision_read_before_its_request_is_kept_for_it() -> None:
    partition = Partition()
    assert partition.read(decision("accept", at=5 * SECOND)).outputs == []
    partition.read(requested(), at=6 * SECOND)
    assert partition.tasks == []  # the router knows already
    assert body(partition)["success"] is True


def test_of_decisions_read_before_the_request_the_first_one_in_time_counts() -> None:
    partition = Partition()
    partition.read(decision("accept", at=ANSWER_BY + 5, decision_id="late"))
    partition.read(decision("refuse", at=ANSWER_BY - 5, decision_id="in time"))
    partition.read(decision("accept", at=ANSWER_BY - 4, decision_id="second"))
    partition.read(requested(), at=ANSWER_BY - 4)
    assert [each.decision_id for each in partition.request("r1").decisions] == ["in time", "second"]
    assert partition.request("r1").state == "REFUSED"


def test_decisions_without_a_request_are_dropped_after_their_retention() -> None:
    partition = Partition()
    partition.read(decision("accept", request_id="nobody's"))
    partition.pass_time(7 * DAY)
    assert len(partition.state.tables[ROUTING]) == 1
    partition.pass_time(8 * DAY)
    assert partition.state.tables[ROUTING] == {}


@pytest.mark.parametrize(
    ("received", "expired"),
    [
        pytest.param(ANSWER_BY - 1, False, id="one ms before it is too old"),
        pytest.param(ANSWER_BY, True, id="exactly too old"),
        pytest.param(DEADLINE + 1, True, id="older than its deadline"),
        pytest.param(3600 * SECOND, True, id="a replay"),
    ],
)
def test_a_request_received_too_late_is_expired_and_never_acted_on(received: int, expired: bool) -> None:
    partition = Partition()
    partition.read(requested(received=received), at=0)  # our own clock is of no weight
    partition.read(decision("accept", at=1), at=1)
    assert len(partition.tasks) == (0 if expired else 1)
    assert len(partition.calls) == (0 if expired else 1)
    assert partition.outcome_words() == (["expired"] if expired else [])
    if expired:
        assert partition.request("r1").state == "EXPIRED"
        assert partition.outcomes[0].settled_at_ms == T0 + received


def test_a_request_older_than_its_deadline_makes_no_call_when_time_passes() -> None:
    partition = Partition()
    partition.read(requested(received=DEADLINE + 1))
    partition.pass_time(WINDOW)
    assert partition.tasks == []
    assert partition.calls == []
    assert partition.outcome_words() == ["expired"]


@pytest.mark.parametrize(
    ("failure_type", "state", "words"),
    [
        pytest.param("None", "DONE", ["expired", "routed"], id="someone else finished it"),
        pytest.param("Cancelled", "CANCELLED", ["expired"], id="cancelled"),
        pytest.param("RoutingError", "FAILED", ["expired"], id="failed"),
    ],
)
def test_an_expired_request_waits_for_its_result(failure_type: str, state: str, words: list[str]) -> None:
    partition = Partition()
    partition.read(requested(received=DEADLINE))
    partition.read(result(failure_type, at=DEADLINE))
    assert partition.request("r1").state == state
    assert partition.outcome_words() == words
    assert partition.calls == []


@pytest.mark.parametrize(
    ("now", "tasks"),
    [
        pytest.param(ANSWER_BY - 1, 1, id="while there is time for an answer"),
        pytest.param(ANSWER_BY, 0, id="when the time is over"),
    ],
)
def test_no_task_leaves_for_a_request_whose_time_is_over(now: int, tasks: int) -> None:
    partition = Partition()
    partition.read(requested(), at=now)
    assert len(partition.tasks) == tasks
    assert partition.request("r1").state == "OPEN"  # received in time: the fact stays


def test_a_result_created_before_the_time_out_wins_although_it_is_read_after_it() -> None:
    partition = Partition()
    partition.read(requested())
    partition.pass_time(ANSWER_BY)
    partition.read(result("None", at=ANSWER_BY - 1), at=ANSWER_BY + 5 * SECOND)
    assert partition.request("r1").state == "DONE"
    assert [(each.outcome, each.revision) for each in partition.outcomes] == [("timed_out", 0), ("routed", 1)]


def test_a_failure_created_before_the_time_out_wins_over_it() -> None:
    partition = Partition()
    partition.read(requested())
    partition.pass_time(ANSWER_BY)
    partition.read(result("RoutingError", at=ANSWER_BY - 1), at=ANSWER_BY + 5)
    partition.read(result("RoutingError", at=ANSWER_BY, entry_id="second"), at=ANSWER_BY + 6)
    assert partition.outcome_words() == ["timed_out", "failed"]


def test_a_failure_created_at_the_time_out_confirms_it() -> None:
    partition = Partition()
    partition.read(requested())
    partition.read(result("RoutingError", at=ANSWER_BY), at=ANSWER_BY)
    assert partition.outcome_words() == ["timed_out"]
    assert partition.request("r1").state == "FAILED"


def test_an_acceptance_made_in_time_but_read_after_the_time_out_makes_no_second_call() -> None:
    partition = Partition()
    partition.read(requested())
    partition.pass_time(ANSWER_BY)
    partition.read(decision("accept", at=ANSWER_BY - 1), at=ANSWER_BY + 1)
    assert len(partition.calls) == 1
    assert partition.request("r1").state == "CLAIMED"
    partition.read(result("RoutingError", at=DEADLINE))
    assert [(each.outcome, each.revision) for each in partition.outcomes] == [("timed_out", 0), ("failed", 1)]


ENDS = [
    pytest.param("OPEN", "Cancelled", "CANCELLED", "cancelled", id="open, cancelled"),
    pytest.param("OPEN", "RoutingError", "FAILED", "failed", id="open, failed"),
    pytest.param("CLAIMED", "Cancelled", "CANCELLED", "cancelled", id="claimed, cancelled"),
    pytest.param("CLAIMED", "SubmissionError", "FAILED", "failed", id="claimed, failed"),
    pytest.param("DONE", "Cancelled", "CANCELLED", "cancelled", id="done, cancelled"),
    pytest.param("DONE", "Unknown", "FAILED", "failed", id="done, failed"),
    pytest.param("TIMED_OUT", "Cancelled", "CANCELLED", "cancelled", id="timed out, cancelled"),
    pytest.param("TIMED_OUT", "RoutingError", "FAILED", "timed_out", id="timed out, confirmed"),
]


@pytest.mark.parametrize(("known", "failure_type", "state", "outcome"), ENDS)
def test_a_cancel_or_failure_ends_a_request_in_every_open_state(
    known: str, failure_type: str, state: str, outcome: str
) -> None:
    partition = Partition()
    partition.read(requested())
    if known in ("CLAIMED", "DONE"):
        partition.read(decision("accept", at=SECOND))
    if known == "DONE":
        partition.read(result("None", at=2 * SECOND))
    if known == "TIMED_OUT":
        partition.pass_time(ANSWER_BY)
    assert partition.request("r1").state == known
    at = ANSWER_BY + 1 if known == "TIMED_OUT" else 3 * SECOND
    partition.read(result(failure_type, at=at, failureReason="because"))
    assert partition.request("r1").state == state
    last = partition.outcomes[-1]
    assert last.outcome == outcome
    if outcome != "timed_out":
        assert (last.failure_type, last.reason, last.settled_at_ms) == (failure_type, "because", T0 + at)


def test_a_cancelled_request_is_not_answered_any_more() -> None:
    partition = Partition()
    partition.read(requested())
    partition.read(result("Cancelled", at=SECOND, cancelReason="Cancel"))
    partition.read(decision("accept", at=2 * SECOND))
    partition.pass_time(WINDOW)
    assert partition.calls == []
    assert partition.outcome_words() == ["cancelled"]
    assert partition.outcomes[0].reason == "Cancel"


def test_after_an_end_results_are_stored_and_change_nothing() -> None:
    partition = Partition()
    partition.read(requested())
    partition.read(result("Cancelled", at=SECOND))
    partition.read(result("None", at=2 * SECOND))
    partition.read(result("RoutingError", at=3 * SECOND))
    assert partition.outcome_words() == ["cancelled"]
    assert partition.request("r1").state == "CANCELLED"


@pytest.mark.parametrize("status", ["Ended", "Inactive", "Error"])
def test_the_end_of_the_session_cancels_what_is_open(status: str) -> None:
    partition = Partition()
    partition.read(requested("r1"))
    partition.read(requested("r2", routing_type="Conference", at=1))
    partition.read(decision("accept", request_id="r2", at=2))
    partition.read(session(status, at=SECOND))
    assert sorted((each.request_id, each.outcome, each.reason) for each in partition.outcomes) == [
        ("r1", "cancelled", "EndUserEnded"),
        ("r2", "cancelled", "EndUserEnded"),
    ]
    partition.pass_time(WINDOW)
    assert len(partition.calls) == 1  # the acceptance from before the end


@pytest.mark.parametrize(
    "ended",
    [
        pytest.param(session("Ended", at=9, session_id="0MwHs00000Other"), id="another session"),
        pytest.param(session("Active", at=9), id="not an end"),
    ],
)
def test_other_session_changes_leave_a_request_open(ended: Any) -> None:
    partition = Partition()
    partition.read(requested())
    partition.read(ended)
    assert partition.request("r1").state == "OPEN"


def test_the_end_of_an_earlier_session_leaves_a_request_of_the_next_one_open() -> None:
    partition = Partition()
    partition.read(requested(work_item=None, at=10))
    partition.read(session("Ended", at=9, session_id="0MwHs00000Other"))
    assert partition.request("r1").state == "OPEN"


def test_a_declined_target_makes_the_request_ours_again() -> None:
    partition = Partition()
    partition.read(requested())
    partition.read(decision("accept", at=SECOND))
    partition.read(result("None", at=2 * SECOND))
    partition.read(entry("RoutingWorkResult", {"workType": "Declined", "workTargetId": WORK_ITEM}, at=3 * SECOND))
    assert partition.request("r1").state == "CLAIMED"
    assert len(partition.calls) == 1
    partition.pass_time(WINDOW)
    assert partition.outcome_words() == ["routed", "failed"]


def test_an_accepted_offer_closes_the_request() -> None:
    partition = Partition()
    partition.read(requested(userId=None, queueId="00GHs00000AbCdE"))
    partition.read(result("None", at=2 * SECOND))
    partition.read(entry("RoutingWorkResult", {"workType": "Accepted"}, at=3 * SECOND))
    assert partition.request("r1").state == "SEATED"
    partition.read(result("Cancelled", at=4 * SECOND))
    assert partition.outcome_words() == ["routed"]


def test_work_that_is_accepted_for_another_kind_of_routing_closes_nothing() -> None:
    partition = Partition()
    partition.read(requested(userId=None, queueId="00GHs00000AbCdE"))
    partition.read(result("None", at=2 * SECOND))
    partition.read(entry("RoutingWorkResult", {"workType": "Accepted", "routingType": "Initial"}, at=3 * SECOND))
    assert partition.request("r1").state == "DONE"


def test_an_accepted_request_that_is_never_confirmed_ends_as_failed() -> None:
    partition = Partition()
    partition.read(requested())
    partition.read(decision("accept"))
    assert partition.pass_time(WINDOW - 1) == []
    partition.pass_time(WINDOW)
    (outcome,) = partition.outcomes
    assert (outcome.outcome, outcome.settled_at_ms) == ("failed", T0 + WINDOW)
    assert "neither" in (outcome.reason or "")


def test_everything_is_announced_once_when_the_partition_was_away() -> None:
    partition = Partition()
    partition.read(requested())
    left = partition.expire_at(10 * WINDOW)
    assert partition.outcome_words() == ["timed_out"]
    assert len(left) == 1


SESSION_ENTRIES = [
    pytest.param(session("Active", at=SECOND, session_id="0MwHs00000XyZ12AAA"), id="session, 18 characters"),
    pytest.param(entry("QueuePosition", {"workItemId": WORK_ITEM, "position": 1}, at=SECOND), id="queue position"),
    pytest.param(entry("RoutingWorkResult", {"workTargetId": WORK_ITEM, "workType": "Assigned"}, at=SECOND), id="work"),
    pytest.param(
        result("None", at=SECOND, record_id=WORK_ITEM, routing_type="Initial"), id="the result of another request"
    ),
]


@pytest.mark.parametrize("names_it", SESSION_ENTRIES)
def test_an_answer_waits_until_the_work_item_is_known(names_it: Any) -> None:
    partition = Partition()
    partition.read(requested(work_item=None))
    partition.read(decision("accept", at=SECOND))
    assert partition.calls == []
    partition.read(message(at=SECOND))
    assert partition.counts.count(("answer_waits", "work_item_unknown")) == 1
    partition.read(names_it)
    assert body(partition)["workItemId"] == WORK_ITEM
    partition.read(session("Active", at=2 * SECOND))
    assert len(partition.calls) == 1


@pytest.mark.parametrize("names_it", SESSION_ENTRIES)
def test_a_work_item_that_was_known_before_is_used(names_it: Any) -> None:
    partition = Partition()
    partition.read(names_it)
    partition.read(requested(work_item=None, at=2 * SECOND))
    assert partition.tasks[0].work_item_id == WORK_ITEM


@pytest.mark.parametrize(
    ("work_record_id", "expected"),
    [
        pytest.param("0MwHs00000XyZ99AAQ", "0MwHs00000XyZ99", id="18 characters"),
        pytest.param("500Hs00000XyZ99", WORK_ITEM, id="a case is no work item"),
        pytest.param("0Mw", WORK_ITEM, id="no record id"),
        pytest.param(None, WORK_ITEM, id="null, as in the public sample"),
    ],
)
def test_the_requests_own_work_item_is_taken_when_it_is_a_session(work_record_id: str | None, expected: str) -> None:
    partition = Partition()
    partition.read(session("Active", at=-1))
    partition.read(requested(work_item=work_record_id))
    assert partition.tasks[0].work_item_id == expected


def test_the_work_item_of_an_ended_session_is_not_used() -> None:
    partition = Partition()
    partition.read(session("Ended", at=-1))
    partition.read(requested(work_item=None))
    partition.read(decision("accept"))
    assert partition.calls == []


def test_an_answer_whose_work_item_becomes_known_too_late_is_not_sent() -> None:
    partition = Partition()
    partition.read(requested(work_item=None))
    partition.read(decision("accept", at=SECOND))
    partition.read(session("Active", at=DEADLINE), at=DEADLINE)
    assert partition.calls == []


def test_no_call_names_a_conversation_that_has_no_identifier() -> None:
    partition = Partition()
    read = requested(None)
    payload = json.loads(read.payload)
    payload["payload"]["conversationIdentifier"] = None
    partition.read(replace(read, payload=json.dumps(payload)))
    request_id = partition.tasks[0].request_id
    partition.read(decision("accept", request_id=request_id))
    assert partition.calls == []


def test_a_request_without_a_type_is_answered_without_one() -> None:
    partition = Partition()
    partition.read(requested(routing_type=None))
    partition.read(decision("accept"))
    assert "routingType" not in body(partition)


def test_requests_are_counted_per_conversation_and_type() -> None:
    partition = Partition()
    partition.read(requested("r1"))
    partition.read(requested("r2", routing_type="Conference"))
    partition.read(requested("r3"))
    assert [(each.request_id, each.attempt) for each in partition.tasks] == [("r1", 1), ("r2", 1), ("r3", 2)]
    assert partition.conversation.counters.routing_requests == 3


def test_a_request_without_an_event_id_gets_one_that_lasts() -> None:
    first, again = Partition(), Partition()
    first.read(requested(None, uuid="u1"))
    again.read(requested(None, uuid="u1"))
    assert first.tasks[0].request_id == again.tasks[0].request_id


def test_an_event_id_with_the_key_separator_is_replaced() -> None:
    partition = Partition()
    partition.read(requested("a|b"))
    assert "|" not in partition.tasks[0].request_id


def test_a_finished_request_is_dropped_after_its_retention() -> None:
    partition = Partition()
    partition.read(requested())
    partition.read(result("Cancelled", at=SECOND))
    partition.pass_time(WINDOW + 7 * DAY - 1)
    assert partition.request("r1").state == "CANCELLED"
    partition.pass_time(WINDOW + 7 * DAY)
    assert partition.state.tables[ROUTING] == {}
    assert partition.outcome_words() == ["cancelled"]


def test_limits_come_from_the_rules() -> None:
    partition = Partition(Rules(routing_timeout_ms=6_000, answer_by_ms=5_000, result_window_ms=18_000))
    partition.read(requested())
    assert partition.pass_time(4_999) == []
    partition.pass_time(5_000)
    assert partition.calls[0].deadline_ms == T0 + 6_000


@pytest.mark.parametrize(
    "limits",
    [
        pytest.param({"answer_by_ms": 60_000}, id="no time to answer for a silent router"),
        pytest.param({"answer_by_ms": 0}, id="no time for the router"),
        pytest.param({"result_window_ms": 60_000}, id="a window that ends with the deadline"),
        pytest.param({"seen_ms": 72 * 3_600_000}, id="forgetting what can still be replayed"),
    ],
)
def test_limits_that_make_no_sense_are_refused(limits: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="checking"):
        Rules(**limits)
