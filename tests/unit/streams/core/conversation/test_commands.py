"""The partner's commands become calls: once, in time, only where the rules allow them and somebody is there."""

import json
from typing import Any

import pytest

from streams.core.model.rules import Rules
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
    command,
    envelope,
    event,
    message,
    session,
    text_body,
)

ALLOWED = Rules(partner_commands=True)
SESSION = {"channelAddressIdentifier": CHANNEL, "endUserClientId": END_USER, "conversationIdentifier": CONVERSATION}


def talking(rules: Rules = ALLOWED) -> Partition:
    partition = Partition(rules)
    partition.read(session("Active"))
    return partition


@pytest.mark.parametrize(
    ("word", "fields", "api", "body"),
    [
        pytest.param(
            "end_session",
            {"on_behalf_of": "EndUser"},
            "messagingSession",
            {**SESSION, "operation": "End", "sessionId": WORK_ITEM, "operationBy": "EndUser"},
            id="end",
        ),
        pytest.param(
            "inactivate_session",
            {"on_behalf_of": "Martian"},
            "messagingSession",
            {**SESSION, "operation": "Inactivate", "sessionId": WORK_ITEM},
            id="inactivate, by nobody the API knows",
        ),
        pytest.param(
            "remove_participant",
            {"user_id": REP + "IAV"},
            "participant",
            {
                "conversationIdentifier": CONVERSATION,
                "operation": "Remove",
                "participants": [{"appType": "agent", "subject": REP, "role": "Agent"}],
            },
            id="remove: the id in its short form",
        ),
    ],
)
def test_each_command_becomes_its_call(word: str, fields: dict[str, Any], api: str, body: dict[str, Any]) -> None:
    partition = talking()
    step = partition.read(command(word, **fields))
    (call,) = partition.calls
    assert (call.api, call.method, call.org_id) == (api, "POST", ORG)
    assert json.loads(call.body) == body
    assert (call.created_at_ms, call.deadline_ms) == (T0 + SECOND, T0 + 61 * SECOND)
    assert step.counts == [("command", word)]
    assert step.conversation is None


def test_a_repeat_makes_no_second_call_and_another_command_does() -> None:
    partition = talking()
    partition.read(command("remove_participant", user_id=REP))
    assert partition.read(command("remove_participant", user_id=REP)).counts == [("repeated", "command")]
    partition.read(command("remove_participant", user_id=REP, command_id="c2"))
    assert len({call.call_id for call in partition.calls}) == len(partition.calls) == 2


@pytest.mark.parametrize(
    ("late", "calls"),
    [pytest.param(59_999, 1, id="one ms before its time is over"), pytest.param(60_000, 0, id="when it is over")],
)
def test_no_call_is_made_at_or_after_the_deadline(late: int, calls: int) -> None:
    partition = talking()
    partition.read(command(), at=SECOND + late)
    assert len(partition.calls) == calls


@pytest.mark.parametrize(
    ("partition", "word", "reason"),
    [
        pytest.param(talking(Rules()), "end_session", "switched_off", id="the rules do not allow it"),
        pytest.param(talking(), "start_a_fire", "unknown", id="an unknown command"),
        pytest.param(talking(), "remove_participant", "user_absent", id="nobody is named"),
        pytest.param(Partition(ALLOWED), "end_session", "conversation_unknown", id="no such conversation"),
    ],
)
def test_a_command_that_cannot_be_followed_is_counted(partition: Partition, word: str, reason: str) -> None:
    step = partition.read(command(word))
    assert partition.calls == []
    assert step.counts == [("command", reason)]


def test_a_session_that_is_over_is_not_ended_again() -> None:
    partition = talking()
    partition.read(session("Ended", at=2 * SECOND))
    assert partition.read(command(at=3 * SECOND)).counts == [("command", "session_over")]


def test_a_session_is_set_inactive_only_by_its_id() -> None:
    partition = Partition(ALLOWED)
    partition.read(message())
    assert partition.read(command("inactivate_session")).counts == [("command", "session_unknown")]
    partition.read(command("end_session", command_id="c2"))
    assert "sessionId" not in json.loads(partition.calls[0].body)


def test_a_conversation_that_salesforce_has_no_identifier_for_cannot_be_named() -> None:
    partition = Partition(ALLOWED)
    key = f"{CHANNEL}:{END_USER}"
    partition.read(event(envelope(text_body()), conversation_id=key))
    found = command()
    found = type(found)(**{name: getattr(found, name) for name in found.__struct_fields__} | {"conversation_id": key})
    assert partition.read(found).counts == [("command", "conversation_unknown")]


def test_a_session_of_nobody_known_cannot_be_ended() -> None:
    partition = Partition(ALLOWED)
    partition.read(event({"payload": {"identifier": "x", "entryPayload": {"entryType": "FlagLower"}}}))
    assert partition.read(command()).counts == [("command", "end_user_unknown")]
