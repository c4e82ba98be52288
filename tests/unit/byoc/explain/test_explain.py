"""`byoc explain` as a person uses it: any shape of an event in, one JSON object out."""

import json
from typing import Any

import pytest
from click.testing import CliRunner

from byoc.cli import main
from tests.support.domain import (
    CHANNEL,
    CONVERSATION,
    END_USER,
    SECOND,
    T0,
    entry,
    envelope,
    message,
    party,
    requested,
    result,
    static_body,
    text_body,
)


def explained(text: str, *options: str) -> list[dict[str, Any]]:
    ran = CliRunner().invoke(main, ["explain", *options], input=text)
    assert ran.exit_code == 0, ran.output
    return (
        [json.loads(ran.output)]
        if "--lines" not in options
        else [json.loads(each) for each in ran.output.split("\n")[:-1]]
    )


def one(value: object) -> dict[str, Any]:
    return explained(value if isinstance(value, str) else json.dumps(value))[0]


TEXT = envelope(text_body("Hello"))
FLAT = {
    "identifier": "e1",
    "entryType": "Message",
    "sender": party("Agent", "005"),
    "channelAddressIdentifier": CHANNEL,
    "recipient": party("EndUser", END_USER),
    "entryPayload": text_body("Hello"),
}
PLATFORM = {
    "CreatedDate": T0,
    "CreatedById": "005",
    "ns__Kind__c": {"string": "Interaction"},
    "ns__Body__c": {"string": json.dumps(TEXT)},
}
LEGACY = {
    "CreatedDate": T0,
    "Payload__c": json.dumps(TEXT["payload"]),
    "ChannelAddress__c": CHANNEL,
    "Recipient__c": json.dumps(party("EndUser", END_USER)),
}
RECORD = {"event_type": "Interaction", "payload": json.dumps(TEXT), "conversation_id": "c9", "created_at_ms": T0}

SHAPES = [
    pytest.param(TEXT, id="the payload field's value"),
    pytest.param(json.dumps(TEXT), id="the value as a JSON string"),
    pytest.param({**TEXT, "payload": json.dumps(TEXT["payload"])}, id="an entry that is a JSON string"),
    pytest.param(FLAT, id="the flat form"),
    pytest.param(PLATFORM, id="the platform event with unions"),
    pytest.param({**PLATFORM, "ns__Body__c": TEXT}, id="the platform event with an object in its field"),
    pytest.param({"schema": "x", "payload": PLATFORM, "event": {"replayId": 7}}, id="as subscribers print it"),
    pytest.param({"channel": "x", "data": {"payload": PLATFORM}}, id="as streaming clients print it"),
    pytest.param(LEGACY, id="the legacy three fields"),
    pytest.param(RECORD, id="a record of the events topic"),
]


@pytest.mark.parametrize("shape", SHAPES)
def test_a_text_is_delivered_in_every_shape(shape: object) -> None:
    answer = one(json.dumps(shape))
    assert (answer["entry_type"], answer["class"]) == ("Message", "DELIVER")
    assert (answer["delivered"], answer["reason"]) == (True, None)
    assert answer["delivery"]["text"] == "Hello"
    assert answer["delivery"]["end_user_subject"] == END_USER


REASONS = [
    pytest.param(envelope(text_body(entry_type="Note")), "NEVER", "note", id="a whisper"),
    pytest.param(envelope(text_body(entry_type="Unheard")), "NEVER", "unknown_type", id="an unknown type"),
    pytest.param(envelope(text_body(), visibilityStrategy="Internal"), "DELIVER", "internal_visibility", id="internal"),
    pytest.param(envelope(text_body(), sender=party("EndUser", END_USER)), "DELIVER", "echo", id="an echo"),
    pytest.param(envelope({"entryType": "QueuePosition", "position": 3}), "STATE", "state_only", id="state"),
    pytest.param(
        envelope({"entryType": "Message", "abstractMessage": {"messageType": "ChoicesResponseMessage"}}),
        "STATE",
        "answer_echo",
        id="the end user's answer",
    ),
    pytest.param({"payload": {"entryType": "Message"}}, "DELIVER", "recipient_absent", id="no key and no recipient"),
]


@pytest.mark.parametrize(("payload", "kind", "reason"), REASONS)
def test_the_reason_says_why_the_customer_did_not_get_it(payload: object, kind: str, reason: str) -> None:
    answer = one(payload)
    assert (answer["class"], answer["delivered"], answer["reason"]) == (kind, False, reason)
    assert answer["delivery"] is None


def test_typing_is_ephemeral_and_explained_at_its_own_time() -> None:
    payload = json.loads(entry("TypingStartedIndicator", {"timestamp": T0}).payload)
    answer = one({"CreatedDate": T0, "T__c": "Interaction", "P__c": json.dumps(payload)})
    assert (answer["class"], answer["delivered"]) == ("EPHEMERAL", True)
    assert answer["delivery"]["expires_at_ms"] == T0 + 5 * SECOND


def test_a_routing_request_shows_the_task_that_the_router_would_get() -> None:
    answer = one(requested("r7", queueId="00G000000000001", userId=None).payload)
    assert (answer["event_type"], answer["target_kind"]) == ("RoutingRequested", "queue")
    assert (answer["delivered"], answer["reason"]) == (False, "routing")
    task = answer["routing"]
    assert (task["record"], task["request_id"], task["conversation_id"]) == ("RoutingTask", "r7", CONVERSATION)
    assert task["deadline_ms"] - task["created_at_ms"] == 60 * SECOND


def test_a_request_that_was_received_too_late_shows_its_outcome() -> None:
    late = requested("r7", received=70 * SECOND)
    answer = one({name: getattr(late, name) for name in ("event_type", "payload", "created_at_ms", "received_at_ms")})
    assert (answer["routing"]["record"], answer["routing"]["outcome"]) == ("RoutingOutcome", "expired")


def test_a_routing_result_shows_what_it_says() -> None:
    answer = one(result("Cancelled", cancelReason="Cancel").payload)
    assert (answer["class"], answer["routing"]["verdict"]) == ("STATE", "result_cancelled")


def test_one_object_comes_of_each_line_also_of_one_that_is_no_event() -> None:
    lines = [message("Hello").payload, "{broken", "", '"text"', "[]", json.dumps({"a": 1}), message("Bye").payload]
    answers = explained("\n".join(lines), "--lines")
    assert [each["delivered"] for each in answers] == [True, False, False, False, False, True]
    assert [each["reason"] for each in answers] == [None, *["unparsable"] * 4, None]


def test_bytes_that_are_no_text_are_no_event_and_no_traceback() -> None:
    ran = CliRunner().invoke(main, ["explain", "--lines"], input=b"\xff\xfe{\n\xef\xbb\xbf{}\n")
    assert (ran.exit_code, ran.output.count("unparsable")) == (0, 2)


def test_a_supervisor_is_let_through_when_the_processor_would() -> None:
    payload = json.dumps(envelope(text_body(), sender=party("Supervisor", "005S")))
    assert not explained(payload)[0]["delivered"]
    assert explained(payload, "--supervisor-messages")[0]["delivered"]


def test_the_content_is_shown_in_its_shape() -> None:
    option = {"optionIdentifier": "o1", "titleItem": {"title": "Yes"}}
    choices = {"formatType": "Buttons", "text": "Ready?", "optionItems": [option]}
    body = {
        "entryType": "Message",
        "abstractMessage": {"messageType": "ChoicesMessage", "id": "q1", "choices": choices},
    }
    answer = one(envelope(body))
    assert answer["delivery"]["content"] == {
        "format": "buttons",
        "in_reply_to": "q1",
        "text": "Ready?",
        "options": [{"id": "o1", "title": "Yes", "number": 1}],
    }


def test_no_text_steers_the_terminal() -> None:
    ran = CliRunner().invoke(main, ["explain"], input=message("a\x9bb\u2028c\u202ed").payload)
    assert ran.exit_code == 0
    assert "a\\u009bb\\u2028c\\u202ed" in ran.output
    assert all(character.isprintable() or character == "\n" for character in ran.output)


ODD_OPTION = static_body({"formatType": "Text", "text": "x"})
ODD_OPTION["abstractMessage"] = {
    "messageType": "ChoicesMessage",
    "choices": {"formatType": "Buttons", "optionItems": [{"itemType": [], "title": "A"}]},
}


def test_lines_after_an_odd_one_are_explained_all_the_same() -> None:
    odd = [
        json.dumps(envelope(ODD_OPTION)),
        '{"payload": ' * 200 + "1" + "}" * 200,
        json.dumps({"CreatedDate": 10**30, "Body__c": json.dumps(TEXT)}),
        json.dumps({"event_type": "Interaction", "payload": TEXT, "created_at_ms": -1}),
        "[" * 100_000,
    ]
    found = explained("\n".join([*odd, json.dumps(TEXT)]), "--lines")
    assert len(found) == len(odd) + 1
    assert [each["delivered"] for each in found] == [True, False, False, False, False, True]


def test_a_defect_of_ours_costs_its_line_only(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(text: str, now_ms: int) -> Any:
        raise TypeError(text[:3])

    monkeypatch.setattr("byoc.explain.cli.read_event", broken)
    found = explained("one\ntwo\n", "--lines")
    assert [each["error"] for each in found] == [
        "reading it failed: TypeError: one",
        "reading it failed: TypeError: two",
    ]
