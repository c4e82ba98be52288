"""Salesforce's side of routing: which request an answer means, and what ends it."""

import msgspec
import pytest

from simulator.events.event_facts import RoutingRequestFacts
from simulator.service.errors import CallRejectedError
from simulator.service.request_bodies import RoutingResultBody, read_routing_result
from simulator.service.routing_desk import Conclusion, Planned, RoutingDesk, RoutingRequest

TIMEOUT_MS = 60_000
START_MS = 1_767_225_600_000
WORK_ITEM = "0MwHs00000XyZ12"
CV = "cv-1"


def facts(
    routing_type: str = "Transfer", event_id: str | None = "r1", work_item: str | None = WORK_ITEM
) -> RoutingRequestFacts:
    return RoutingRequestFacts(
        routing_type=routing_type,
        target_kind="queue",
        target_id="00GHs00000Que12",
        event_id=event_id,
        work_item_id=work_item,
        router_subject=None,
        channel_address_id="ch-1",
        end_user_subject="cust-1",
    )


def open_request(
    desk: RoutingDesk, request: RoutingRequestFacts, *, at_ms: int = START_MS, conversation: str = CV
) -> RoutingRequest:
    return desk.open(
        request,
        topic="/event/A__e",
        event_uuid="uuid",
        conversation_id=conversation,
        created_at_ms=at_ms,
        planned=Planned.ANSWER,
    )


def answer(
    *, success: bool = True, routing_type: str | None = "Transfer", work_item: str = WORK_ITEM
) -> RoutingResultBody:
    return RoutingResultBody(
        work_item_id=work_item,
        conversation_id=CV,
        routing_type=routing_type,
        success=success,
        externally_routed=False,
        error_message=None if success else "no rep free",
    )


@pytest.mark.parametrize(
    ("success", "conclusion"),
    [pytest.param(True, Conclusion.ROUTED, id="accepted"), pytest.param(False, Conclusion.REFUSED, id="refused")],
)
def test_an_answer_in_time_concludes_the_request(success: bool, conclusion: Conclusion) -> None:
    desk = RoutingDesk(TIMEOUT_MS)
    open_request(desk, facts())
    concluded = desk.answer(answer(success=success), START_MS + 5)
    assert (concluded.concluded, concluded.concluded_at_ms) == (conclusion, START_MS + 5)
    assert [record.accepted for record in concluded.answers] == [True]
    assert desk.open_count == 0


@pytest.mark.parametrize(
    ("age_ms", "timed_out"),
    [
        pytest.param(TIMEOUT_MS - 1, False, id="one ms early"),
        pytest.param(TIMEOUT_MS, True, id="exactly at the deadline"),
        pytest.param(TIMEOUT_MS + 1, True, id="one ms later"),
    ],
)
def test_the_time_of_a_request_runs_from_its_created_date(age_ms: int, timed_out: bool) -> None:
    desk = RoutingDesk(TIMEOUT_MS)
    request = open_request(desk, facts())
    if timed_out:
        with pytest.raises(CallRejectedError):
            desk.answer(answer(), START_MS + age_ms)
        assert desk.conclude_overdue(START_MS + age_ms) == [request]
        assert request.concluded is Conclusion.TIMED_OUT
        assert [record.accepted for record in request.answers] == [False]
    else:
        assert desk.conclude_overdue(START_MS + age_ms) == []
        assert desk.answer(answer(), START_MS + age_ms) is request


def test_a_request_times_out_once_and_not_after_an_answer() -> None:
    desk = RoutingDesk(TIMEOUT_MS)
    open_request(desk, facts())
    late = open_request(desk, facts("Conference", "r2"), at_ms=START_MS + 10)
    desk.answer(answer(), START_MS + 1)
    assert desk.conclude_overdue(START_MS + 10 * TIMEOUT_MS) == [late]
    assert desk.conclude_overdue(START_MS + 10 * TIMEOUT_MS) == []


def test_the_second_answer_is_rejected_and_remembered() -> None:
    desk = RoutingDesk(TIMEOUT_MS)
    request = open_request(desk, facts())
    desk.answer(answer(), START_MS + 1)
    with pytest.raises(CallRejectedError) as caught:
        desk.answer(answer(success=False), START_MS + 2)
    assert caught.value.code == 10089
    assert request.concluded is Conclusion.ROUTED
    assert [record.accepted for record in request.answers] == [True, False]
    assert desk.rejected_answers == 1


def test_a_repeated_event_opens_nothing_new() -> None:
    desk = RoutingDesk(TIMEOUT_MS)
    first = open_request(desk, facts())
    desk.answer(answer(), START_MS + 1)
    assert open_request(desk, facts(), at_ms=START_MS + 2) is first
    assert desk.open_count == 0


@pytest.mark.parametrize(
    ("routing_type", "expected"),
    [
        pytest.param("Transfer", "r1", id="transfer"),
        pytest.param("Conference", "r2", id="conference"),
        pytest.param(None, "r1", id="no type: the oldest"),
    ],
)
def test_the_routing_type_tells_concurrent_requests_apart(routing_type: str | None, expected: str) -> None:
    desk = RoutingDesk(TIMEOUT_MS)
    open_request(desk, facts("Transfer", "r1"))
    open_request(desk, facts("Conference", "r2"))
    assert desk.answer(answer(routing_type=routing_type), START_MS + 1).request_id == expected


@pytest.mark.parametrize(
    ("work_item", "code"),
    [
        pytest.param("0MwHs00000Other", 15111, id="unknown work item"),
        pytest.param("0MwHs00000Else1", 15107, id="of another conversation"),
    ],
)
def test_an_answer_must_name_the_work_item_of_the_conversation(work_item: str, code: int) -> None:
    desk = RoutingDesk(TIMEOUT_MS)
    open_request(desk, facts())
    desk.note_conversation("cv-2", "0MwHs00000Else1")
    with pytest.raises(CallRejectedError) as caught:
        desk.answer(answer(work_item=work_item), START_MS + 1)
    assert caught.value.code == code


def test_an_answer_for_an_unknown_conversation_is_rejected() -> None:
    with pytest.raises(CallRejectedError) as caught:
        RoutingDesk(TIMEOUT_MS).answer(answer(), START_MS)
    assert caught.value.code == 10018


def test_a_request_without_work_item_is_answered_by_the_session_of_its_conversation() -> None:
    desk = RoutingDesk(TIMEOUT_MS)
    desk.note_conversation(CV, WORK_ITEM + "IAX")  # the 18-character form of the same id
    request = open_request(desk, facts(work_item=None))
    assert request.work_item_id == WORK_ITEM + "IAX"
    assert desk.answer(answer(), START_MS + 1) is request


def test_a_request_without_channel_data_is_known_by_its_event_uuid() -> None:
    assert open_request(RoutingDesk(TIMEOUT_MS), facts(event_id=None)).request_id == "uuid"


@pytest.mark.parametrize(
    ("before", "cancelled"),
    [
        pytest.param(None, True, id="open"),
        pytest.param(True, True, id="accepted, target not yet there"),
        pytest.param(False, False, id="refused"),
    ],
)
def test_a_rep_can_withdraw_what_has_not_failed(before: bool | None, cancelled: bool) -> None:
    desk = RoutingDesk(TIMEOUT_MS)
    request = open_request(desk, facts())
    if before is not None:
        desk.answer(answer(success=before), START_MS + 1)
    assert desk.cancel("r1", START_MS + 2) == (request if cancelled else None)
    assert (request.concluded is Conclusion.CANCELLED) is cancelled
    assert desk.cancel("r1", START_MS + 3) is None


BODY = {"workItemId": WORK_ITEM, "conversationIdentifier": CV, "success": True, "externallyRouted": False}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        pytest.param({"workItemId": WORK_ITEM + "IAX"}, 10012, id="18-character work item"),
        pytest.param({"workItemId": None}, 10012, id="no work item"),
        pytest.param({"conversationIdentifier": ""}, 10018, id="no conversation"),
        pytest.param({"success": "true"}, 10089, id="success as text"),
        pytest.param({"externallyRouted": None}, 10089, id="externallyRouted missing"),
        pytest.param({"routingType": "Handover"}, 10089, id="unknown routing type"),
        pytest.param({"errorMessage": "x"}, 10033, id="error message with success"),
        pytest.param({"success": False}, 10034, id="no error message without success"),
        pytest.param({"success": False, "errorMessage": ""}, 10034, id="empty error message"),
    ],
)
def test_a_wrong_body_is_refused_by_its_code(change: dict[str, object], code: int) -> None:
    with pytest.raises(CallRejectedError) as caught:
        read_routing_result(msgspec.json.encode(BODY | change))
    assert caught.value.code == code


@pytest.mark.parametrize(
    "body", [pytest.param(b"", id="empty"), pytest.param(b"{", id="no JSON"), pytest.param(b"[]", id="no object")]
)
def test_a_body_that_is_no_object_is_refused(body: bytes) -> None:
    with pytest.raises(CallRejectedError) as caught:
        read_routing_result(body)
    assert caught.value.code == 10100


def test_a_right_body_becomes_an_answer() -> None:
    body = BODY | {"success": False, "errorMessage": "no rep free", "routingType": "Conference"}
    assert read_routing_result(msgspec.json.encode(body)) == RoutingResultBody(
        work_item_id=WORK_ITEM,
        conversation_id=CV,
        routing_type="Conference",
        success=False,
        externally_routed=False,
        error_message="no rep free",
    )
