"""From a decoded platform event to the record: the key of every shape that Salesforce has sent."""

import json

import pytest

from connectors.pubsub.converters.byoc import FieldNames, Mapper, Source
from connectors.pubsub.converters.converter import EventHeaders, Unreadable

CHANNEL = "c0ffee00-0000-4000-8000-0000000000c1"
RECIPIENT = {"appType": "custom", "subject": "cust-4711", "role": "EndUser"}
ENTRY = {"identifier": "e1", "entryType": "Message", "entryPayload": {"conversationIdentifier": "not this one"}}
INTERACTION = {
    "channelAddressIdentifier": CHANNEL,
    "conversationIdentifier": "cv-1",
    "recipient": RECIPIENT,
    "payload": ENTRY,
}
ROUTING = {
    "channelAddressIdentifier": CHANNEL,
    "recipient": RECIPIENT,
    "payload": {
        "conversationIdentifier": "cv-1",
        "routingType": "Transfer",
        "routingParameters": {"queueId": None, "channelData": json.dumps({"eventId": "ev", "conversationId": "cv-1"})},
    },
}
FALLBACK = f"{CHANNEL}:cust-4711"


def without(document, key):
    return {name: value for name, value in document.items() if name != key}


def mapper(**fields):
    names = FieldNames(**{"event_type": "EventType__c", "payload": "EventPayload__c", **fields})
    return Mapper(Source(topic="/event/X__e", org_id="00DHs000000DemoMAC", fields=names))


def decoded(payload, event_type="Interaction", **others):
    text = payload if payload is None or isinstance(payload, str) else json.dumps(payload)
    return {
        "CreatedDate": 1_767_225_600_000,
        "CreatedById": "005",
        "EventType__c": event_type,
        "EventPayload__c": text,
        **others,
    }


def event(fields, **names):
    return mapper(**names).event("uuid-1", "schema-1", b"\x01\x02", fields, 1_767_225_600_050)


CONSULT = {"entryType": "ConsultConversationInfo", "id": "e1", "conversationIdentifier": "cv-consult"}
ANNOUNCED = {"identifier": "e1", "entryType": "ConsultConversationInfo", "entryPayload": CONSULT}


@pytest.mark.parametrize(
    ("payload", "event_type", "key"),
    [
        pytest.param(INTERACTION, "Interaction", "cv-1", id="interaction: at the top"),
        pytest.param(ROUTING, "RoutingRequested", "cv-1", id="routing request: one level deeper"),
        pytest.param({**INTERACTION, "payload": ANNOUNCED}, "Interaction", "cv-consult", id="the announced one"),
        pytest.param(
            {**INTERACTION, "payload": without(ANNOUNCED, "entryType")}, "Interaction", "cv-consult", id="typed inside"
        ),
        pytest.param(
            {**INTERACTION, "payload": {**ANNOUNCED, "entryPayload": json.dumps(CONSULT)}},
            "Interaction",
            "cv-consult",
            id="announced in a JSON string",
        ),
        pytest.param(
            without({**INTERACTION, **ANNOUNCED}, "payload"),
            "Interaction",
            "cv-consult",
            id="announced in the flat form",
        ),
        pytest.param(
            without({**INTERACTION, "payload": ANNOUNCED}, "conversationIdentifier"),
            "Interaction",
            "cv-consult",
            id="announced by nobody",
        ),
        pytest.param(
            {**INTERACTION, "payload": {**ANNOUNCED, "entryPayload": without(CONSULT, "conversationIdentifier")}},
            "Interaction",
            "cv-1",
            id="an announcement that names none",
        ),
        pytest.param(
            {**INTERACTION, "payload": {**ENTRY, "senderDisplayName": "ConsultConversationInfo"}},
            "Interaction",
            "cv-1",
            id="the word in another place",
        ),
        pytest.param({**ROUTING, "conversationIdentifier": "top"}, "RoutingRequested", "cv-1", id="both: deeper"),
        pytest.param(
            {**ROUTING, "payload": without(ROUTING["payload"], "conversationIdentifier")},
            "RoutingRequested",
            "cv-1",
            id="routing request: only in channelData",
        ),
        pytest.param(
            {**ROUTING, "payload": {"routingType": "Transfer"}},
            "RoutingRequested",
            FALLBACK,
            id="routing request without any: channel and subject",
        ),
        pytest.param(without(INTERACTION, "conversationIdentifier"), "Interaction", FALLBACK, id="absent"),
        pytest.param({**INTERACTION, "conversationIdentifier": None}, "Interaction", FALLBACK, id="explicit null"),
        pytest.param({**INTERACTION, "conversationIdentifier": ""}, "Interaction", FALLBACK, id="empty"),
        pytest.param({**INTERACTION, "conversationIdentifier": 4711}, "Interaction", "4711", id="a number"),
        pytest.param({**INTERACTION, "payload": json.dumps(ENTRY)}, "Interaction", "cv-1", id="entry as a JSON string"),
        pytest.param(
            {**ROUTING, "payload": json.dumps(ROUTING["payload"])},
            "RoutingRequested",
            "cv-1",
            id="routing payload as a JSON string",
        ),
        pytest.param({**INTERACTION, "payload": None}, "Interaction", "cv-1", id="null payload"),
        pytest.param({**ENTRY, "conversationIdentifier": "cv-1"}, "Interaction", "cv-1", id="flat form"),
        pytest.param(
            {**ENTRY, "channelAddressIdentifier": CHANNEL, "recipient": RECIPIENT},
            "Interaction",
            FALLBACK,
            id="flat form without identifier",
        ),
        pytest.param(
            {**without(INTERACTION, "conversationIdentifier"), "recipient": json.dumps(RECIPIENT)},
            "Interaction",
            FALLBACK,
            id="recipient as a JSON string",
        ),
        pytest.param({**INTERACTION, "newField": {"deep": [1, 2]}}, "SomethingNew", "cv-1", id="unknown event type"),
        pytest.param({**INTERACTION, "conversationIdentifier": "übung-1"}, "Interaction", "übung-1", id="beyond ASCII"),
    ],
)
def test_the_key_is_the_conversation_wherever_the_event_names_it(payload, event_type, key):
    assert event(decoded(payload, event_type)).conversation_id == key


def test_the_record_keeps_the_payload_text_as_it_came():
    text = '{ "conversationIdentifier" :"cv-1","b":1, "a":"\\u00fc" }'
    record = event(decoded(text))
    assert record.payload == text
    assert (record.event_uuid, record.schema_id, record.replay_id) == ("uuid-1", "schema-1", b"\x01\x02")
    assert (record.topic, record.org_id, record.event_type) == ("/event/X__e", "00DHs000000DemoMAC", "Interaction")
    assert (record.created_at_ms, record.received_at_ms) == (1_767_225_600_000, 1_767_225_600_050)
    assert record.extra_fields is None


def test_values_in_the_union_form_of_avro_js_are_read_like_plain_ones():
    fields = decoded(None)
    fields["EventType__c"] = {"string": "RoutingRequested"}
    fields["EventPayload__c"] = {"string": json.dumps(ROUTING)}
    record = event(fields)
    assert (record.event_type, record.conversation_id) == ("RoutingRequested", "cv-1")
    assert record.payload == json.dumps(ROUTING)


LEGACY = {"Chan__c": CHANNEL, "Recipient__c": json.dumps(RECIPIENT)}


@pytest.mark.parametrize(
    "names",
    [
        pytest.param({"channel": "Chan__c", "recipient": "Recipient__c"}, id="fields named"),
        pytest.param({}, id="fields recognised"),
    ],
)
def test_the_legacy_form_is_keyed_by_its_own_fields_and_keeps_them(names):
    fields = {**decoded(ENTRY, None), **LEGACY}
    del fields["EventType__c"]
    record = event(fields, **names)
    assert record.conversation_id == FALLBACK
    assert record.event_type == ""
    assert json.loads(record.extra_fields) == LEGACY


def test_further_custom_fields_are_kept():
    assert json.loads(event(decoded(INTERACTION, Tenant__c="t-1", Flag__c=None)).extra_fields) == {
        "Tenant__c": "t-1",
        "Flag__c": None,
    }


@pytest.mark.parametrize(
    ("fields", "stage"),
    [
        pytest.param(decoded("{not json"), "VALUE_CONVERTER", id="no JSON"),
        pytest.param(decoded('["a list"]'), "VALUE_CONVERTER", id="JSON but no object"),
        pytest.param(decoded(None), "VALUE_CONVERTER", id="no payload"),
        pytest.param(decoded(""), "VALUE_CONVERTER", id="empty payload"),
        pytest.param({**decoded(INTERACTION), "CreatedDate": None}, "VALUE_CONVERTER", id="no creation time"),
        pytest.param(decoded({"recipient": RECIPIENT}), "KEY_CONVERTER", id="a subject without a channel"),
        pytest.param(decoded({"channelAddressIdentifier": CHANNEL}), "KEY_CONVERTER", id="a channel without a subject"),
        pytest.param(decoded(ENTRY), "KEY_CONVERTER", id="nothing to key by"),
        pytest.param(
            decoded(ENTRY, A__c="one", B__c="two", R__c=json.dumps(RECIPIENT)), "KEY_CONVERTER", id="ambiguous legacy"
        ),
    ],
)
def test_an_event_that_cannot_be_keyed_or_read_says_why_without_its_content(fields, stage):
    with pytest.raises(Unreadable) as caught:
        event(fields)
    assert caught.value.stage == stage
    assert "cust-4711" not in str(caught.value)


def test_the_headers_let_a_reader_find_the_event_at_salesforce_again():
    assert EventHeaders("/event/X__e", "00DHs000000DemoMAC").of("uuid-1", "schema-1", b"\x00\xff") == [
        ("sf.replay_id", b"\x00\xff"),
        ("sf.schema_id", b"schema-1"),
        ("sf.event_uuid", b"uuid-1"),
        ("sf.topic", b"/event/X__e"),
        ("sf.org_id", b"00DHs000000DemoMAC"),
    ]
