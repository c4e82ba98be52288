"""Every accepted shape of a payload means the same."""

import json
from typing import Any

import pytest
from msgspec.structs import replace

from streams.core.model.errors import Unparsable
from streams.core.parsing.parse import lenient_entry, parse_entry, parse_routing, typed_entry
from tests.support.domain import (
    CHANNEL,
    END_USER,
    Partition,
    entry,
    envelope,
    event,
    message,
    party,
    requested,
    static_body,
    text_body,
)

PLAIN = envelope(text_body())


def _flat() -> dict[str, Any]:
    return {"channelAddressIdentifier": CHANNEL, "recipient": party("EndUser", END_USER), **PLAIN["payload"]}


def _string_body() -> dict[str, Any]:
    return {**PLAIN, "payload": {**PLAIN["payload"], "entryPayload": json.dumps(text_body())}}


LEGACY_FIELDS = {"Recipient__c": json.dumps(party("EndUser", END_USER)), "ChannelAddress__c": CHANNEL}
AVRO_JS_FIELDS = {"A__c": {"string": LEGACY_FIELDS["Recipient__c"]}, "B__c": {"string": CHANNEL}}
WITH_OTHER_FIELDS = {"Note__c": "free text", "Chnl__c": CHANNEL, "Count__c": 3, "R__c": LEGACY_FIELDS["Recipient__c"]}

SHAPES = [
    pytest.param(event(PLAIN), id="today's form"),
    pytest.param(event(json.dumps(PLAIN, indent=2)), id="with blanks"),
    pytest.param(event(json.dumps(json.dumps(PLAIN))), id="a JSON string that holds JSON"),
    pytest.param(event(_string_body()), id="entryPayload as a string"),
    pytest.param(event({**PLAIN, "payload": json.dumps(PLAIN["payload"])}), id="payload as a string"),
    pytest.param(event(_flat()), id="flat"),
    pytest.param(event({**PLAIN, "extra": [1, {"a": None}]}), id="unknown fields"),
    pytest.param(event(PLAIN["payload"], event_type="", extra_fields=LEGACY_FIELDS), id="legacy three fields"),
    pytest.param(event(PLAIN["payload"], event_type="", extra_fields=AVRO_JS_FIELDS), id="legacy, avro-js unions"),
    pytest.param(event(PLAIN["payload"], event_type="", extra_fields=WITH_OTHER_FIELDS), id="legacy, more fields"),
]


@pytest.mark.parametrize("read", SHAPES)
def test_every_shape_of_a_text_message_gives_the_same_delivery(read: Any) -> None:
    partition = Partition()
    partition.read(read)
    (delivery,) = partition.deliveries
    assert (delivery.text, delivery.entry_id) == ("Hello", "e1")
    assert (delivery.channel_address_id, delivery.end_user_subject) == (CHANNEL, END_USER)


NULLS = {"inReplyToMessageId": None, "references": None, "customHandlingType": None, "contentCategory": None}


def test_explicit_nulls_are_absent() -> None:
    body = text_body()
    body["abstractMessage"].update(NULLS)
    body["abstractMessage"]["staticContent"]["citationContent"] = None
    partition = Partition()
    partition.read(event(envelope(body, recipients=None, visibilityStrategy=None)))
    assert partition.deliveries[0].content is None


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        pytest.param("", "no JSON", id="empty"),
        pytest.param("{", "no JSON", id="cut off"),
        pytest.param("[1, 2]", "no object: list", id="an array"),
        pytest.param("null", "no object: NoneType", id="null"),
        pytest.param('"text"', "no JSON", id="a string that holds none"),
        pytest.param('{"a": ' * 5_000 + "1" + "}" * 5_000, "nested more than 128 levels deep", id="nested too deeply"),
        pytest.param('{"payload": "\\ud800"}', "no JSON", id="half a character"),
    ],
)
@pytest.mark.parametrize("event_type", ["Interaction", "RoutingRequested", ""])
def test_what_is_no_json_object_is_unparsable_and_changes_nothing(payload: str, reason: str, event_type: str) -> None:
    partition = Partition()
    with pytest.raises(Unparsable, match=reason) as raised:
        partition.read(event(payload, event_type=event_type, uuid="uuid-9"))
    assert raised.value.event_uuid == "uuid-9"
    assert reason in raised.value.reason
    assert partition.state.tables["seen"] == {}


@pytest.mark.parametrize("payload", ["{}", '{"payload": 5}', '{"payload": {"entryType": 7}}', '{"entryType": []}'])
def test_an_object_without_sense_is_withheld_as_unknown(payload: str) -> None:
    partition = Partition()
    partition.read(event(payload))
    assert partition.withheld() == ["unknown_type"]


def test_an_entry_nested_far_below_the_limit_is_read() -> None:
    deep: Any = "leaf"
    for _ in range(100):
        deep = {"in": deep}
    partition = Partition()
    partition.read(event(envelope(static_body({"formatType": "Media", "mediaAsset": deep}))))
    assert len(partition.deliveries) == 1


@pytest.mark.parametrize(
    "read",
    [
        pytest.param(message("Grüße 👋"), id="text"),
        pytest.param(entry("TypingStartedIndicator", {"timestamp": 1}), id="typing"),
        pytest.param(entry("ParticipantChanged", {"entries": []}), id="with a body"),
        pytest.param(event(envelope(static_body({"formatType": "Links", "links": []}))), id="another format"),
        pytest.param(event(envelope(text_body(entry_type="Note"), entryType="Message")), id="types differ"),
        pytest.param(event(envelope(text_body(), visibilityStrategy="Internal")), id="internal"),
        pytest.param(event(envelope(text_body(), sender={"role": None}, recipient={})), id="nobody"),
        pytest.param(event(envelope({**text_body(), "messageReason": "Consent"})), id="reason"),
        pytest.param(event(envelope(text_body(), entry_id="")), id="empty entry id"),
    ],
)
def test_the_typed_way_agrees_with_the_lenient_way(read: Any) -> None:
    typed = typed_entry(read.payload)
    assert typed is not None
    assert replace(typed, body=None) == replace(lenient_entry(read), body=None)


REFERRING = {**text_body(), "abstractMessage": {**text_body()["abstractMessage"], "references": []}}


@pytest.mark.parametrize(
    ("body", "content"),
    [
        pytest.param(
            static_body({"formatType": "Text", "text": "x", "citationContent": {"citations": [{"new": 1}]}}),
            {"format": "text", "in_reply_to": "e1", "text": "x", "citations": [{"extra": {"new": 1}}]},
            id="cited",
        ),
        pytest.param(
            static_body({"formatType": "Attachments", "attachments": []}),
            {"format": "attachments", "in_reply_to": "e1"},
            id="another format",
        ),
        pytest.param(
            {**text_body(), "abstractMessage": {**text_body()["abstractMessage"], "references": [{"id": "r"}]}},
            {"format": "text", "in_reply_to": "e1", "text": "Hello", "references": [{"id": "r"}]},
            id="refs",
        ),
    ],
)
def test_a_text_with_more_to_it_keeps_its_whole_content(body: dict[str, Any], content: dict[str, Any]) -> None:
    parsed = parse_entry(event(envelope(body)))
    assert parsed.message is not None
    assert json.loads(parsed.message.content or "") == content


def test_numbers_where_ids_belong_are_read_as_text() -> None:
    parsed = parse_entry(event(envelope(text_body(), entry_id=None, identifier=4711, senderDisplayName=True)))
    assert parsed.entry_id == "4711"
    assert parsed.sender_name is None


def test_a_routing_result_is_also_taken_as_an_event_type_of_its_own() -> None:
    parsed = parse_entry(event({"payload": {"identifier": "x", "entryPayload": {}}}, event_type="RoutingResult"))
    assert parsed.entry_type == "RoutingResult"


REP, QUEUE, FLOW, BOT = "005Hs00000FgHiJ", "00GHs00000AbCdE", "300Hs00000AbCdE", "0XxHs00000AbCdE"


@pytest.mark.parametrize(
    ("parameters", "kind", "target_id"),
    [
        pytest.param({"userId": REP}, "rep", REP, id="rep"),
        pytest.param({"userId": None, "queueId": QUEUE}, "queue", QUEUE, id="queue"),
        pytest.param({"userId": None, "flowId": FLOW, "queueId": QUEUE}, "flow", FLOW, id="flow with its fallback"),
        pytest.param({"userId": "", "botId": BOT}, "bot", BOT, id="bot"),
        pytest.param({"userId": "ext-agent-7"}, "external", "ext-agent-7", id="a user id of another system"),
        pytest.param({"userId": None, "externalContactId": "x-1"}, "external", "x-1", id="external contact"),
        pytest.param({"userId": None, "skillsList": [{"id": "s1"}, {"id": "s2"}]}, "skills", None, id="skills"),
        pytest.param({"userId": None, "skillsList": None}, "unknown", None, id="nobody named"),
        pytest.param({"userId": None, "skillsList": "s1"}, "unknown", None, id="skills that are no list"),
    ],
)
def test_the_target_of_a_request_is_recognised(parameters: dict[str, Any], kind: str, target_id: str | None) -> None:
    ask = parse_routing(requested(**parameters))
    assert (ask.target_kind, ask.target_id) == (kind, target_id)


DATA = {"eventId": "ev-1", "routerParticipantSubject": "router-1", "routingType": "Conference", "conversationId": "c-9"}


@pytest.mark.parametrize(
    ("channel_data", "event_id"),
    [
        pytest.param(json.dumps(DATA), "ev-1", id="a string that holds JSON"),
        pytest.param(DATA, "ev-1", id="an object"),
        pytest.param(None, None, id="null"),
        pytest.param("not json", None, id="unparsable"),
        pytest.param("{broken", None, id="broken JSON"),
        pytest.param("[]", None, id="an array"),
        pytest.param(5, None, id="a number"),
        pytest.param(json.dumps({"eventId": "  "}), None, id="a blank event id"),
    ],
)
def test_channel_data_comes_in_many_forms(channel_data: object, event_id: str | None) -> None:
    assert parse_routing(requested(channelData=channel_data)).event_id == event_id


def test_channel_data_fills_what_the_request_leaves_out() -> None:
    read = requested(channelData=DATA, routing_type=None)
    payload = json.loads(read.payload)
    del payload["payload"]["conversationIdentifier"]
    ask = parse_routing(event(payload, event_type="RoutingRequested"))
    assert (ask.routing_type, ask.conversation_identifier, ask.router_subject) == ("Conference", "c-9", "router-1")
    assert json.loads(ask.channel_data or "") == DATA


def test_channel_data_that_is_a_string_stays_as_it_came() -> None:
    came = '{"eventId" :  "ev-1"}'
    assert parse_routing(requested(channelData=came)).channel_data == came


def test_a_routing_request_may_be_flat() -> None:
    inner = json.loads(requested().payload)["payload"]
    ask = parse_routing(event({"channelAddressIdentifier": CHANNEL, **inner}, event_type="RoutingRequested"))
    assert (ask.target_id, ask.event_id, ask.channel_address_id) == (REP, "r1", CHANNEL)


def test_a_transfer_is_recognised_without_its_type() -> None:
    assert parse_routing(requested(None, routing_type=None, isTransfer=True)).routing_type == "Transfer"
    assert parse_routing(requested(None, routing_type=None)).routing_type == ""


@pytest.mark.parametrize("place", ["payload", "entryPayload", "abstractMessage", "nowhere"])
@pytest.mark.parametrize(("levels", "is_read"), [(100, True), (129, False), (500, False), (20_000, False)])
def test_the_depth_is_the_same_wherever_it_is_and_on_every_version_of_python(
    place: str, levels: int, is_read: bool
) -> None:
    deep = "[" * levels + "]" * levels
    payload = json.dumps(envelope({**text_body(), "long": "x" * 2_000}))
    if place == "nowhere":
        payload = '{"unread": ' + deep + ", " + payload[1:]
    else:
        payload = payload.replace(f'"{place}": {{', f'"{place}": {{"unread": {deep}, ', 1)
    assert deep in payload
    partition = Partition()
    if is_read:
        partition.read(event(payload))
        assert len(partition.deliveries) == 1
    else:
        with pytest.raises(Unparsable, match="nested more than 128 levels deep"):
            partition.read(event(payload))
