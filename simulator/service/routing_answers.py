"""Reads the body of `POST /routingResult`. Pure."""

from simulator.service.routing_desk import Answer, AnswerRejectedError
from simulator.service.service_bodies import ROUTING_TYPES, conversation_of, one_of, read_object, work_item_of


def read_answer(body: bytes) -> Answer:
    """Check a body as the API does. Raises `AnswerRejectedError` with the code of the first thing that is wrong."""
    fields = read_object(body)
    work_item_id = work_item_of(fields)
    conversation_id = conversation_of(fields)
    success, externally_routed = fields.get("success"), fields.get("externallyRouted")
    if not isinstance(success, bool) or not isinstance(externally_routed, bool):
        raise AnswerRejectedError(10089, "success and externallyRouted must be true or false")
    routing_type = fields.get("routingType")
    if routing_type is not None:
        one_of(fields, "routingType", ROUTING_TYPES, 10089)
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
