"""Where the public sources on outbound events disagree: what is accepted, one test for each, in their order.

The number in a name is the contradiction's in the list that the project keeps of them.
"""

import json
from typing import Any

import pytest

from byoc.explain.reading import read_event
from connectors.sinks.interaction.sink import APIS
from schemas.records import OutboundEvent
from streams.core.model.details import Mark
from streams.core.model.entry_types import ENTRY_TYPES
from streams.core.model.lenient import as_time_ms
from streams.core.model.rules import Rules
from tests.support.content import lost
from tests.support.domain import (
    CHANNEL,
    CONVERSATION,
    END_USER,
    REP,
    SECOND,
    T0,
    WORK_ITEM,
    Partition,
    consent,
    decision,
    entry,
    envelope,
    event,
    message,
    participant,
    party,
    receipt,
    requested,
    result,
    static_body,
    text_body,
)

REP_PARTY = party("Agent", REP, "agent")


def played(*read: Any, rules: Rules | None = None) -> Partition:
    partition = Partition(rules or Rules())
    for each in read:
        partition.read(each)
    return partition


def body_of(partition: Partition, index: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(partition.calls[index].body)
    return found


@pytest.mark.parametrize(
    ("fields", "subjects"),
    [
        pytest.param({"entries": [{"operation": "add", "participant": REP_PARTY}]}, [REP], id="entries"),
        pytest.param({"operation": "add", "participant": REP_PARTY}, [REP], id="a top-level participant"),
        pytest.param({"entries": []}, [], id="empty entries"),
    ],
)
def test_01_participant_changed_is_read_from_entries_or_from_one_participant(
    fields: dict[str, Any], subjects: list[str]
) -> None:
    conversation = played(entry("ParticipantChanged", fields)).conversation
    assert [each.subject for each in conversation.participants] == subjects


@pytest.mark.parametrize("word", ["add", "Add", "ADD"])
def test_02_operations_are_compared_without_their_case(word: str) -> None:
    assert len(played(participant(word)).conversation.participants) == 1
    gone = played(participant("add"), participant("Remove", at=5)).conversation.participants[0]
    assert gone.left_at_ms == T0 + 5


@pytest.mark.parametrize("event_type", ["Interaction", "RoutingResult"])
def test_03_a_routing_result_is_one_as_entry_type_and_as_event_type(event_type: str) -> None:
    fields = {"routingType": "Transfer", "failureType": "None", "errorMessages": []}
    kind = "RoutingResult" if event_type == "Interaction" else None
    told = event(envelope({"entryType": kind, **fields}, entryType=kind), at=SECOND, event_type=event_type)
    partition = played(requested(), told)
    assert partition.outcome_words() == ["routed"]


def test_04_a_flat_entry_is_read_when_there_is_no_payload_around_it() -> None:
    flat = envelope(text_body())["payload"] | {"recipient": party("EndUser", END_USER)}
    partition = played(event(flat | {"channelAddressIdentifier": CHANNEL}))
    assert [each.text for each in partition.deliveries] == ["Hello"]


def test_05_without_a_conversation_identifier_channel_and_subject_are_the_key() -> None:
    payload = envelope(text_body())
    del payload["conversationIdentifier"]
    found = read_event(json.dumps(payload), T0)
    assert found.conversation_id == f"{CHANNEL}:{END_USER}"


def test_06_explicit_nulls_are_absent() -> None:
    nulls = {"recipients": None, "visibilityStrategy": None, "senderDisplayName": None}
    body = {**text_body(), "messageReason": None, "visibilityStrategy": None}
    body["abstractMessage"] |= {"inReplyToMessageId": None, "references": None, "customHandlingType": None}
    delivery = played(event(envelope(body, **nulls))).deliveries[0]
    assert (delivery.text, delivery.content, delivery.sender_name) == ("Hello", None, None)


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"workId": "0Bz", "workTargetId": WORK_ITEM, "workType": "Assigned"}, id="some"),
        pytest.param({"conversationId": CONVERSATION, "workType": "Escalated"}, id="a field that is no property"),
    ],
)
def test_07_a_routing_work_result_is_taken_with_any_subset_of_its_fields(fields: dict[str, Any]) -> None:
    assert ("state", "RoutingWorkResult") in played(entry("RoutingWorkResult", fields)).counts


@pytest.mark.parametrize("entry_type", ["TransferProgress", "ParticipantsConferenced"])
def test_08_types_without_a_schema_change_state_only(entry_type: str) -> None:
    partition = played(entry(entry_type, {"abstractMessage": text_body()["abstractMessage"]}))
    assert (partition.deliveries, partition.withheld()) == ([], [])
    assert partition.conversation.counters.state == 1


def test_09_externally_routed_is_sent_for_targets_outside_and_never_read_from_results() -> None:
    inside, outside = played(requested(), decision()), played(requested(userId="ext-agent-9"), decision())
    assert (body_of(inside)["externallyRouted"], body_of(outside)["externallyRouted"]) == (False, True)
    for flag in (True, False, None):
        told = result("None", isExternallyRouted=flag, externallyRouted=flag)
        assert played(requested(), told).outcome_words() == ["routed"]


def test_10_the_routing_type_is_always_sent() -> None:
    for routing_type in ("Transfer", "Conference", "Initial"):
        partition = played(requested(routing_type=routing_type), decision())
        assert body_of(partition)["routingType"] == routing_type


@pytest.mark.parametrize(
    "names_it",
    [
        pytest.param(entry("SessionStatusChanged", {"sessionId": WORK_ITEM, "sessionStatus": "Active"}), id="session"),
        pytest.param(entry("RoutingWorkResult", {"workTargetId": WORK_ITEM}), id="work"),
        pytest.param(entry("QueuePosition", {"workItemId": WORK_ITEM, "position": 1}), id="queue"),
    ],
)
def test_11_the_work_item_comes_from_elsewhere_when_the_request_has_none(names_it: OutboundEvent) -> None:
    partition = played(names_it, requested(work_item=None), decision())
    assert body_of(partition)["workItemId"] == WORK_ITEM


@pytest.mark.parametrize("data", [None, "no json", {"eventId": "r1"}, '{"eventId": "r1"}'])
def test_12_channel_data_may_be_null_unreadable_an_object_or_text(data: object) -> None:
    (task,) = played(requested(None, channelData=data, uuid="u1")).tasks
    again = played(requested(None, channelData=data, uuid="u1")).tasks[0]
    named = isinstance(data, dict) or (isinstance(data, str) and data.startswith("{"))
    assert (task.request_id == "r1") is named
    assert task.request_id == again.request_id


def test_13_acknowledgement_times_are_sent_as_numbers_and_read_as_numbers_or_text() -> None:
    rules = Rules(acknowledged_channels=frozenset({"*"}))
    sent = body_of(played(message(), receipt(), rules=rules))["acknowledgements"][0]
    assert isinstance(sent["acknowledgementTimestamp"], int)
    for told in (T0 + 5, str(T0 + 5)):
        fields = {"acknowledgedConversationEntryIdentifier": "in-1", "acknowledgementTimestamp": told}
        details = played(entry("ReadAcknowledgement", fields)).conversation.details
        assert details is not None
        assert details.reps_read == Mark(T0 + 5, "in-1")


@pytest.mark.parametrize("told", [1_767_225_000, "1767225000", 1_767_225_000_000, "1767225000000"])
def test_14_session_times_are_seconds_or_milliseconds_as_numbers_or_text(told: object) -> None:
    assert as_time_ms(told) == 1_767_225_000_000
    started = played(entry("SessionStatusChanged", {"sessionStatus": "Active", "sessionStartTime": told}))
    assert started.conversation.session.started_at_ms == 1_767_225_000_000


def test_15_the_context_type_is_sent_in_camel_case_where_it_is_asked_for() -> None:
    types = {api.context_type for api in APIS.values() if api.context_type is not None}
    assert types == {"ConversationChannelDefinition"}
    assert APIS["agentWork", "PATCH"].context_type == "ConversationChannelDefinition"


@pytest.mark.parametrize("odd", [7.5, True, {"a": 1}, [1], "7"])
def test_16_a_field_of_another_type_than_the_yaml_says_is_no_error(odd: object) -> None:
    body = static_body(
        {"formatType": "Media", "mediaAsset": {"id": odd, "assetUrl": "https://a.example", "title": odd}}
    )
    assert len(played(event(envelope(body, clientDuration=odd))).deliveries) == 1
    assert ("state", "QueuePosition") in played(entry("QueuePosition", {"position": odd})).counts


@pytest.mark.parametrize(
    ("format_type", "reason"),
    [("Flow", "unknown_format"), ("Result", "unknown_format"), ("Selections", "unknown_format")],
)
def test_17_a_format_that_only_other_parents_allow_is_withheld_and_counted(format_type: str, reason: str) -> None:
    partition = played(event(envelope(static_body({"formatType": format_type, "text": "x"}))))
    assert (partition.deliveries, partition.withheld()) == ([], [reason])


def test_17_a_known_format_under_an_unusual_parent_is_delivered() -> None:
    static = {"formatType": "Buttons", "text": "Ready?", "optionItems": [{"titleItem": {"title": "Yes"}}]}
    assert played(event(envelope(static_body(static)))).deliveries[0].text == "Ready?\n1. Yes"


@pytest.mark.parametrize("app_type", ["live_message", "iamessage", "voice_bot", "hologram"])
def test_18_app_types_and_roles_are_open(app_type: str) -> None:
    served = played(event(envelope(text_body(), recipient=party("EndUser", END_USER, app_type))))
    assert len(served.deliveries) == 1
    digital = played(event(envelope(text_body(), sender=party("DigitalWorker", "w1", app_type))))
    assert len(digital.deliveries) == 1
    assert played(participant("add", role="Translator")).conversation.participants[0].role == "Translator"


def test_19_record_ids_agree_in_15_characters_and_subjects_in_all() -> None:
    assert body_of(played(requested(work_item=WORK_ITEM + "AAA"), decision()))["workItemId"] == WORK_ITEM
    first = event(envelope(text_body(), recipient=party("EndUser", "+49170123456789-A")))
    other = event(envelope(text_body(entry_id="e2"), entry_id="e2", recipient=party("EndUser", "+49170123456789-B")))
    assert played(first, other).withheld() == ["other_end_user"]


def test_20_the_three_ids_of_an_entry_may_differ() -> None:
    body = text_body(entry_id="inner")
    body["abstractMessage"]["id"] = "innermost"
    partition = played(
        event(envelope(body, entry_id="outer"), uuid="a"), event(envelope(body, entry_id="outer"), uuid="b")
    )
    assert [each.entry_id for each in partition.deliveries] == ["outer"]


def test_21_a_failed_delivery_of_which_salesforce_tells_is_kept_and_nothing_relies_on_it() -> None:
    fields = {"recipient": party("EndUser", END_USER), "errorCode": "10055", "failedConversationEntryIdentifier": "e1"}
    partition = played(message(), entry("MessageDeliveryFailed", fields, at=3))
    assert partition.conversation.details is not None
    assert partition.conversation.details.not_delivered == Mark(T0 + 3, "e1")
    assert [type(each).__name__ for each in partition.outputs] == ["Delivery"]


@pytest.mark.parametrize(
    ("word", "sent"),
    [("OptOut", 0), ("OptIn", 1), ("OptedOut", 1), ("ExplicitlyOptedIn", 1)],
    ids=["outbound out", "outbound in", "inbound out: no word of outbound events", "inbound in"],
)
def test_22_consent_is_read_in_the_words_of_outbound_events(word: str, sent: int) -> None:
    partition = played(consent(word), message(at=2))
    assert (len(partition.deliveries), partition.conversation.consent) == (sent, word)


def test_23_capabilities_are_not_registered_by_the_processor() -> None:
    """How often they are is disputed; an integration does it at its start and daily, no event causes it."""
    assert not any(api == "capabilities" for api, _ in APIS)


@pytest.mark.parametrize("value", [{"plan": "gold"}, "gold", 7, ["gold"]])
def test_24_an_experience_value_may_be_anything(value: object) -> None:
    values = [{"valueType": "ExperienceTypeValue", "type": "ns__Plan", "value": value}]
    static = {"formatType": "ExperienceType", "message": "Pick a plan", "values": values}
    delivery = played(event(envelope(static_body(static)))).deliveries[0]
    assert json.loads(delivery.content or "")["values"] == [{"type": "ns__Plan", "value": value}]


def test_25_a_carousel_may_have_one_option_and_labels_come_in_two_spellings() -> None:
    item = {
        "titleItem": {"title": "Gold"},
        "interactionItems": [{"titleItem": {"title": "Buy"}, "optionIdentifier": "o1"}],
    }
    choices = {"formatType": "Carousel", "items": [item]}
    message_body = {"messageType": "ChoicesMessage", "id": "e1", "choices": choices}
    delivery = played(event(envelope({"entryType": "Message", "abstractMessage": message_body}))).deliveries[0]
    assert delivery.text == "Gold\n1. Buy"
    text = {"formatType": "Buttons", "text": {"title": "Ready?"}, "optionItems": []}
    odd = {"messageType": "ChoicesMessage", "id": "e1", "choices": text}
    assert len(played(event(envelope({"entryType": "Message", "abstractMessage": odd}))).deliveries) == 1


@pytest.mark.parametrize(
    ("ids", "identifier"),
    [
        ({"optionIdentifier": "new"}, "new"),
        ({"optionId": "old"}, "old"),
        ({"optionIdentifier": "new", "optionId": "old"}, "new"),
    ],
)
def test_26_an_option_has_its_identifier_also_where_it_came_as_option_id(ids: dict[str, str], identifier: str) -> None:
    item = {"itemType": "TitleOptionItem", "titleItem": {"title": "Yes"}, **ids}
    choices = {"formatType": "Buttons", "text": "Ready?", "optionItems": [item]}
    body = {
        "entryType": "Message",
        "abstractMessage": {"messageType": "ChoicesMessage", "id": "q1", "choices": choices},
    }
    content = json.loads(played(event(envelope(body))).deliveries[0].content or "")
    assert content["options"][0]["id"] == identifier
    assert content["in_reply_to"] == "q1"
    assert lost(body["abstractMessage"], content) == []


def test_27_an_entry_payload_may_be_a_json_string() -> None:
    payload = envelope(text_body())
    payload["payload"]["entryPayload"] = json.dumps(payload["payload"]["entryPayload"])
    assert [each.text for each in played(event(payload)).deliveries] == ["Hello"]
    note = envelope(text_body(entry_type="Note"), entryType="Message")
    note["payload"]["entryPayload"] = json.dumps(note["payload"]["entryPayload"])
    assert played(event(note)).withheld() == ["type_mismatch"]


def test_28_text_is_never_searched_for_and_foreign_channels_are_no_error() -> None:
    hidden = {"entryType": "Message", "id": "e1", "somewhere": {"text": "whisper"}, "abstractMessage": {"text": "x"}}
    assert played(event(envelope(hidden))).deliveries == []
    foreign = envelope(text_body()) | {"channelAddressIdentifier": "another-channel"}
    assert [each.channel_address_id for each in played(event(foreign)).deliveries] == ["another-channel"]
    calls = played(requested("r1"), decision(), rules=Rules(work_calls=True)).calls
    assert {call.request_id for call in calls} == {"r1"}  # never a constant


BEST_ESTABLISHED = [
    "Message",
    "MessageDeliveryFailed",
    "TypingStartedIndicator",
    "TypingStoppedIndicator",
    "ParticipantChanged",
    "MessageUpdated",
    "RoutingResult",
]


@pytest.mark.parametrize("entry_type", BEST_ESTABLISHED)
def test_29_the_seven_types_of_the_first_contract_are_never_withheld_as_unknown(entry_type: str) -> None:
    partition = played(message(entry_id="e0"), entry(entry_type, {"timestamp": T0}, at=1))
    assert "unknown_type" not in partition.withheld()


def test_29_all_20_types_are_known() -> None:
    assert len([row for row in ENTRY_TYPES.values() if row.in_schema]) == 20
