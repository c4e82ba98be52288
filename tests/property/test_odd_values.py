"""Whatever stands at any place of an event: `apply` raises `Unparsable` or nothing, and what it makes can be written.

Every field of every sample is replaced by every odd value in turn, in one state per sample, so that odd facts meet.
"""

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from schemas import records
from schemas.codec import decode, encode
from schemas.kafka_settings import LARGEST_CONTENT_BYTES
from simulator.scenario.message_formats import BUILDERS
from streams.core import apply as core
from streams.core.explain import explain
from streams.core.model.bounds import LARGEST_STATE_BYTES
from streams.core.model.errors import Unparsable
from streams.core.model.rules import Rules
from streams.core.model.step import Step
from tests.support import domain
from tests.support.domain import MemoryState

RULES = Rules(work_calls=True, partner_commands=True, remove_rerouted=True, acknowledged_channels=frozenset({"*"}))


def nested(levels: int) -> Any:
    value: Any = "leaf"
    for level in range(levels):
        value = {"titleItem": value} if level % 2 else [value]
    return value


ODD: list[Any] = [
    *([], {}, None, True, "", " ", "0", "|", "\x00\x01", -1, 0, 1.5, 1e308, 2**53, 2**63 - 1, 2**63, -(2**63) - 1),
    *(10**30, -(10**30), 10**300, "9" * 5_000, "x" * 3_000, "\U0001f44b" * 600, [[]], [None], [1], [{}], {"a": []}),
    *('{"a": 1}', '{"subject": []}', "{", "[]", nested(60), nested(127), nested(400), "2026-01-01", 10**17),
]
FIELDS = {
    "QueuePosition": {"position": 3, "pendingServiceRoutingId": "0JR", "workItemId": domain.WORK_ITEM},
    "SessionStatusChanged": {
        "sessionId": domain.WORK_ITEM,
        "sessionStatus": "Ended",
        "sessionStartTime": domain.T0,
        "sessionEndedByRole": "Agent",
    },
    "ConsentUpdated": {"consentStatus": "OptIn"},
    "ReadAcknowledgement": {
        "acknowledgedConversationEntryIdentifier": "in-1",
        "acknowledgementTimestamp": domain.T0,
    },
    "DeliveryAcknowledgement": {
        "acknowledgedConversationEntryIdentifier": "in-1",
        "acknowledgementTimestamp": domain.T0,
    },
    "MessageDeliveryFailed": {"failedConversationEntryIdentifier": "in-1"},
    "MessageUpdated": {
        "updatedMessage": {
            "id": "in-1",
            "staticContent": {
                "attachments": [
                    {
                        "id": "a1",
                        "referenceId": "r1",
                        "attachmentUploadResult": {
                            "resultType": "ErrorAttachmentUploadResult",
                            "errorType": "TooLarge",
                            "referenceId": "r2",
                        },
                    }
                ]
            },
        }
    },
    "ParticipantChanged": {
        "entries": [
            {
                "operation": "add",
                "participant": {"subject": "rep-1", "role": "Agent", "appType": "agent"},
                "displayName": "Ana",
            }
        ]
    },
    "ConsultConversationInfo": {"conversationIdentifier": "cv-consult"},
    "RoutingWorkResult": {
        "workType": "Declined",
        "workTargetId": domain.WORK_ITEM,
        "routingType": "Transfer",
        "workId": "0Bz",
        "botId": "0Xx",
    },
    "ProgressIndicator": {"progressIndicator": {"progressMessage": {"text": "thinking"}}},
    "TypingStartedIndicator": {"timestamp": domain.T0},
}
SAMPLES: dict[str, records.OutboundEvent] = {
    **{name: domain.event(domain.envelope(build("e1", "Offer"))) for name, build in BUILDERS.items()},
    **{name: domain.entry(name, fields) for name, fields in FIELDS.items()},
    "RoutingRequested": domain.requested(
        "r1",
        routerParticipantSubject="router",
        skillsList=[{"id": "s1"}],
        channelData={"eventId": "r1", "routerParticipantSubject": "x"},
    ),
    "RoutingResult": domain.result(
        "RoutingError",
        failureReason="no",
        errorMessages=["none"],
        pendingServiceRoutingId="0JR",
        routingConfigurationDetails={"queueId": "00G", "agentId": "005"},
        channelData={"eventId": "r1"},
    ),
}


def variants(value: Any) -> Iterator[Any]:
    """The value with each part of it, at any depth, replaced by each odd value in turn."""
    yield from ODD
    if isinstance(value, dict):
        for name, inner in value.items():
            for found in variants(inner):
                yield {**value, name: found}
        yield {**value, "unheardOf": 10**30}
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            for found in variants(inner):
                yield [*value[:index], found, *value[index + 1 :]]


def write(step: Step) -> None:
    """Everything of a step as the runtime writes it. Raises what an encoder raises."""
    for output in step.outputs:
        value = encode(output)
        assert len(value) <= LARGEST_CONTENT_BYTES
        assert decode(type(output), value) == output
    for state in (step.conversation, *step.requests):
        if state is not None:
            value = msgspec.msgpack.encode(state)
            assert len(value) <= LARGEST_STATE_BYTES
            assert msgspec.msgpack.decode(value, type=type(state)) == state


def take(state: MemoryState, record: Any) -> bool:
    """False when it is refused."""
    try:
        step = core.apply(state, record, domain.T0 + 1_000, RULES)
    except Unparsable:
        return False
    write(step)
    state.take(step)
    return True


@pytest.mark.parametrize("name", SAMPLES)
def test_no_value_at_any_place_of_an_event_raises_or_makes_what_cannot_be_written(name: str) -> None:
    sample, state, taken = SAMPLES[name], MemoryState(), 0
    take(state, domain.requested("r1", uuid="before"))
    for number, payload in enumerate(variants(json.loads(sample.payload))):
        odd = replace(sample, payload=json.dumps(payload), event_uuid=f"u{number}")
        taken += take(state, odd)
    assert taken > 20, "nearly all were refused: the samples are wrong"


RECORDS = [
    domain.decision("accept", user_id=domain.REP, reason="free"),
    domain.receipt("read"),
    domain.command(user_id="005", on_behalf_of="EndUser"),
    records.SalesforceCallResult(
        call_id="c",
        conversation_id=domain.CONVERSATION,
        api="route",
        request_id="r1",
        outcome="accepted",
        http_status=200,
        error_code=10018,
        error_message="gone",
        attempts=1,
        completed_at_ms=domain.T0,
        ids='{"agentWorkId": "0Bz"}',
    ),
    SAMPLES["Text"],
]
WORDS = ["", " ", "|", "\x00", "x" * 1_000_000, "\U0001f44b" * 512, "{", '{"agentWorkId": 1e300}', "accept"]
NUMBERS = [0, -1, 2**63 - 1, -(2**63), 253_402_300_799_999, 253_402_300_800_000]


@pytest.mark.parametrize("record", RECORDS, ids=[type(each).__name__ for each in RECORDS])
def test_no_value_of_any_field_of_a_record_raises_or_makes_what_cannot_be_written(record: Any) -> None:
    state = MemoryState()
    for before in (domain.requested("r1"), domain.session("Active"), domain.message("Hello")):
        assert take(state, before)
    for name in record.__struct_fields__:
        value = getattr(record, name)
        odd: list[Any] = NUMBERS if isinstance(value, int) and not isinstance(value, bool) else WORDS
        for each in odd if isinstance(value, (int, str)) else ():
            take(state, decode(type(record), encode(replace(record, **{name: each}))))


def test_explain_answers_for_every_one_of_them() -> None:
    for sample in (SAMPLES["RichLink"], SAMPLES["Buttons"], SAMPLES["QueuePosition"]):
        for payload in variants(json.loads(sample.payload)):
            json.dumps(explain(replace(sample, payload=json.dumps(payload)), RULES))


def short_options(size: int) -> list[dict[str, Any]]:
    return [{"title": "a"} for _ in range(size // 14)]


GROWTH = {
    "a title": {"formatType": "RichLink", "linkItem": {"titleItem": {"title": "t" * 1_040_000}}},
    "a text": {"formatType": "Attachments", "text": "t" * 1_040_000},
    "control characters": {"formatType": "Attachments", "text": "\x01" * 170_000},
    "quotes": {"formatType": "Attachments", "text": '"\n' * 260_000},
    "wide characters": {"formatType": "Attachments", "text": "\U0001f44b" * 260_000},
    "short links": {"formatType": "Links", "links": [{"url": "a"} for _ in range(85_000)]},
    "unknown fields": {"formatType": "Links", "links": [{"x": 1} for _ in range(120_000)]},
}


@pytest.mark.parametrize("name", [*GROWTH, "short options"])
def test_the_delivery_of_a_message_of_1_mb_fits_a_record(name: str) -> None:
    if name == "short options":
        body = domain.static_body({})
        choices = {"formatType": "Buttons", "optionItems": short_options(1_000_000)}
        body["abstractMessage"] = {"messageType": "ChoicesMessage", "id": "e1", "choices": choices}
    else:
        body = domain.static_body(GROWTH[name])
    payload = json.dumps(domain.envelope(body), ensure_ascii=False, separators=(",", ":"))
    assert 800_000 < len(payload.encode()) < 1_100_000
    step = core.apply(MemoryState(), domain.event(payload), domain.T0, RULES)
    (delivery,) = step.outputs
    assert len(encode(delivery)) < LARGEST_CONTENT_BYTES - 8_192
