"""What failures mean: the trailer decides before the status, families before exact knowledge."""

import pytest

from connectors.pubsub.protocol.faults import CODE_PREFIX, Action, classify


def fault_of(code, status="UNKNOWN", details="something broke", **kwargs):
    return classify(code=CODE_PREFIX + code if code else None, status=status, details=details, doing="x", **kwargs)


@pytest.mark.parametrize(
    ("code", "status", "action"),
    [
        pytest.param("service.unavailable", "INTERNAL", Action.RETRY, id="an outage comes as INTERNAL"),
        pytest.param("service.auth.error", "UNAUTHENTICATED", Action.REFRESH_TOKEN, id="token refused"),
        pytest.param("service.auth.headers.invalid", "UNAUTHENTICATED", Action.FAIL, id="headers are configuration"),
        pytest.param("subscription.fetch.replayid.corrupted", "INVALID_ARGUMENT", Action.REPLAY_LOST, id="lost id"),
        pytest.param("subscription.fetch.replayid.validation.failed", "INVALID_ARGUMENT", Action.FAIL, id="our bug"),
        pytest.param("subscription.fetch.requested.events.invalid", "INVALID_ARGUMENT", Action.FAIL, id="bad credit"),
        pytest.param("subscription.fetch.replay.repeated", "UNKNOWN", Action.RETRY, id="repeated position"),
        pytest.param("topic.not.found", "NOT_FOUND", Action.FAIL, id="no such topic"),
        pytest.param("topic.meta.permission", "PERMISSION_DENIED", Action.FAIL, id="no right"),
        pytest.param("topic.api.unavailable", "PERMISSION_DENIED", Action.RETRY, id="code beats status"),
        pytest.param("service.something.new", "INVALID_ARGUMENT", Action.RETRY, id="unknown code: its family"),
        pytest.param("brand.new.family", "UNAVAILABLE", Action.RETRY, id="unknown family: the status"),
        pytest.param(None, "UNAVAILABLE", Action.RETRY, id="no trailers: connection"),
        pytest.param(None, "UNAUTHENTICATED", Action.REFRESH_TOKEN, id="no trailers: token"),
        pytest.param(None, "INTERNAL", Action.UNCLEAR, id="no trailers: reset"),
        pytest.param(None, "UNIMPLEMENTED", Action.FAIL, id="wrong server"),
    ],
)
def test_the_code_decides_and_the_status_only_without_one(code, status, action):
    assert fault_of(code, status).action is action


def test_a_lost_replay_id_is_recognised_by_its_text_when_the_trailer_is_missing():
    text = "The Replay ID validation failed. Ensure that the Replay ID is valid. rpcId: 1"
    assert fault_of(None, "INVALID_ARGUMENT", text).action is Action.REPLAY_LOST


def test_any_other_invalid_argument_is_never_taken_for_a_lost_replay_id():
    assert fault_of(None, "INVALID_ARGUMENT", "The topic name is wrong").action is Action.FAIL


@pytest.mark.parametrize("status", ["NOT_FOUND", "INVALID_ARGUMENT"])
def test_a_schema_that_does_not_exist_is_about_one_event_and_does_not_end_the_task(status):
    assert fault_of(None, status, about_one_event=True).action is Action.UNCLEAR


def test_a_missing_right_on_a_schema_ends_the_task_also_when_one_event_showed_it():
    assert fault_of("schema.meta.permission", "PERMISSION_DENIED", about_one_event=True).action is Action.FAIL


@pytest.mark.parametrize(
    ("code", "least_s"),
    [
        pytest.param("service.protection.triggered", 60, id="protection"),
        pytest.param("service.protection.stream.limit.triggered", 60, id="stream limit"),
        pytest.param("subscription.limit.exceeded", 600, id="delivery allocation"),
    ],
)
def test_limits_are_stayed_away_from(code, least_s):
    fault = fault_of(code, "RESOURCE_EXHAUSTED")
    assert fault.action is Action.RETRY
    assert fault.pause_s >= least_s


def test_the_message_names_status_code_and_rpc_id_and_only_the_first_line_of_the_details():
    fault = classify(
        code=CODE_PREFIX + "topic.not.found",
        status="NOT_FOUND",
        details="No such topic\nsecond line",
        doing="looking up /event/X__e at host:7443",
        rpc_id="abc",
    )
    assert str(fault) == (
        "looking up /event/X__e at host:7443: No such topic (status=NOT_FOUND, code=topic.not.found, rpc_id=abc)"
    )
