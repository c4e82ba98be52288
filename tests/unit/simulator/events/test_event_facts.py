"""What the simulator says must become of an event, by its payload alone."""

import io
import json
from typing import Any

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.events import entries
from simulator.events.event_facts import read_facts
from simulator.events.event_schema import EventSchema, PayloadError, PlatformEvent
from simulator.events.expectation import Expectation

SCHEMA = EventSchema("/event/ByocOutbound__e", "EventType__c", "EventPayload__c")


def interaction(entry: dict[str, Any], *, sender_role: str = "Agent", **changes: Any) -> dict[str, Any]:
    payload = entries.interaction(
        channel_address_id="ch-1",
        conversation_id="cv-1",
        end_user_subject="cust-1",
        entry_id="e1",
        sender=entries.participant("agent", "005Hs00000AbCdE", sender_role),
        sender_name="Ana R.",
        entry=entry,
        at_ms=1,
    )
    payload["payload"] |= changes
    return payload


TEXT = entries.text_message("e1", "hello")


@pytest.mark.parametrize(
    ("payload", "expect"),
    [
        pytest.param(interaction(TEXT), "deliver", id="message of a rep"),
        pytest.param(interaction(TEXT, sender_role="Chatbot"), "deliver", id="of a bot"),
        pytest.param(interaction(TEXT, sender_role="EndUser"), "withhold", id="echo"),
        pytest.param(interaction(TEXT, sender_role="Router"), "withhold", id="of the router"),
        pytest.param(interaction(TEXT, visibilityStrategy="Internal"), "withhold", id="internal"),
        pytest.param(interaction(TEXT, visibilityStrategy="Default"), "deliver", id="visible"),
        pytest.param(interaction(TEXT, entryType="Note"), "withhold", id="two types that differ"),
        pytest.param(
            interaction(entries.note("e1", "x"), entryType="Message"), "withhold", id="a note called a message outside"
        ),
        pytest.param(interaction(TEXT, entryPayload=entries.as_json(TEXT)), "deliver", id="entry payload as text"),
        pytest.param(interaction(TEXT) | {"recipient": entries.agent("005")}, "withhold", id="to a rep"),
        pytest.param(interaction(entries.note("e1", "x")), "withhold", id="note"),
        pytest.param(interaction(entries.flag_raise("e1", "x")), "withhold", id="flag"),
        pytest.param(interaction({"entryType": "Tomorrow", "id": "e1"}), "withhold", id="unknown type"),
        pytest.param(interaction(entries.typing("e1", started=True, at_ms=1)), "ephemeral", id="typing"),
        pytest.param(interaction(entries.progress("e1", "x", 1)), "ephemeral", id="progress"),
        pytest.param(interaction(entries.queue_position("e1", "w", "p", 2)), "state", id="queue position"),
        pytest.param(
            interaction(entries.routing_result("e1", routing_type="Transfer", failure_type="None", fields={})),
            "routing_result",
            id="routing result",
        ),
    ],
)
def test_the_payload_decides_what_is_expected(payload: dict[str, Any], expect: str) -> None:
    facts = read_facts("Interaction", entries.as_json(payload))
    assert facts.expect == expect
    assert (facts.conversation_id, facts.entry_id) == ("cv-1", "e1")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(None, id="null"),
        pytest.param("", id="empty"),
        pytest.param("{", id="no JSON"),
        pytest.param("[1]", id="no object"),
        pytest.param('{"payload":[],"conversationIdentifier":7}', id="wrong types"),
    ],
)
@pytest.mark.parametrize("event_type", ["Interaction", "RoutingRequested", None])
def test_an_unreadable_payload_is_no_error(text: str | None, event_type: str | None) -> None:
    facts = read_facts(event_type, text)
    expected = Expectation.ROUTING_REQUEST if event_type == "RoutingRequested" else Expectation.WITHHOLD
    assert (facts.expect, facts.conversation_id) == (expected, "")


@pytest.mark.parametrize(
    ("target", "kind", "target_id"),
    [
        pytest.param({"flowId": "300F", "queueId": "00GQ"}, "flow", "300F", id="flow before queue"),
        pytest.param({"queueId": "00GQ"}, "queue", "00GQ", id="queue"),
        pytest.param({"botId": "0XxB"}, "bot", "0XxB", id="bot"),
        pytest.param({"userId": "005U"}, "rep", "005U", id="rep"),
        pytest.param({"userId": "ext-9"}, "external", "ext-9", id="outside"),
        pytest.param({"skillsList": ["german"]}, "skills", None, id="skills"),
        pytest.param({}, "unknown", None, id="nothing"),
    ],
)
def test_the_target_of_a_routing_request_is_classified(
    target: dict[str, Any], kind: str, target_id: str | None
) -> None:
    payload = entries.routing_requested(
        channel_address_id="ch-1",
        conversation_id="cv-1",
        end_user_subject="cust-1",
        routing_type="Transfer",
        target=target,
        channel_data='{"eventId":"r1"}',
        work_record_id=None,
    )
    routing = read_facts("RoutingRequested", entries.as_json(payload)).routing
    assert routing is not None
    assert (routing.target_kind, routing.target_id, routing.event_id) == (kind, target_id, "r1")


@given(st.integers(-(2**63), 2**63 - 1), st.text(), st.none() | st.text(), st.none() | st.text(max_size=9000))
def test_the_avro_bytes_are_those_of_a_common_writer(
    at_ms: int, author: str, event_type: str | None, payload: str | None
) -> None:
    event = PlatformEvent(created_at_ms=at_ms, created_by_id=author, event_type=event_type, event_payload=payload)
    out = io.BytesIO()
    record = {
        "CreatedDate": at_ms,
        "CreatedById": author,
        "EventType__c": event_type,
        "EventPayload__c": payload,
    }
    fastavro.schemaless_writer(out, json.loads(SCHEMA.schema_json), record)
    assert SCHEMA.encode(event) == out.getvalue()


def test_a_platform_event_survives_its_avro_form() -> None:
    for event in (
        PlatformEvent(created_at_ms=1_767_225_600_000, event_type="Interaction", event_payload='{"a":"ü😊"}'),
        PlatformEvent(created_at_ms=0, event_type=None, event_payload=None),
    ):
        assert SCHEMA.decode(SCHEMA.encode(event)) == event


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"not avro at all", id="text"),
        pytest.param(SCHEMA.encode(PlatformEvent(created_at_ms=1, event_type="x", event_payload="y"))[:-1], id="cut"),
        pytest.param(
            SCHEMA.encode(PlatformEvent(created_at_ms=1, event_type="x", event_payload="y")) + b"\0", id="too long"
        ),
    ],
)
def test_other_bytes_are_not_decoded(payload: bytes) -> None:
    with pytest.raises(PayloadError):
        SCHEMA.decode(payload)


def test_the_schema_id_follows_the_schema() -> None:
    other = EventSchema("/event/ByocOutbound__e", "EventType__c", "Body__c")
    assert SCHEMA.schema_id == EventSchema(SCHEMA.topic, "EventType__c", "EventPayload__c").schema_id
    assert SCHEMA.schema_id != other.schema_id
