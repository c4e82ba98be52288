"""What the simulator reads from an event's payload: enough for the ledger and the routing timers, nothing more.

The classes of `Expectation` follow the delivery rules of the domain, written down here a second time on purpose: the
processor is judged by them, so they must not be its own code.
"""

from enum import StrEnum
from typing import Any

import msgspec

_DELIVERED_MESSAGES = frozenset({"StaticContentMessage", "ChoicesMessage", "FormMessage"})
_ANSWERS = frozenset({"ChoicesResponseMessage", "FormResponseMessage"})
_SENDERS_TO_END_USER = frozenset({"Agent", "Chatbot", "System", "DigitalWorker"})


class Expectation(StrEnum):
    """What must become of an event on its way to the end user."""

    DELIVER = "deliver"
    EPHEMERAL = "ephemeral"
    WITHHOLD = "withhold"
    STATE = "state"
    ROUTING_REQUEST = "routing_request"
    ROUTING_RESULT = "routing_result"


# All 20 entry types of the public schema. A Message goes out only when its envelope and content allow it.
EXPECTED_OF: dict[str, Expectation] = {
    "Message": Expectation.DELIVER,
    "TypingStartedIndicator": Expectation.EPHEMERAL,
    "TypingStoppedIndicator": Expectation.EPHEMERAL,
    "ProgressIndicator": Expectation.EPHEMERAL,
    "Note": Expectation.WITHHOLD,
    "FlagRaise": Expectation.WITHHOLD,
    "FlagLower": Expectation.WITHHOLD,
    "ParticipantChanged": Expectation.STATE,
    "SessionStatusChanged": Expectation.STATE,
    "DeliveryAcknowledgement": Expectation.STATE,
    "ReadAcknowledgement": Expectation.STATE,
    "QueuePosition": Expectation.STATE,
    "MessageUpdated": Expectation.STATE,
    "MessageDeliveryFailed": Expectation.STATE,
    "EndUserConsentUpdated": Expectation.STATE,
    "ConsultConversationInfo": Expectation.STATE,
    "TransferProgress": Expectation.STATE,
    "ParticipantsConferenced": Expectation.STATE,
    "RoutingWorkResult": Expectation.STATE,
    "RoutingResult": Expectation.ROUTING_RESULT,
}


class RoutingFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A `RoutingRequested`: whom it asks for. `event_id` is `channelData.eventId`, the request's identity."""

    routing_type: str
    target_kind: str
    target_id: str | None
    event_id: str | None
    work_item_id: str | None
    router_subject: str | None
    channel_address_id: str
    end_user_subject: str


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """One event as the ledger keeps it. Fields that the payload does not have are None or empty."""

    event_type: str
    conversation_id: str
    entry_type: str | None = None
    entry_id: str | None = None
    expect: Expectation
    session_id: str | None = None
    routing: RoutingFacts | None = None


UNREADABLE = Facts(event_type="", conversation_id="", expect=Expectation.WITHHOLD)
"""All that is known of an event whose payload cannot be read."""


def read_facts(event_type: str | None, event_payload: str | None) -> Facts:
    """Read a decoded platform event. Anything unreadable is an event that must be withheld; nothing raises."""
    body = _mapping(_json(event_payload))
    kind = event_type or ""
    if kind == "RoutingRequested":
        return _routing_requested(body)
    entry = _mapping(body.get("payload"))
    entry_payload = entry.get("entryPayload")
    content = _mapping(_json(entry_payload) if isinstance(entry_payload, str) else entry_payload)
    entry_type = _text(entry.get("entryType")) or _text(content.get("entryType"))
    return Facts(
        event_type=kind,
        conversation_id=_text(body.get("conversationIdentifier")) or "",
        entry_type=entry_type,
        entry_id=_text(entry.get("identifier")) or _text(content.get("id")),
        expect=_expectation(entry_type, body, entry, content),
        session_id=_text(content.get("sessionId")) if entry_type == "SessionStatusChanged" else None,
    )


def _expectation(
    entry_type: str | None, body: dict[str, Any], entry: dict[str, Any], content: dict[str, Any]
) -> Expectation:
    if entry_type == "Message":
        return _message_expectation(body, entry, content)
    return EXPECTED_OF.get(entry_type or "", Expectation.WITHHOLD)


def _message_expectation(body: dict[str, Any], entry: dict[str, Any], content: dict[str, Any]) -> Expectation:
    message_type = _mapping(content.get("abstractMessage")).get("messageType")
    if message_type in _ANSWERS:
        return Expectation.STATE
    visible = all(part.get("visibilityStrategy") in {None, "Default"} for part in (entry, content))
    to_end_user = _mapping(body.get("recipient")).get("role") == "EndUser"
    from_us = _mapping(entry.get("sender")).get("role") in _SENDERS_TO_END_USER
    same_type = content.get("entryType") in {None, "Message"} and entry.get("entryType") in {None, "Message"}
    allowed = message_type in _DELIVERED_MESSAGES and visible and to_end_user and from_us and same_type
    return Expectation.DELIVER if allowed else Expectation.WITHHOLD


def _routing_requested(body: dict[str, Any]) -> Facts:
    request = _mapping(body.get("payload"))
    parameters = _mapping(request.get("routingParameters"))
    channel_data = parameters.get("channelData")
    hints = _mapping(_json(channel_data) if isinstance(channel_data, str) else channel_data)
    target_kind, target_id = _target(parameters)
    return Facts(
        event_type="RoutingRequested",
        conversation_id=_text(request.get("conversationIdentifier")) or _text(hints.get("conversationId")) or "",
        expect=Expectation.ROUTING_REQUEST,
        routing=RoutingFacts(
            routing_type=_text(request.get("routingType")) or "",
            target_kind=target_kind,
            target_id=target_id,
            event_id=_text(hints.get("eventId")),
            work_item_id=_text(request.get("workRecordId")),
            router_subject=_text(hints.get("routerParticipantSubject")),
            channel_address_id=_text(body.get("channelAddressIdentifier")) or "",
            end_user_subject=_text(_mapping(body.get("recipient")).get("subject")) or "",
        ),
    )


def _target(parameters: dict[str, Any]) -> tuple[str, str | None]:
    for kind, name in (("flow", "flowId"), ("queue", "queueId"), ("bot", "botId")):
        if parameters.get(name):
            return kind, _text(parameters[name])
    user = _text(parameters.get("userId"))
    if user:
        return ("rep" if user.startswith("005") else "external"), user
    return ("skills" if parameters.get("skillsList") else "unknown"), None


def _json(text: str | None) -> Any:
    try:
        return msgspec.json.decode(text) if text else None
    except msgspec.DecodeError:
        return None


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
