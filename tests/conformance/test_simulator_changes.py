"""Change events of the simulator: schema, bitmaps, the three-branch name, gap events, large numbers, the channel."""

import pytest

from schemas.proto import pubsub_api_pb2 as pb
from simulator.events.change_events import ALL_CHANGES, ChangeEventSchema, EntityChange, change_topic
from simulator.events.event_schema import PayloadError
from tests.support.faulty_org import faulty
from tests.support.pubsub_client import fetch, read_events, subscribe

ACCOUNT = "/data/AccountChangeEvent"
ID = "001Hs00000AbCdEIAV"


def header_of(**change):
    schema = ChangeEventSchema("Account")
    payload = schema.encode_change(
        EntityChange(entity="Account", record_ids=[ID], **change),
        transaction_key="t-1",
        commit_number=2**60 + 1,
        commit_timestamp=1_767_225_600_000,
    )
    record = schema.decode_record(payload)
    return record.pop("ChangeEventHeader"), {name: value for name, value in record.items() if value is not None}


def test_the_bitmaps_of_an_update_name_the_fields_by_their_place():
    header, record = header_of(
        fields={"Phone": "+49 1", "Name": {"FirstName": "Ana"}, "BillingAddress": {"City": "Kiel"}},
        nulled=["AnnualRevenue", "ShippingAddress.Street"],
    )
    assert header["changedFields"] == ["0x44", "1-0x2", "3-0x2", "4-0x1"]
    assert header["nulledFields"] == ["0x40", "4-0x1"]
    assert record["Name"] == {"FirstName": "Ana", "LastName": None, "Salutation": None}


@pytest.mark.parametrize("name", [pytest.param("Acme", id="text"), pytest.param({"LastName": "A"}, id="record")])
def test_a_name_is_null_text_or_record(name):
    _, record = header_of(fields={"Name": name})
    assert record["Name"] == (name if isinstance(name, str) else {"FirstName": None, "Salutation": None, **name})


@pytest.mark.parametrize("change_type", ["GAP_CREATE", "GAP_UPDATE", "GAP_DELETE", "GAP_UNDELETE", "GAP_OVERFLOW"])
def test_a_gap_event_has_a_header_and_nothing_else(change_type):
    header, record = header_of(change_type=change_type)
    assert header["changeType"] == change_type
    assert record == {}
    with pytest.raises(PayloadError, match="no fields"):
        header_of(change_type=change_type, fields={"Phone": "1"})


def test_a_field_that_there_is_not_is_refused():
    with pytest.raises(PayloadError, match="there is no field Nope"):
        header_of(nulled=["Nope"])


def test_the_topic_of_a_custom_entity_ends_as_salesforces_does():
    assert change_topic("Order__c") == "/data/Order__ChangeEvent"


async def test_changes_are_published_by_a_call_and_come_on_their_topic_and_on_the_channel_of_all():
    async with faulty(entities=("Account", "Contact")) as org:
        for entity in ("Account", "Contact"):
            body = {"entity": entity, "record_ids": [ID], "fields": {"Phone": "1"}}
            assert (await org.call("POST", "/v1/changes", json=body))[0] == 201
        wrong = {"entity": "Account", "record_ids": [ID], "fields": {"Nope": 1}}
        assert (await org.call("POST", "/v1/changes", json=wrong))[0] == 400
        assert (await org.call("POST", "/v1/changes", json={**wrong, "entity": "Case"}))[0] == 404
        channel, topic = subscribe(org.stub, org.sim), subscribe(org.stub, org.sim)
        await channel.write(fetch(10, topic=ALL_CHANGES))
        await topic.write(fetch(10, topic=ACCOUNT))
        both, [account] = await read_events(channel, 2), await read_events(topic, 1)
        info = await org.stub.GetTopic(pb.TopicRequest(topic_name=ALL_CHANGES), metadata=org.sim.metadata())
        assert info.schema_id == ""
        assert both[0].replay_id == account.replay_id
        assert both[0].event.schema_id != both[1].event.schema_id
        numbers = [
            org.sim.org.schema_by_id(event.event.schema_id).decode_record(event.event.payload)["ChangeEventHeader"]
            for event in both
        ]
    assert numbers[0]["commitNumber"] > 2**53
    assert numbers[1]["commitNumber"] == numbers[0]["commitNumber"] + 1
