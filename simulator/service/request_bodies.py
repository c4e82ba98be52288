"""Reads the bodies of the Interaction Service API's calls, and checks what can be checked in one body alone. Pure.

Each reader returns the fields that the simulator uses. It raises `CallRejectedError` with the code of the first thing
that is wrong. Which HTTP status goes with which code is not published.
"""

from typing import Any

import msgspec

from simulator.service.errors import CallRejectedError

Json = dict[str, Any]

WORK_ITEM_CHARS = 15  # record ids are compared without the 3-character checksum of the 18-character form
_ROUTING_TYPES = ("Initial", "Transfer", "Conference")
_CANCEL_REASONS = ("Unknown", "Unavailable", "Decline", "Cancel")
_WORK_STATUSES = ("Accept", "Close", "Decline", "Cancel")
_OPERATIONS = ("End", "Inactivate")
_OPERATORS = ("EndUser", "System")
_ACKNOWLEDGEMENTS = ("Read", "Delivered")
_MOST_ACKNOWLEDGEMENTS = 25
_RECORD_ID_CHARS = (15, 18)


class RoutingResultBody(msgspec.Struct, frozen=True, kw_only=True):
    """A well-formed `routingResult` body."""

    work_item_id: str
    conversation_id: str
    routing_type: str | None
    success: bool
    externally_routed: bool
    error_message: str | None


class RouteBody(msgspec.Struct, frozen=True, kw_only=True):
    """`POST /route`."""

    conversation_id: str
    routing_type: str
    queue_id: str | None = None
    flow_id: str | None = None


class WorkBody(msgspec.Struct, frozen=True, kw_only=True):
    """`POST /agentWork`. `conversation_id` and `correlation_id` are of its routingContext."""

    user_id: str
    work_item_id: str
    conversation_id: str | None = None
    correlation_id: str | None = None


class WorkStatusBody(msgspec.Struct, frozen=True, kw_only=True):
    """`PATCH /agentWork`."""

    work_id: str
    status: str


class SessionBody(msgspec.Struct, frozen=True, kw_only=True):
    """`POST /messagingSession`."""

    channel_address_id: str
    end_user_subject: str
    conversation_id: str
    session_id: str | None
    operation: str
    operation_by: str | None


def _read_object(body: bytes) -> Json:
    """The JSON object of a body."""
    if not body:
        raise CallRejectedError(10100, "the request has no body")
    try:
        fields: Any = msgspec.json.decode(body)
    except msgspec.DecodeError as error:
        raise CallRejectedError(10100, "the request body is not JSON") from error
    if not isinstance(fields, dict):
        raise CallRejectedError(10100, "the request body is not a JSON object")
    return fields


def _conversation_of(fields: Json) -> str:
    """The `conversationIdentifier` that nearly every body has."""
    return _required(fields, "conversationIdentifier", 10018)


def _work_item_of(fields: Json) -> str:
    """The `workItemId`; the API takes no other form than the short one."""
    found = fields.get("workItemId")
    if not isinstance(found, str) or len(found) != WORK_ITEM_CHARS:
        raise CallRejectedError(10012, "workItemId must be the 15-character id of a messaging session")
    return found


def read_routing_result(body: bytes) -> RoutingResultBody:
    """Read `POST /routingResult`. A failure needs an error message, and a success must not have one."""
    fields = _read_object(body)
    work_item_id = _work_item_of(fields)
    conversation_id = _conversation_of(fields)
    success, externally_routed = fields.get("success"), fields.get("externallyRouted")
    if not isinstance(success, bool) or not isinstance(externally_routed, bool):
        raise CallRejectedError(10089, "success and externallyRouted must be true or false")
    routing_type = fields.get("routingType")
    if routing_type is not None:
        _one_of(fields, "routingType", _ROUTING_TYPES, 10089)
    error_message = fields.get("errorMessage")
    if success and error_message is not None:
        raise CallRejectedError(10033, "errorMessage is given although success is true")
    if not success and not (isinstance(error_message, str) and error_message):
        raise CallRejectedError(10034, "errorMessage is missing although success is false")
    return RoutingResultBody(
        work_item_id=work_item_id,
        conversation_id=conversation_id,
        routing_type=routing_type,
        success=success,
        externally_routed=externally_routed,
        error_message=error_message,
    )


def read_route(body: bytes) -> RouteBody:
    """Read `POST /route`. A flow needs its fallback queue; a flow and a queue exclude each other."""
    fields = _read_object(body)
    conversation_id = _conversation_of(fields)
    routing_type = _one_of(fields, "routingType", _ROUTING_TYPES, 10089)
    info = _object(fields, "routingInfo")
    flow, queue_id = _object(info, "flow"), info.get("queueId")
    if flow and queue_id:
        raise CallRejectedError(10030, "routingInfo names a flow and a queue")
    if flow and not (flow.get("flowId") and flow.get("queueId")):
        raise CallRejectedError(10024, "a flow needs flowId and queueId")
    for part in (info, flow):
        if part.get("queueId") is not None:
            _record_id(part, "queueId", "00G", 10032)
    return RouteBody(
        conversation_id=conversation_id,
        routing_type=routing_type,
        queue_id=queue_id or flow.get("queueId"),
        flow_id=flow.get("flowId"),
    )


def read_unroute(body: bytes) -> str:
    """Read `DELETE /route`; return the conversation."""
    fields = _read_object(body)
    conversation_id = _conversation_of(fields)
    if fields.get("cancelReason") is not None:
        _one_of(fields, "cancelReason", _CANCEL_REASONS, 10089)
    return conversation_id


def read_work(body: bytes) -> WorkBody:
    """Read `POST /agentWork`. Weight and percentage exclude each other."""
    fields = _read_object(body)
    work_item_id = _work_item_of(fields)
    weight, percentage = fields.get("capacityWeight"), fields.get("capacityPercentage")
    if weight is not None and percentage is not None:
        raise CallRejectedError(10013, "capacityWeight and capacityPercentage are both given")
    if weight is not None and not (_is_number(weight) and weight >= 0):
        raise CallRejectedError(10014, "capacityWeight must be 0 or more")
    if percentage is not None and not (_is_number(percentage) and 0 <= percentage <= 100):
        raise CallRejectedError(10015, "capacityPercentage must be from 0 to 100")
    user_id = _record_id(fields, "userId", "005", 15106)
    context = _object(fields, "routingContext")
    if context.get("routingType") is not None:
        _one_of(context, "routingType", _ROUTING_TYPES, 10089)
    return WorkBody(
        user_id=user_id,
        work_item_id=work_item_id,
        conversation_id=context.get("conversationIdentifier"),
        correlation_id=context.get("routingCorrelationId"),
    )


def read_work_change(body: bytes) -> WorkStatusBody:
    """Read `PATCH /agentWork`. A chatbot must name itself."""
    fields = _read_object(body)
    work_id = _required(fields, "workId", 10082)
    context = _one_of(fields, "contextType", ("Agent", "Chatbot"), 10083)
    if context == "Chatbot":
        _required(fields, "botId", 10084)
        _work_item_of(fields)
    return WorkStatusBody(work_id=work_id, status=_one_of(fields, "status", _WORK_STATUSES, 10085))


def read_removal(body: bytes) -> tuple[str, str]:
    """Read `POST /participant`; return the conversation, and the user to remove from it."""
    fields = _read_object(body)
    conversation_id = _conversation_of(fields)
    _one_of(fields, "operation", ("Remove",), 10089)
    people = fields.get("participants")
    if not isinstance(people, list) or not people:
        raise CallRejectedError(10039, "participants is empty")
    if len(people) > 1 or not isinstance(people[0], dict):
        raise CallRejectedError(10089, "participants must hold exactly one")
    _one_of(people[0], "appType", ("agent",), 10037)
    _one_of(people[0], "role", ("Agent",), 10038)
    subject = _record_id(people[0], "subject", "005", 10036)
    if len(subject) != WORK_ITEM_CHARS:
        raise CallRejectedError(10036, "subject must be the 15-character id of a user")
    return conversation_id, subject


def read_session(body: bytes) -> SessionBody:
    """Read `POST /messagingSession`. Only a session that is named by its id can be set inactive."""
    fields = _read_object(body)
    channel_address_id = _required(fields, "channelAddressIdentifier", 10017)
    end_user_subject = _required(fields, "endUserClientId", 10020)
    conversation_id = _conversation_of(fields)
    operation = _one_of(fields, "operation", _OPERATIONS, 10102)
    operation_by = fields.get("operationBy")
    if operation_by is not None:
        _one_of(fields, "operationBy", _OPERATORS, 10103)
    session_id = None if fields.get("sessionId") is None else _record_id(fields, "sessionId", "0Mw", 10072)
    if operation == "Inactivate" and session_id is None:
        raise CallRejectedError(10106, "sessionId is missing")
    return SessionBody(
        channel_address_id=channel_address_id,
        end_user_subject=end_user_subject,
        conversation_id=conversation_id,
        session_id=session_id,
        operation=operation,
        operation_by=operation_by,
    )


def read_acknowledgements(body: bytes) -> tuple[str, int]:
    """Read `POST /acknowledgement`; return the conversation, and how many entries it acknowledges."""
    fields = _read_object(body)
    sender = _object(fields, "sender")
    _one_of(sender, "appType", ("custom",), 10037)
    _one_of(sender, "role", ("EndUser",), 10038)
    _required(sender, "subject", 10020)
    conversation_id = _conversation_of(fields)
    found = fields.get("acknowledgements")
    if not isinstance(found, list) or not 1 <= len(found) <= _MOST_ACKNOWLEDGEMENTS:
        raise CallRejectedError(10089, f"acknowledgements must hold 1 to {_MOST_ACKNOWLEDGEMENTS}")
    for each in found:
        one = each if isinstance(each, dict) else {}
        _one_of(one, "acknowledgementType", _ACKNOWLEDGEMENTS, 10089)
        _required(one, "acknowledgedConversationEntryIdentifier", 10089)
        _required(one, "acknowledgmentCreatedConversationEntryIdentifier", 10089)
        # a number in Salesforce's examples, a string in its schema
        if not str(one.get("acknowledgementTimestamp")).isdecimal():
            raise CallRejectedError(10089, "acknowledgementTimestamp must be epoch milliseconds")
    return conversation_id, len(found)


def _one_of(fields: Json, name: str, allowed: tuple[str, ...], code: int) -> str:
    """A field that must have one of these values."""
    found = fields.get(name)
    if found not in allowed:
        raise CallRejectedError(code, f"{name} must be one of {', '.join(allowed)}")
    return str(found)


def _required(fields: Json, name: str, code: int) -> str:
    found = fields.get(name)
    if not isinstance(found, str) or not found:
        raise CallRejectedError(code, f"{name} is missing")
    return found


def _object(fields: Json, name: str) -> Json:
    found = fields.get(name)
    return found if isinstance(found, dict) else {}


def _record_id(fields: Json, name: str, prefix: str, code: int) -> str:
    found = fields.get(name)
    is_one = isinstance(found, str) and len(found) in _RECORD_ID_CHARS and found.isalnum() and found.startswith(prefix)
    if not is_one:
        raise CallRejectedError(code, f"{name} is no record id that begins with {prefix}")
    return str(found)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
