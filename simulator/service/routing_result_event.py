"""The `RoutingResult` event that is published when a routing request has ended. Pure."""

from simulator.events import entries
from simulator.events.entries import Json
from simulator.service.routing_desk import Conclusion, RoutingRequest

_REASON_TIMED_OUT = "timeout"


def routing_result_payload(
    request: RoutingRequest,
    *,
    entry_id: str,
    at_ms: int,
    error_message: str | None = None,
    externally_routed: bool = False,
) -> Json:
    """The payload of the Interaction event for a concluded request.

    What Salesforce writes into `failureType` at a time-out is not documented; RoutingError with a reason is what its
    other failures look like.
    """
    sender = entries.router(request.facts.router_subject or request.request_id)
    fields: Json = {"recordId": request.work_item_id, "isExternallyRouted": externally_routed} | _target(request)
    match request.concluded:
        case Conclusion.ROUTED:
            failure_type = "None"
        case Conclusion.REFUSED:
            failure_type = "RoutingError"
            fields |= {"failureReason": error_message, "errorMessages": [error_message]}
        case Conclusion.TIMED_OUT:
            failure_type = "RoutingError"
            fields |= {"failureReason": _REASON_TIMED_OUT, "errorMessages": ["no result within the time allowed"]}
        case Conclusion.CANCELLED:
            failure_type = "Cancelled"
            fields |= {"cancelReason": "Cancel"}
        case None:
            raise ValueError(f"building a RoutingResult: request {request.request_id} is still open")
    entry = entries.routing_result(
        entry_id, routing_type=request.routing_type, failure_type=failure_type, fields=fields
    )
    return entries.interaction(
        channel_address_id=request.facts.channel_address_id,
        conversation_id=request.conversation_id,
        end_user_subject=request.facts.end_user_subject,
        entry_id=entry_id,
        sender=sender,
        sender_name="Router",
        entry=entry,
        at_ms=at_ms,
    )


def _target(request: RoutingRequest) -> Json:
    match request.facts.target_kind:
        case "queue":
            details = {"routingConfigurationType": "QueueRoutingType", "queueId": request.facts.target_id}
        case "rep":
            details = {"routingConfigurationType": "AgentRoutingType", "agentId": request.facts.target_id}
        case _:
            return {}
    return {"routingConfigurationDetails": details}
