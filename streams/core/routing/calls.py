"""Calls to the Interaction Service API as `SalesforceCall` records. Bodies use the API's own words."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Any, NamedTuple

import msgspec

from schemas.records import SalesforceCall, TargetKind
from streams.core.model.keys import digest, record_id
from streams.core.model.rules import Rules
from streams.core.model.state import Conversation, RequestFacts, RoutingRequest
from streams.core.routing.attempts import MAX_ATTEMPTS
from streams.core.routing.requests import deadline_ms

MAX_ACKNOWLEDGEMENTS = 25  # of one call, says the API


class Kind(StrEnum):
    """The calls that one request can have; those of an attempt once for each, the others once."""

    ROUTING_RESULT = "routingResult"
    ROUTE = "route"
    UNROUTE = "unroute"  # DELETE /route
    AGENT_WORK = "agentWork"
    CANCEL_WORK = "cancelWork"  # PATCH /agentWork
    REMOVE = "removeParticipant"  # POST /participant


_OPERATIONS = {
    Kind.ROUTING_RESULT: ("routingResult", "POST"),
    Kind.ROUTE: ("route", "POST"),
    Kind.UNROUTE: ("route", "DELETE"),
    Kind.AGENT_WORK: ("agentWork", "POST"),
    Kind.CANCEL_WORK: ("agentWork", "PATCH"),
    Kind.REMOVE: ("participant", "POST"),
}
_OF_AN_ATTEMPT = (Kind.AGENT_WORK, Kind.REMOVE)
# DELETE /route takes these; EndUserEnded is a word of outbound events only.
_CANCEL_REASONS = frozenset({"Unknown", "Unavailable", "Decline", "Cancel"})

# errorMessage is shown to the rep, and the API demands one with success=false.
REFUSED_TEXT = "The routing request was refused."
SILENT_TEXT = "The routing request was not answered in time."


def routing_result(
    request: RoutingRequest,
    facts: RequestFacts,
    *,
    success: bool,
    externally_routed: bool,
    error_message: str | None,
    caused_at_ms: int,
    rules: Rules,
) -> SalesforceCall | None:
    """`POST /routingResult` for one request; None when its work item or its real conversation id is not known.

    One request has one such call: `call_id` is the same whatever it says. Not to be sent at or after `deadline_ms`.
    """
    if request.work_item_id is None or facts.conversation_identifier is None:
        return None
    body: dict[str, Any] = {
        "workItemId": request.work_item_id,
        "conversationIdentifier": facts.conversation_identifier,
        "success": success,
        # the same words mean something else in outbound events: true only for a target outside Salesforce
        "externallyRouted": externally_routed or (success and facts.target_kind == TargetKind.EXTERNAL),
    }
    if facts.routing_type:
        body["routingType"] = facts.routing_type
    if not success:
        body["errorMessage"] = error_message or REFUSED_TEXT
    return _call(Kind.ROUTING_RESULT, request, facts, body, caused_at_ms, deadline_ms(facts, rules))


def named(kind: Kind, attempt: int = 1) -> str:
    """The name of one call among those of a request; it makes the `call_id`."""
    return kind.value if attempt == 1 else f"{kind}#{attempt}"


def call_names() -> list[str]:
    """The names of all calls that one request can have."""
    again = range(2, MAX_ATTEMPTS + 1)
    return [*map(named, Kind), *(named(kind, attempt) for kind in _OF_AN_ATTEMPT for attempt in again)]


def call_id(name: str, request: RoutingRequest) -> str:
    """The id of one call of a request, the same for every repeat."""
    return digest(name, request.conversation_id, request.request_id)


def route(request: RoutingRequest, facts: RequestFacts, at_ms: int, rules: Rules) -> SalesforceCall | None:
    """`POST /route`: hand a request for a queue or a flow to Salesforce. None for any other target.

    A flow needs a fallback queue beside it; without one Salesforce takes the channel's own settings.
    """
    if facts.conversation_identifier is None or facts.target_kind not in (TargetKind.QUEUE, TargetKind.FLOW):
        return None
    body: dict[str, Any] = {"conversationIdentifier": facts.conversation_identifier, "routingType": facts.routing_type}
    if facts.target_kind == TargetKind.QUEUE:
        body["routingInfo"] = {"queueId": facts.target_id}
    elif facts.fallback_queue_id is not None:
        body["routingInfo"] = {"flow": {"flowId": facts.target_id, "queueId": facts.fallback_queue_id}}
    return _call(Kind.ROUTE, request, facts, body, at_ms, deadline_ms(facts, rules))


def agent_work(
    request: RoutingRequest, facts: RequestFacts, user_id: str, at_ms: int, rules: Rules, attempt: int = 1
) -> SalesforceCall | None:
    """`POST /agentWork`: offer the work item to a rep. None while the work item is not known.

    `routingCorrelationId` is the request's id; Salesforce ignores the context when a /route came before.
    """
    if request.work_item_id is None or facts.conversation_identifier is None:
        return None
    context = {"conversationIdentifier": facts.conversation_identifier, "routingCorrelationId": request.request_id}
    if facts.routing_type:
        context["routingType"] = facts.routing_type
    body = {
        "userId": user_id,
        "workItemId": request.work_item_id,
        "capacityWeight": rules.capacity_weight,
        "routingContext": context,
    }
    return _call(Kind.AGENT_WORK, request, facts, body, at_ms, deadline_ms(facts, rules), attempt)


def unroute(
    request: RoutingRequest, facts: RequestFacts, cancel_reason: str | None, at_ms: int, rules: Rules
) -> SalesforceCall:
    """`DELETE /route`: undo a `route`. Worth nothing once the result window is over."""
    body = {"conversationIdentifier": facts.conversation_identifier}
    if cancel_reason in _CANCEL_REASONS:
        body["cancelReason"] = cancel_reason
    return _call(Kind.UNROUTE, request, facts, body, at_ms, at_ms + rules.result_window_ms)


def cancel_work(
    request: RoutingRequest, facts: RequestFacts, agent_work_id: str, at_ms: int, rules: Rules
) -> SalesforceCall:
    """`PATCH /agentWork`: take an offer back. Worth nothing once the result window is over."""
    body = {"workId": agent_work_id, "contextType": "Agent", "status": "Cancel"}
    return _call(Kind.CANCEL_WORK, request, facts, body, at_ms, at_ms + rules.result_window_ms)


def remove_rep(
    request: RoutingRequest, facts: RequestFacts, user_id: str, at_ms: int, rules: Rules, attempt: int
) -> SalesforceCall | None:
    """`POST /participant`: keep the rep of an earlier attempt out. Worth nothing once the result window is over."""
    if facts.conversation_identifier is None:
        return None
    body = removal(facts.conversation_identifier, user_id)
    return _call(Kind.REMOVE, request, facts, body, at_ms, at_ms + rules.result_window_ms, attempt)


def removal(conversation_identifier: str, user_id: str) -> dict[str, Any]:
    """The body that removes a rep from a conversation; the API takes record ids in their 15-character form."""
    rep = {"appType": "agent", "subject": record_id(user_id) or user_id, "role": "Agent"}
    return {"conversationIdentifier": conversation_identifier, "operation": "Remove", "participants": [rep]}


class Acknowledgement(NamedTuple):
    """One entry that the end user got (`Delivered`) or saw (`Read`)."""

    word: str
    entry_id: str
    at_ms: int


def api_identifier(conversation: Conversation) -> str | None:
    """The conversation's identifier at Salesforce; None for one whose key was made of channel and end user."""
    key, subject = conversation.conversation_id, conversation.end_user_subject
    return None if key == f"{conversation.channel_address_id}:{subject}" else key


def acknowledgements(
    conversation: Conversation, found: Sequence[Acknowledgement], rules: Rules
) -> SalesforceCall | None:
    """`POST /acknowledgement` for at most `MAX_ACKNOWLEDGEMENTS`; None when Salesforce cannot know whose they are."""
    subject, key = conversation.end_user_subject, api_identifier(conversation)
    if subject is None or key is None:
        return None
    identity = "|".join(f"{each.word} {each.entry_id}" for each in found)
    body = {
        "sender": {"appType": "custom", "subject": subject, "role": "EndUser"},
        "conversationIdentifier": key,
        "acknowledgements": [
            {
                "acknowledgementType": each.word,
                "acknowledgedConversationEntryIdentifier": each.entry_id,
                "acknowledgmentCreatedConversationEntryIdentifier": _uuid(f"{each.word} {each.entry_id}", key),
                "acknowledgementTimestamp": each.at_ms,
            }
            for each in found
        ],
    }
    last_ms = max(each.at_ms for each in found)
    return SalesforceCall(
        call_id=digest("acknowledgement", key, identity),
        conversation_id=key,
        org_id=conversation.org_id,
        api="acknowledgement",
        method="POST",
        body=msgspec.json.encode(body).decode(),
        created_at_ms=last_ms,
        deadline_ms=last_ms + rules.acknowledge_within_ms,
    )


def _uuid(identity: str, conversation_id: str) -> str:
    """An id in the form of a UUID that is the same for every repeat."""
    found = digest("acknowledgement", conversation_id, identity)
    return "-".join((found[:8], found[8:12], found[12:16], found[16:20], found[20:]))


def _call(
    kind: Kind,
    request: RoutingRequest,
    facts: RequestFacts,
    body: dict[str, Any],
    at_ms: int,
    until_ms: int,
    attempt: int = 1,
) -> SalesforceCall:
    api, method = _OPERATIONS[kind]
    return SalesforceCall(
        call_id=call_id(named(kind, attempt), request),
        conversation_id=request.conversation_id,
        org_id=facts.org_id,
        api=api,
        method=method,
        body=msgspec.json.encode(body).decode(),
        request_id=request.request_id,
        created_at_ms=at_ms,
        deadline_ms=until_ms,
    )
