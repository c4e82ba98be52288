"""Reads the bodies of the Interaction Service API's calls, as far as one body can be judged alone. Pure.

Each reader returns what the call asks for and raises `AnswerRejectedError` with the code of the first thing that is
wrong. Which HTTP status goes with which code is not published.
"""

from typing import Any

import msgspec

from simulator.service.routing_desk import WORK_ITEM_CHARS, AnswerRejectedError

Json = dict[str, Any]

ROUTING_TYPES = ("Initial", "Transfer", "Conference")
_CANCEL_REASONS = ("Unknown", "Unavailable", "Decline", "Cancel")
_WORK_STATUSES = ("Accept", "Close", "Decline", "Cancel")
_OPERATIONS = ("End", "Inactivate")
_OPERATORS = ("EndUser", "System")
_ACKNOWLEDGEMENTS = ("Read", "Delivered")
_MOST_ACKNOWLEDGEMENTS = 25
_RECORD_ID_CHARS = (15, 18)


class RouteAsk(msgspec.Struct, frozen=True, kw_only=True):
    """`POST /route`."""

    conversation_id: str
    routing_type: str
    queue_id: str | None = None
    flow_id: str | None = None


class WorkAsk(msgspec.Struct, frozen=True, kw_only=True):
    """`POST /agentWork`. `conversation_id` and `correlation_id` are of its routingContext."""

    user_id: str
    work_item_id: str
    conversation_id: str | None = None
    correlation_id: str | None = None


class WorkChange(msgspec.Struct, frozen=True, kw_only=True):
    """`PATCH /agentWork`."""

    work_id: str
    status: str


class SessionAsk(msgspec.Struct, frozen=True, kw_only=True):
    """`POST /messagingSession`."""

    channel_address_id: str
    end_user_subject: str
    conversation_id: str
    session_id: str | None
    operation: str
    operation_by: str | None


def read_object(body: bytes) -> Json:
    """The JSON object of a body."""
    if not body:
        raise AnswerRejectedError(10100, "the request has no body")
    try:
        fields: Any = msgspec.json.decode(body)
    except msgspec.DecodeError as error:
        raise AnswerRejectedError(10100, "the request body is not JSON") from error
    if not isinstance(fields, dict):
        raise AnswerRejectedError(10100, "the request body is not a JSON object")
    return fields


def conversation_of(fields: Json) -> str:
    """The `conversationIdentifier` that nearly every body has."""
    return _required(fields, "conversationIdentifier", 10018)


def work_item_of(fields: Json) -> str:
    """The `workItemId`; the API takes no other form than the short one."""
    found = fields.get("workItemId")
    if not isinstance(found, str) or len(found) != WORK_ITEM_CHARS:
        raise AnswerRejectedError(10012, "workItemId must be the 15-character id of a messaging session")
    return found


def read_route(body: bytes) -> RouteAsk:
    """A flow needs its fallback queue; a flow and a queue exclude each other."""
    fields = read_object(body)
    conversation_id = conversation_of(fields)
    routing_type = one_of(fields, "routingType", ROUTING_TYPES, 10089)
    info = _object(fields, "routingInfo")
    flow, queue_id = _object(info, "flow"), info.get("queueId")
    if flow and queue_id:
        raise AnswerRejectedError(10030, "routingInfo names a flow and a queue")
    if flow and not (flow.get("flowId") and flow.get("queueId")):
        raise AnswerRejectedError(10024, "a flow needs flowId and queueId")
    for part in (info, flow):
        if part.get("queueId") is not None:
            _record_id(part, "queueId", "00G", 10032)
    return RouteAsk(
        conversation_id=conversation_id,
        routing_type=routing_type,
        queue_id=queue_id or flow.get("queueId"),
        flow_id=flow.get("flowId"),
    )


def read_unroute(body: bytes) -> str:
    """`DELETE /route`: the conversation."""
    fields = read_object(body)
    conversation_id = conversation_of(fields)
    if fields.get("cancelReason") is not None:
        one_of(fields, "cancelReason", _CANCEL_REASONS, 10089)
    return conversation_id


def read_work(body: bytes) -> WorkAsk:
    """Weight and percentage exclude each other."""
    fields = read_object(body)
    work_item_id = work_item_of(fields)
    weight, percentage = fields.get("capacityWeight"), fields.get("capacityPercentage")
    if weight is not None and percentage is not None:
        raise AnswerRejectedError(10013, "capacityWeight and capacityPercentage are both given")
    if weight is not None and not (_is_number(weight) and weight >= 0):
        raise AnswerRejectedError(10014, "capacityWeight must be 0 or more")
    if percentage is not None and not (_is_number(percentage) and 0 <= percentage <= 100):
        raise AnswerRejectedError(10015, "capacityPercentage must be from 0 to 100")
    user_id = _record_id(fields, "userId", "005", 15106)
    context = _object(fields, "routingContext")
    if context.get("routingType") is not None:
        one_of(context, "routingType", ROUTING_TYPES, 10089)
    return WorkAsk(
        user_id=user_id,
        work_item_id=work_item_id,
        conversation_id=context.get("conversationIdentifier"),
        correlation_id=context.get("routingCorrelationId"),
    )


def read_work_change(body: bytes) -> WorkChange:
    """A chatbot has to name itself."""
    fields = read_object(body)
    work_id = _required(fields, "workId", 10082)
    context = one_of(fields, "contextType", ("Agent", "Chatbot"), 10083)
    if context == "Chatbot":
        _required(fields, "botId", 10084)
        work_item_of(fields)
    return WorkChange(work_id=work_id, status=one_of(fields, "status", _WORK_STATUSES, 10085))


def read_removal(body: bytes) -> tuple[str, str]:
    """`POST /participant`: the conversation, and the user to remove from it."""
    fields = read_object(body)
    conversation_id = conversation_of(fields)
    one_of(fields, "operation", ("Remove",), 10089)
    people = fields.get("participants")
    if not isinstance(people, list) or not people:
        raise AnswerRejectedError(10039, "participants is empty")
    if len(people) > 1 or not isinstance(people[0], dict):
        raise AnswerRejectedError(10089, "participants must hold exactly one")
    one_of(people[0], "appType", ("agent",), 10037)
    one_of(people[0], "role", ("Agent",), 10038)
    subject = _record_id(people[0], "subject", "005", 10036)
    if len(subject) != WORK_ITEM_CHARS:
        raise AnswerRejectedError(10036, "subject must be the 15-character id of a user")
    return conversation_id, subject


def read_session(body: bytes) -> SessionAsk:
    """A session is set inactive only by its id."""
    fields = read_object(body)
    channel_address_id = _required(fields, "channelAddressIdentifier", 10017)
    end_user_subject = _required(fields, "endUserClientId", 10020)
    conversation_id = conversation_of(fields)
    operation = one_of(fields, "operation", _OPERATIONS, 10102)
    operation_by = fields.get("operationBy")
    if operation_by is not None:
        one_of(fields, "operationBy", _OPERATORS, 10103)
    session_id = None if fields.get("sessionId") is None else _record_id(fields, "sessionId", "0Mw", 10072)
    if operation == "Inactivate" and session_id is None:
        raise AnswerRejectedError(10106, "sessionId is missing")
    return SessionAsk(
        channel_address_id=channel_address_id,
        end_user_subject=end_user_subject,
        conversation_id=conversation_id,
        session_id=session_id,
        operation=operation,
        operation_by=operation_by,
    )


def read_acknowledgements(body: bytes) -> tuple[str, int]:
    """`POST /acknowledgement`: the conversation, and how many entries it acknowledges."""
    fields = read_object(body)
    sender = _object(fields, "sender")
    one_of(sender, "appType", ("custom",), 10037)
    one_of(sender, "role", ("EndUser",), 10038)
    _required(sender, "subject", 10020)
    conversation_id = conversation_of(fields)
    found = fields.get("acknowledgements")
    if not isinstance(found, list) or not 1 <= len(found) <= _MOST_ACKNOWLEDGEMENTS:
        raise AnswerRejectedError(10089, f"acknowledgements must hold 1 to {_MOST_ACKNOWLEDGEMENTS}")
    for each in found:
        one = each if isinstance(each, dict) else {}
        one_of(one, "acknowledgementType", _ACKNOWLEDGEMENTS, 10089)
        _required(one, "acknowledgedConversationEntryIdentifier", 10089)
        _required(one, "acknowledgmentCreatedConversationEntryIdentifier", 10089)
        # a number in Salesforce's examples, a string in its schema
        if not str(one.get("acknowledgementTimestamp")).isdecimal():
            raise AnswerRejectedError(10089, "acknowledgementTimestamp must be epoch milliseconds")
    return conversation_id, len(found)


def one_of(fields: Json, name: str, allowed: tuple[str, ...], code: int) -> str:
    """A field that must have one of these values."""
    found = fields.get(name)
    if found not in allowed:
        raise AnswerRejectedError(code, f"{name} must be one of {', '.join(allowed)}")
    return str(found)


def _required(fields: Json, name: str, code: int) -> str:
    found = fields.get(name)
    if not isinstance(found, str) or not found:
        raise AnswerRejectedError(code, f"{name} is missing")
    return found


def _object(fields: Json, name: str) -> Json:
    found = fields.get(name)
    return found if isinstance(found, dict) else {}


def _record_id(fields: Json, name: str, prefix: str, code: int) -> str:
    found = fields.get(name)
    is_one = isinstance(found, str) and len(found) in _RECORD_ID_CHARS and found.isalnum() and found.startswith(prefix)
    if not is_one:
        raise AnswerRejectedError(code, f"{name} is no record id that begins with {prefix}")
    return str(found)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
