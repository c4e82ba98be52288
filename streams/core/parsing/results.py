"""Reads the facts of `RoutingResult` and `RoutingWorkResult` entries."""

import msgspec

from schemas.records import OutboundEvent
from streams.core.model.entries import Entry
from streams.core.model.keys import record_id
from streams.core.model.lenient import Object, as_filled_text, as_id, as_object, as_text, as_word, cut
from streams.core.model.routing_states import RoutingEvent
from streams.core.model.state import RoutingResult

_SUCCESS = frozenset({"None", "NoError", "NO_ERROR"})


def routing_result(event: OutboundEvent, entry: Entry) -> RoutingResult:
    """The facts of a `RoutingResult` entry. Any field may be missing."""
    body = entry.body or {}
    failure_type = as_word(body.get("failureType"))
    details = as_object(body.get("routingConfigurationDetails")) or {}
    return RoutingResult(
        event_uuid=event.event_uuid,
        created_at_ms=event.created_at_ms,
        received_at_ms=event.received_at_ms,
        verdict=_verdict(failure_type).value,
        routing_type=as_word(body.get("routingType")),
        failure_type=failure_type,
        reason=_reason(body),
        cancel_reason=as_word(body.get("cancelReason")),
        record_id=record_id(as_text(body.get("recordId"))),
        pending_service_routing_id=as_id(body.get("pendingServiceRoutingId"), "pendingServiceRoutingId"),
        router_subject=entry.sender_subject if entry.sender_role == "Router" else None,
        queue_id=as_id(details.get("queueId"), "queueId"),
        agent_id=as_id(details.get("agentId"), "agentId"),
        identifiers=_identifiers(entry, body),
    )


def _verdict(failure_type: str | None) -> RoutingEvent:
    """Only an explicit success is one: a missing failureType is a failure, whatever errorMessages holds."""
    if failure_type in _SUCCESS:
        return RoutingEvent.RESULT_SUCCESS
    return RoutingEvent.RESULT_CANCELLED if failure_type == "Cancelled" else RoutingEvent.RESULT_FAILED


def _reason(body: Object) -> str | None:
    reason = as_filled_text(body.get("failureReason")) or as_filled_text(body.get("cancelReason"))
    if reason is not None:
        return cut(reason)
    messages = body.get("errorMessages")
    found = [text for text in map(as_filled_text, messages) if text] if isinstance(messages, list) else []
    return cut("; ".join(found)) or None


def _identifiers(entry: Entry, body: Object) -> tuple[str, ...]:
    """Every id in the entry that could name the request. Salesforce does not promise that any of them does."""
    data = as_object(body.get("channelData")) or {}
    values = (
        entry.entry_id,
        body.get("id"),
        body.get("eventId"),
        body.get("routingCorrelationId"),
        data.get("eventId"),
    )
    found = (as_id(value, "an id of a routing result") for value in values)
    return tuple(dict.fromkeys(text for text in found if text))


class WorkResult(msgspec.Struct, frozen=True, gc=False):
    """The facts of a `RoutingWorkResult`: whether the offered work was accepted or declined.

    `event` is None when it says nothing about a routing request.
    """

    event: RoutingEvent | None
    work_item_id: str | None
    routing_type: str | None
    queue_id: str | None
    bot_id: str | None
    work_id: str | None


_WORK_EVENTS = {
    "Declined": RoutingEvent.WORK_DECLINED,
    "TransferError": RoutingEvent.WORK_DECLINED,
    "Accepted": RoutingEvent.SEATED,
}


def work_result(entry: Entry) -> WorkResult:
    """The facts of a `RoutingWorkResult` entry. Its schema is disputed: any subset of the fields will do."""
    body = entry.body or {}
    return WorkResult(
        event=_WORK_EVENTS.get(as_text(body.get("workType")) or ""),
        work_item_id=record_id(as_text(body.get("workTargetId"))),
        routing_type=as_word(body.get("routingType")),
        queue_id=as_id(body.get("queueId"), "queueId"),
        bot_id=as_id(body.get("botId"), "botId"),
        work_id=as_id(body.get("workId"), "workId"),
    )
