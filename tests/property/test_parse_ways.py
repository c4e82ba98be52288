"""The typed and the lenient way through a payload agree, and no JSON object ever raises."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from streams.core.parsing.parse import lenient_entry, typed_entry
from tests.support.domain import CHANNEL, Partition, event, message, typing

ids = st.one_of(st.none(), st.sampled_from(["", "e1", "x" * 40]), st.text(max_size=5))
types = st.sampled_from([None, "", "Message", "Note", "TypingStartedIndicator", "TypingStopped", "ProgressIndicator"])
roles = st.sampled_from([None, "", "Agent", "EndUser", "Router"])
strategies = st.sampled_from([None, "Default", "Internal", ""])
anything = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
parties = st.one_of(st.none(), st.fixed_dictionaries({}, optional={"subject": ids, "role": roles, "appType": ids}))


@st.composite
def payloads(draw: st.DrawFn) -> dict[str, Any]:
    """Interactions of today's form, most of them plain text or typing, with odd parts."""
    static = st.fixed_dictionaries(
        {"formatType": st.sampled_from(["Text", "Text", "RichLink", None]), "text": st.text(max_size=8)},
        optional={"citationContent": st.none() | anything},
    )
    abstract: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
        {"messageType": st.sampled_from(["StaticContentMessage", "ChoicesMessage", None]), "staticContent": static},
        optional={"id": ids, "references": st.none() | st.just([]), "inReplyToMessageId": ids, "contentCategory": ids},
    )
    body = st.fixed_dictionaries(
        {"abstractMessage": st.none() | abstract},
        optional={"entryType": types, "id": ids, "visibilityStrategy": strategies, "messageReason": ids},
    )
    entry = st.fixed_dictionaries(
        {"entryPayload": body, "entryType": types},
        optional={
            "identifier": ids,
            "sender": parties,
            "senderDisplayName": ids,
            "visibilityStrategy": strategies,
            "recipients": st.none() | anything,
            "clientDuration": st.integers(),
        },
    )
    return draw(
        st.fixed_dictionaries(
            {"payload": entry},
            optional={"channelAddressIdentifier": st.sampled_from([None, "", CHANNEL]), "recipient": parties},
        )
    )


@settings(max_examples=200, deadline=None, derandomize=True)
@given(payloads())
def test_where_both_ways_can_read_a_payload_they_agree(payload: dict[str, Any]) -> None:
    read = event(payload)
    typed = typed_entry(read.payload)
    if typed is not None:
        lenient = lenient_entry(read)
        assert typed == (lenient if typed.body is not None else replace(lenient, body=None))


def test_the_typed_way_reads_most_of_what_it_is_for() -> None:
    assert typed_entry(message().payload) is not None
    assert typed_entry(typing().payload) is not None


WORDS = st.sampled_from(
    [
        "payload",
        "entryType",
        "entryPayload",
        "abstractMessage",
        "messageType",
        "staticContent",
        "formatType",
        "text",
        "recipient",
        "sender",
        "role",
        "subject",
        "routingParameters",
        "channelData",
        "skillsList",
        "userId",
        "Message",
        "Text",
        "StaticContentMessage",
        "EndUser",
        "Agent",
        "attachments",
        "optionItems",
        "titleItem",
        "RoutingResult",
        "ParticipantChanged",
        "SessionStatusChanged",
        "entries",
        "participant",
        "operation",
        "Inputs",
    ]
)
odd = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | WORDS | st.just("{"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=5),
    max_leaves=20,
)
STATE_BODIES = st.sampled_from(
    [
        "Message",
        "RoutingResult",
        "RoutingWorkResult",
        "ParticipantChanged",
        "SessionStatusChanged",
        "QueuePosition",
        "EndUserConsentUpdated",
        "ConsultConversationInfo",
        "ProgressIndicator",
    ]
)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    st.dictionaries(WORDS, odd, max_size=6),
    st.sampled_from(["Interaction", "RoutingRequested", "", "RoutingResult"]),
    st.none() | st.dictionaries(WORDS, odd, max_size=3),
)
def test_no_object_raises_whatever_is_in_it(payload: dict[str, Any], event_type: str, extra: object) -> None:
    Partition().read(event(payload, event_type=event_type, extra_fields=extra))


BODY_FIELDS = st.dictionaries(
    st.sampled_from(
        [
            "entries",
            "participant",
            "operation",
            "displayName",
            "sessionStatus",
            "sessionId",
            "recordId",
            "failureType",
            "errorMessages",
            "routingType",
            "routingConfigurationDetails",
            "channelData",
            "workType",
            "workTargetId",
            "workItemId",
            "consentStatus",
            "conversationIdentifier",
            "progressIndicator",
            "abstractMessage",
            "id",
        ]
    ),
    odd | anything,
    max_size=6,
)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.lists(st.tuples(STATE_BODIES, BODY_FIELDS), max_size=4))
def test_no_entry_raises_whatever_is_in_its_fields(entries: list[tuple[str, dict[str, Any]]]) -> None:
    partition = Partition()
    for entry_type, fields in entries:
        partition.read(event({"payload": {"entryType": entry_type, "entryPayload": json.dumps(fields)}}))
    partition.pass_time(10_000_000)
