"""What reaches the end user, and why not."""

from typing import Any

import pytest

from schemas.records import OutboundEvent
from streams.core.model.rules import Rules
from tests.support.domain import (
    CHANNEL,
    CONVERSATION,
    END_USER,
    Partition,
    consent,
    entry,
    envelope,
    event,
    message,
    party,
    static_body,
    text_body,
    typing,
)


def test_a_text_message_is_delivered_with_everything_a_channel_needs() -> None:
    partition = Partition()
    step = partition.read(message("Hello", entry_id="e7", uuid="uuid-7"))
    delivery = partition.deliveries[0]
    assert (delivery.kind, delivery.text, delivery.content) == ("message", "Hello", None)
    assert (delivery.entry_id, delivery.event_uuid) == ("e7", "uuid-7")
    assert (delivery.channel_address_id, delivery.end_user_subject) == (CHANNEL, END_USER)
    assert (delivery.sender_role, delivery.sender_name) == ("Agent", "Ana R.")
    assert (delivery.message_type, delivery.format_type) == ("StaticContentMessage", "Text")
    assert delivery.expires_at_ms is None
    assert step.counts == [("delivered", "Message")]


def test_the_delivery_id_depends_on_conversation_and_entry_alone() -> None:
    first, again, other = Partition(), Partition(), Partition()
    first.read(message("Hello", entry_id="e1", uuid="a"))
    again.read(message("Hello, again", entry_id="e1", uuid="b", at=5))
    other.read(message("Hello", entry_id="e2", uuid="a"))
    ids = [each.deliveries[0].delivery_id for each in (first, again, other)]
    assert ids[0] == ids[1] != ids[2]


NEVER = [
    pytest.param("Note", "note", id="a whisper"),
    pytest.param("FlagRaise", "flag", id="a flag with a message for the supervisor"),
    pytest.param("FlagLower", "flag", id="a lowered flag"),
    pytest.param("SendTranscriptRequestReceived", "unknown_type", id="a type of a newer release"),
    pytest.param("message", "unknown_type", id="a type that differs in case only"),
    pytest.param("", "unknown_type", id="an empty type"),
]


@pytest.mark.parametrize(("entry_type", "reason"), NEVER)
def test_an_entry_of_another_type_with_the_shape_of_a_message_is_withheld(entry_type: str, reason: str) -> None:
    partition = Partition()
    body = text_body("between reps", entry_type=entry_type)
    partition.read(event(envelope(body)))
    assert partition.deliveries == []
    assert partition.withheld() == [reason]


def test_an_entry_without_any_type_is_withheld() -> None:
    partition = Partition()
    body = text_body()
    del body["entryType"]
    partition.read(event(envelope(body, entryType=None)))
    assert partition.deliveries == []
    assert partition.withheld() == ["unknown_type"]


def _message(**parts: Any) -> OutboundEvent:
    return event(envelope(text_body(), **parts))


SAYS_INTERNAL_INSIDE = {**text_body(), "visibilityStrategy": "Internal"}
OTHER_TYPE_INSIDE = text_body(entry_type="Note")
ANSWER = {
    "entryType": "Message",
    "abstractMessage": {
        "messageType": "ChoicesResponseMessage",
        "choicesResponse": {"formatType": "Selections", "selectedOptions": [{"optionIdentifier": "o1"}]},
    },
}
FORM_RESULT = {
    "entryType": "Message",
    "abstractMessage": {"messageType": "FormResponseMessage", "formResponse": {"formatType": "Result"}},
}
NEW_MESSAGE_TYPE = {
    "entryType": "Message",
    "abstractMessage": {"messageType": "PaymentRequest", "staticContent": {"formatType": "Text", "text": "pay"}},
}
OTHERS = {"primary": [{"identifier": "someone-else"}], "secondary": None}

GUARDS = [
    pytest.param(event(envelope(OTHER_TYPE_INSIDE, entryType="Message")), "type_mismatch", id="1 Note inside Message"),
    pytest.param(event(envelope(text_body(), entryType="Note")), "note", id="1 Message inside Note"),
    pytest.param(_message(visibilityStrategy="Internal"), "internal_visibility", id="2 Internal on the entry"),
    pytest.param(event(envelope(SAYS_INTERNAL_INSIDE)), "internal_visibility", id="2 Internal on the payload"),
    pytest.param(_message(visibilityStrategy="Participants"), "internal_visibility", id="2 a strategy we do not know"),
    pytest.param(_message(visibilityStrategy=["Internal"]), "internal_visibility", id="2 an unreadable strategy"),
    pytest.param(_message(visibilityStrategy=""), "internal_visibility", id="2 an empty strategy"),
    pytest.param(_message(recipient={}), "recipient_absent", id="3 no recipient"),
    pytest.param(_message(recipient={"subject": END_USER}), "recipient_absent", id="3 a recipient without a role"),
    pytest.param(_message(recipient=party("Agent", "005A")), "recipient_not_end_user", id="3 to a rep"),
    pytest.param(_message(sender=party("EndUser", END_USER)), "echo", id="4 the end user's own message"),
    pytest.param(_message(sender=party("Router", "d0000000")), "router_sender", id="4 from a router"),
    pytest.param(_message(sender=party("Supervisor", "005S")), "supervisor_sender", id="4 from a supervisor"),
    pytest.param(_message(sender=party("Observer", "005O")), "sender_role", id="4 from a role we do not know"),
    pytest.param(_message(sender={"subject": "005"}), "sender_role", id="4 from nobody"),
    pytest.param(_message(recipients=OTHERS), "end_user_not_among_recipients", id="5 to others only"),
    pytest.param(event(envelope(ANSWER)), "answer_echo", id="an answer of the end user"),
    pytest.param(event(envelope(FORM_RESULT)), "answer_echo", id="the result of a form"),
    pytest.param(event(envelope(NEW_MESSAGE_TYPE)), "unknown_message_type", id="a message type we do not know"),
    pytest.param(
        event(envelope(static_body({"formatType": "Hologram", "text": "boo"}))), "unknown_format", id="unknown format"
    ),
    pytest.param(event(envelope(static_body({"text": "no format"}))), "no_content", id="no format"),
    pytest.param(event(envelope({"entryType": "Message", "id": "e1"})), "no_content", id="no message"),
    pytest.param(event(envelope(text_body("  "))), "no_content", id="an empty text"),
    pytest.param(event(envelope(text_body()), event_type="Telemetry"), "unknown_event_type", id="unknown event type"),
    pytest.param(event(envelope(text_body()), event_type="RoutingResult"), "unknown_event_type", id="wrong event type"),
]


@pytest.mark.parametrize(("read", "reason"), GUARDS)
def test_each_guard_withholds_and_says_why(read: OutboundEvent, reason: str) -> None:
    partition = Partition()
    partition.read(message("the end user is known", entry_id="e0"))
    step = partition.read(read)
    assert step.outputs == []
    assert ("withheld", reason) in step.counts
    assert partition.conversation.counters.withheld == 1


def test_a_message_for_another_end_user_is_withheld_even_when_15_characters_agree() -> None:
    partition = Partition()
    partition.read(event(envelope(text_body(), recipient=party("EndUser", "+49170123456789-A"))))
    step = partition.read(
        event(envelope(text_body(entry_id="e2"), recipient=party("EndUser", "+49170123456789-B"), entry_id="e2"))
    )
    assert step.outputs == []
    assert step.counts == [("withheld", "other_end_user")]


@pytest.mark.parametrize("role", ["Agent", "Chatbot", "System", "DigitalWorker"])
def test_those_who_serve_the_end_user_may_write(role: str) -> None:
    partition = Partition()
    partition.read(_message(sender=party(role, "005")))
    assert partition.deliveries[0].sender_role == role


def test_a_supervisors_message_is_delivered_when_the_rules_say_so() -> None:
    partition = Partition(Rules(supervisor_messages=True))
    partition.read(_message(sender=party("Supervisor", "005S")))
    assert len(partition.deliveries) == 1


@pytest.mark.parametrize(
    "part",
    [
        pytest.param({"visibilityStrategy": "Default"}, id="default visibility"),
        pytest.param({"visibilityStrategy": None}, id="null visibility"),
        pytest.param({"entryType": None}, id="type only inside"),
        pytest.param({"recipients": {"primary": [{"identifier": END_USER}]}}, id="end user is primary"),
        pytest.param({"recipients": {"secondary": [{"identifier": "p9", "contact": END_USER}]}}, id="secondary"),
        pytest.param({"recipients": {"primary": [], "hidden": [{"identifier": "005"}]}}, id="only hidden ones"),
        pytest.param({"recipient": {"appType": "live_message", "subject": END_USER, "role": "EndUser"}}, id="app type"),
    ],
)
def test_what_the_guards_have_nothing_against_is_delivered(part: dict[str, Any]) -> None:
    partition = Partition()
    partition.read(_message(**part))
    assert len(partition.deliveries) == 1


def test_the_type_outside_is_enough() -> None:
    body = text_body()
    del body["entryType"]
    partition = Partition()
    partition.read(event(envelope(body, entryType="Message")))
    assert len(partition.deliveries) == 1


def test_after_an_opt_out_only_the_confirmation_of_it_leaves() -> None:
    partition = Partition()
    partition.read(consent("OptOut", at=1))
    partition.read(message("Buy now", entry_id="e1", at=2))
    confirmation = {**text_body("You will hear no more of us", "e2"), "messageReason": "Consent"}
    partition.read(event(envelope(confirmation, entry_id="e2"), at=3))
    partition.read(consent("OptIn", at=4))
    partition.read(message("Welcome back", entry_id="e3", at=5))
    assert [each.entry_id for each in partition.deliveries] == ["e2", "e3"]
    assert partition.withheld() == ["opted_out"]


def test_typing_is_not_sent_after_an_opt_out() -> None:
    partition = Partition()
    partition.read(consent("OptOut", at=1))
    partition.read(typing(at=2))
    assert partition.deliveries == []


def test_nothing_of_a_consultation_between_reps_is_delivered() -> None:
    partition = Partition()
    partition.read(entry("ConsultConversationInfo", {"conversationIdentifier": CONVERSATION, "timestamp": 1}))
    partition.read(message())
    assert partition.deliveries == []
    assert partition.withheld() == ["consultation"]


def test_a_consultation_elsewhere_does_not_silence_this_conversation() -> None:
    partition = Partition()
    partition.read(entry("ConsultConversationInfo", {"conversationIdentifier": "another", "timestamp": 1}))
    partition.read(message())
    assert len(partition.deliveries) == 1


TTL = Rules().ephemeral_ttl_ms


@pytest.mark.parametrize(
    ("received", "now", "sent"),
    [
        pytest.param(20, 30, True, id="at once"),
        pytest.param(20, TTL - 1, True, id="one ms before it is stale"),
        pytest.param(20, TTL, False, id="exactly when it is stale"),
        pytest.param(20, 60 * TTL, False, id="read late"),
        pytest.param(TTL - 1, TTL - 1, True, id="received one ms before"),
        pytest.param(TTL, TTL, False, id="received stale"),
        pytest.param(3_600_000, 0, False, id="a replay, whatever our clock says"),
    ],
)
def test_typing_is_sent_only_while_fresh(received: int, now: int, sent: bool) -> None:
    partition = Partition()
    partition.read(typing(received=received), at=now)
    assert [each.kind for each in partition.deliveries] == (["typing_started"] if sent else [])
    assert partition.withheld() == ([] if sent else ["stale"])


def test_a_fresh_typing_says_when_it_expires_and_is_not_kept() -> None:
    partition = Partition()
    partition.read(typing(at=7))
    assert partition.deliveries[0].expires_at_ms == partition.deliveries[0].created_at_ms + TTL
    assert partition.state.tables["conversations"] == {}
    assert partition.pass_time(120_000) == []
    assert partition.state.tables["seen"] == {}


@pytest.mark.parametrize(
    ("entry_type", "kind"),
    [
        ("TypingStartedIndicator", "typing_started"),
        ("TypingStarted", "typing_started"),
        ("TypingStoppedIndicator", "typing_stopped"),
        ("TypingStopped", "typing_stopped"),
        ("ProgressIndicator", "progress"),
    ],
)
def test_ephemeral_entries_have_their_kind(entry_type: str, kind: str) -> None:
    partition = Partition()
    partition.read(entry(entry_type, {"timestamp": 1}))
    assert [each.kind for each in partition.deliveries] == [kind]


def test_progress_brings_its_text() -> None:
    indicator = {"indicatorType": "ProgressUpdateIndicator", "progressMessage": {"text": "Looking it up"}}
    partition = Partition()
    partition.read(entry("ProgressIndicator", {"progressIndicator": indicator}))
    assert partition.deliveries[0].text == "Looking it up"


def test_the_end_users_own_typing_is_not_sent_back() -> None:
    partition = Partition()
    partition.read(entry("TypingStartedIndicator", sender=party("EndUser", END_USER)))
    assert partition.withheld() == ["echo"]


STATE_TYPES = [
    "DeliveryAcknowledgement",
    "ReadAcknowledgement",
    "MessageUpdated",
    "MessageDeliveryFailed",
    "ParticipantChanged",
    "SessionStatusChanged",
    "QueuePosition",
    "EndUserConsentUpdated",
    "RoutingResult",
    "RoutingWorkResult",
    "TransferProgress",
    "ParticipantsConferenced",
    "ConsultConversationInfo",
]


@pytest.mark.parametrize("entry_type", STATE_TYPES)
def test_entries_of_the_class_state_are_counted_and_reach_nobody(entry_type: str) -> None:
    partition = Partition()
    body = text_body("must not leave", entry_type=entry_type)
    partition.read(event(envelope(body)))
    assert partition.deliveries == []
    assert ("state", entry_type) in partition.counts
    assert partition.conversation.counters.state == 1


@pytest.mark.parametrize("entry_type", STATE_TYPES)
def test_a_state_entry_whose_payload_names_another_type_is_withheld(entry_type: str) -> None:
    partition = Partition()
    body = {"entryType": "Note", "consentStatus": "OptIn", "sessionStatus": "Ended"}
    partition.read(event(envelope(body, entryType=entry_type)))
    assert partition.withheld() == ["type_mismatch"]
    assert partition.conversation.session.status is None
    assert partition.conversation.consent is None
