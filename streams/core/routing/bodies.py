"""The bodies of the calls to the Interaction Service API, one function for each operation, in the API's own words.

A body is None when something is not known that the API demands: then the call cannot be made.
"""

from collections.abc import Sequence
from typing import NamedTuple

from schemas.records import TargetKind
from streams.core.model.keys import digest, record_id
from streams.core.model.lenient import Object
from streams.core.model.state import Conversation, RequestFacts, RoutingRequest

MAX_ACKNOWLEDGEMENTS = 25  # of one call, says the API

# DELETE /route takes these; EndUserEnded is a word of outbound events only.
_CANCEL_REASONS = frozenset({"Unknown", "Unavailable", "Decline", "Cancel"})
_BEHALF = frozenset({"EndUser", "System"})  # operationBy takes these

# errorMessage is shown to the rep, and the API demands one with success=false.
REFUSED_TEXT = "The routing request was refused."
SILENT_TEXT = "The routing request was not answered in time."


def routing_result_body(
    request: RoutingRequest, facts: RequestFacts, *, success: bool, externally_routed: bool, error_message: str | None
) -> Object | None:
    """`POST /routingResult`: the answer to a routing request. None without a work item or a real conversation id."""
    if request.work_item_id is None or facts.conversation_identifier is None:
        return None
    body: Object = {
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
    return body


def route_body(facts: RequestFacts) -> Object | None:
    """`POST /route`: hand a request for a queue or a flow to Salesforce. None for any other target.

    A flow needs a fallback queue beside it; without one Salesforce takes the channel's own settings.
    """
    if facts.conversation_identifier is None or facts.target_kind not in (TargetKind.QUEUE, TargetKind.FLOW):
        return None
    body: Object = {"conversationIdentifier": facts.conversation_identifier, "routingType": facts.routing_type}
    if facts.target_kind == TargetKind.QUEUE:
        body["routingInfo"] = {"queueId": facts.target_id}
    elif facts.fallback_queue_id is not None:
        body["routingInfo"] = {"flow": {"flowId": facts.target_id, "queueId": facts.fallback_queue_id}}
    return body


def agent_work_body(
    request: RoutingRequest, facts: RequestFacts, user_id: str, capacity_weight: float
) -> Object | None:
    """`POST /agentWork`: offer the work item to a rep. None while the work item is not known.

    `routingCorrelationId` is the request's id; Salesforce ignores the context when a /route came before.
    """
    if request.work_item_id is None or facts.conversation_identifier is None:
        return None
    context = {"conversationIdentifier": facts.conversation_identifier, "routingCorrelationId": request.request_id}
    if facts.routing_type:
        context["routingType"] = facts.routing_type
    return {
        "userId": user_id,
        "workItemId": request.work_item_id,
        "capacityWeight": capacity_weight,
        "routingContext": context,
    }


def unroute_body(facts: RequestFacts, cancel_reason: str | None) -> Object:
    """`DELETE /route`: undo a `POST /route`. A reason that the API does not take is left out."""
    body: Object = {"conversationIdentifier": facts.conversation_identifier}
    if cancel_reason in _CANCEL_REASONS:
        body["cancelReason"] = cancel_reason
    return body


def cancel_work_body(agent_work_id: str) -> Object:
    """`PATCH /agentWork`: take an offer back."""
    return {"workId": agent_work_id, "contextType": "Agent", "status": "Cancel"}


def removal_body(conversation_identifier: str, user_id: str) -> Object:
    """`POST /participant`: remove a rep from a conversation. The API takes record ids in their 15-character form."""
    rep = {"appType": "agent", "subject": record_id(user_id) or user_id, "role": "Agent"}
    return {"conversationIdentifier": conversation_identifier, "operation": "Remove", "participants": [rep]}


def session_body(conversation: Conversation, operation: str, on_behalf_of: str | None) -> Object:
    """`POST /messagingSession`: `operation` is End or Inactivate. `on_behalf_of` is left out when the API lacks it."""
    body: Object = {
        "channelAddressIdentifier": conversation.channel_address_id,
        "endUserClientId": conversation.end_user_subject,
        "conversationIdentifier": conversation.conversation_id,
        "operation": operation,
    }
    if conversation.session.id is not None:
        body["sessionId"] = conversation.session.id
    if on_behalf_of in _BEHALF:
        body["operationBy"] = on_behalf_of
    return body


def api_identifier(conversation: Conversation) -> str | None:
    """The conversation's identifier at Salesforce; None for one whose key was made of channel and end user."""
    key, subject = conversation.conversation_id, conversation.end_user_subject
    return None if key == f"{conversation.channel_address_id}:{subject}" else key


class Acknowledgement(NamedTuple):
    """One entry that the end user got or saw. `word` is `Delivered` or `Read`, `at_ms` when it happened."""

    word: str
    entry_id: str
    at_ms: int


def acknowledgements_body(conversation: Conversation, found: Sequence[Acknowledgement]) -> Object | None:
    """`POST /acknowledgement` for at most `MAX_ACKNOWLEDGEMENTS`; None when Salesforce cannot know whose they are."""
    subject, key = conversation.end_user_subject, api_identifier(conversation)
    if subject is None or key is None:
        return None
    return {
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


def _uuid(identity: str, conversation_id: str) -> str:
    """An id in the form of a UUID that is the same for every repeat."""
    found = digest("acknowledgement", conversation_id, identity)
    return "-".join((found[:8], found[8:12], found[12:16], found[16:20], found[20:]))
