"""Reads the body of `POST /routingResult`. Pure."""

from typing import Any

import msgspec

from simulator.routing_desk import WORK_ITEM_CHARS, Answer, AnswerRejectedError

_ROUTING_TYPES = ("Initial", "Transfer", "Conference")


def read_answer(body: bytes) -> Answer:
    """Check a body as the API does. Raises `AnswerRejectedError` with the code of the first thing that is wrong."""
    if not body:
        raise AnswerRejectedError(10100, "the request has no body")
    try:
        fields: Any = msgspec.json.decode(body)
    except msgspec.DecodeError as error:
        raise AnswerRejectedError(10100, "the request body is not JSON") from error
    if not isinstance(fields, dict):
        raise AnswerRejectedError(10100, "the request body is not a JSON object")
    work_item_id = fields.get("workItemId")
    if not isinstance(work_item_id, str) or len(work_item_id) != WORK_ITEM_CHARS:
        raise AnswerRejectedError(10012, "workItemId must be the 15-character id of a messaging session")
    conversation_id = fields.get("conversationIdentifier")
    if not isinstance(conversation_id, str) or not conversation_id:
        raise AnswerRejectedError(10018, "conversationIdentifier is missing")
    success, externally_routed = fields.get("success"), fields.get("externallyRouted")
    if not isinstance(success, bool) or not isinstance(externally_routed, bool):
        raise AnswerRejectedError(10089, "success and externallyRouted must be true or false")
    routing_type = fields.get("routingType")
    if routing_type is not None and routing_type not in _ROUTING_TYPES:
        raise AnswerRejectedError(10089, f"routingType must be one of {', '.join(_ROUTING_TYPES)}")
    error_message = fields.get("errorMessage")
    if success and error_message is not None:
        raise AnswerRejectedError(10033, "errorMessage is given although success is true")
    if not success and not (isinstance(error_message, str) and error_message):
        raise AnswerRejectedError(10034, "errorMessage is missing although success is false")
    return Answer(
        work_item_id=work_item_id,
        conversation_id=conversation_id,
        routing_type=routing_type,
        success=success,
        externally_routed=externally_routed,
        error_message=error_message,
    )
