"""Calls to the Interaction Service API as `SalesforceCall` records. Bodies use the API's own words."""

import msgspec

from schemas.records import SalesforceCall, TargetKind
from streams.core.keys import digest
from streams.core.requests import deadline_ms
from streams.core.rules import Rules
from streams.core.state import RequestFacts, RoutingRequest

ROUTING_RESULT = "routingResult"

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
    body: dict[str, str | bool] = {
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
    return SalesforceCall(
        call_id=digest(ROUTING_RESULT, request.conversation_id, request.request_id),
        conversation_id=request.conversation_id,
        org_id=facts.org_id,
        api=ROUTING_RESULT,
        method="POST",
        body=msgspec.json.encode(body).decode(),
        request_id=request.request_id,
        created_at_ms=caused_at_ms,
        deadline_ms=deadline_ms(facts, rules),
    )
