"""What the simulator reads from an event's payload: enough for the ledger and the routing timers. Pure."""

from typing import Any

import msgspec

from simulator.events.expectation import Expectation, expected_of
from simulator.events.lenient import json_of, mapping_of, text_of


class RoutingRequestFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A `RoutingRequested`: whom it asks for. `event_id` is `channelData.eventId`, the request's identity."""

    routing_type: str
    target_kind: str
    target_id: str | None
    event_id: str | None
    work_item_id: str | None
    router_subject: str | None
    channel_address_id: str
    end_user_subject: str


class EventFacts(msgspec.Struct, frozen=True, kw_only=True):
    """One event as the ledger keeps it. Fields that the payload does not have are None or empty."""

    event_type: str
    conversation_id: str
    entry_type: str | None = None
    entry_id: str | None = None
    expect: Expectation
    session_id: str | None = None
    routing: RoutingRequestFacts | None = None


UNREADABLE = EventFacts(event_type="", conversation_id="", expect=Expectation.WITHHOLD)
"""All that is known of an event whose payload cannot be read."""


def read_facts(event_type: str | None, event_payload: str | None) -> EventFacts:
    """Read a decoded platform event. Nothing raises: an event that cannot be read is one to withhold."""
    body = mapping_of(json_of(event_payload))
    kind = event_type or ""
    if kind == "RoutingRequested":
        return _routing_requested(body)
    entry = mapping_of(body.get("payload"))
    entry_payload = entry.get("entryPayload")
    content = mapping_of(json_of(entry_payload) if isinstance(entry_payload, str) else entry_payload)
    entry_type = text_of(entry.get("entryType")) or text_of(content.get("entryType"))
    return EventFacts(
        event_type=kind,
        conversation_id=text_of(body.get("conversationIdentifier")) or "",
        entry_type=entry_type,
        entry_id=text_of(entry.get("identifier")) or text_of(content.get("id")),
        expect=expected_of(entry_type, body, entry, content),
        session_id=text_of(content.get("sessionId")) if entry_type == "SessionStatusChanged" else None,
    )


def _routing_requested(body: dict[str, Any]) -> EventFacts:
    request = mapping_of(body.get("payload"))
    parameters = mapping_of(request.get("routingParameters"))
    channel_data = parameters.get("channelData")
    hints = mapping_of(json_of(channel_data) if isinstance(channel_data, str) else channel_data)
    target_kind, target_id = _target(parameters)
    return EventFacts(
        event_type="RoutingRequested",
        conversation_id=text_of(request.get("conversationIdentifier")) or text_of(hints.get("conversationId")) or "",
        expect=Expectation.ROUTING_REQUEST,
        routing=RoutingRequestFacts(
            routing_type=text_of(request.get("routingType")) or "",
            target_kind=target_kind,
            target_id=target_id,
            event_id=text_of(hints.get("eventId")),
            work_item_id=text_of(request.get("workRecordId")),
            router_subject=text_of(hints.get("routerParticipantSubject")),
            channel_address_id=text_of(body.get("channelAddressIdentifier")) or "",
            end_user_subject=text_of(mapping_of(body.get("recipient")).get("subject")) or "",
        ),
    )


def _target(parameters: dict[str, Any]) -> tuple[str, str | None]:
    for kind, name in (("flow", "flowId"), ("queue", "queueId"), ("bot", "botId")):
        if parameters.get(name):
            return kind, text_of(parameters[name])
    user = text_of(parameters.get("userId"))
    if user:
        return ("rep" if user.startswith("005") else "external"), user
    return ("skills" if parameters.get("skillsList") else "unknown"), None
