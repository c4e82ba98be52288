"""Says what one event is, and what it leads to when it is the first of its conversation. Pure; nothing is stored."""

from enum import StrEnum
from typing import Any

import msgspec

from schemas.records import Delivery, OutboundEvent, RoutingOutcome, RoutingTask
from streams.core.apply import apply
from streams.core.content.read import RESPONSES
from streams.core.model.entries import ROUTING_REQUESTED, Entry
from streams.core.model.entry_types import (
    ENTRY_TYPES,
    MESSAGE,
    ROUTING_RESULT,
    ROUTING_WORK_RESULT,
    UNKNOWN_TYPE,
    DeliveryClass,
)
from streams.core.model.errors import Unparsable
from streams.core.model.lenient import json_value
from streams.core.model.rules import Rules
from streams.core.model.state import Conversation, RoutingRequest, Seen
from streams.core.model.step import Step
from streams.core.parsing.parse import parse_entry, parse_routing
from streams.core.parsing.results import routing_result, work_result


class Reason(StrEnum):
    """Why an event is not delivered, beside the reasons of `Withheld`."""

    STATE_ONLY = "state_only"
    ROUTING = "routing"  # a request for the partner's router
    UNPARSABLE = "unparsable"  # it goes to the dead letters


class _EmptyState:
    """A `StateReader` that knows nothing: the state before the first event."""

    def conversation(self, conversation_id: str) -> Conversation | None:  # noqa: ARG002  a protocol's method
        return None

    def request(self, conversation_id: str, request_id: str) -> RoutingRequest | None:  # noqa: ARG002
        return None

    def seen(self, key: str) -> Seen | None:  # noqa: ARG002
        return None


def class_of(entry: Entry) -> DeliveryClass:
    """The class of an entry by its type, and for a Message by its messageType. An unknown type is NEVER."""
    if entry.entry_type == MESSAGE and entry.message is not None and entry.message.message_type in RESPONSES:
        return DeliveryClass.STATE
    return ENTRY_TYPES.get(entry.entry_type, UNKNOWN_TYPE).delivery_class


def explain(event: OutboundEvent, rules: Rules) -> dict[str, Any]:
    """What an event is and what it produces, as values that JSON can hold, read at its `received_at_ms`.

    `delivered` and `reason` (None when delivered) answer why the end user did or did not get it. `delivery` and
    `routing` are the records it would produce, with all their content: this is for someone who has the payload.
    Never raises: an event that cannot be parsed says so in `reason` and `error`.
    """
    answer: dict[str, Any] = {
        "event_type": event.event_type or None,
        "entry_type": None,
        "class": None,
        "delivered": False,
        "reason": None,
        "conversation_id": event.conversation_id,
        "entry_id": None,
        "message_type": None,
        "format_type": None,
        "delivery": None,
        "routing": None,
        "counts": [],
    }
    try:
        step = apply(_EmptyState(), event, event.received_at_ms, rules)
        if event.event_type == ROUTING_REQUESTED:
            answer |= _of_request(event, step)
        else:
            answer |= _of_entry(event, parse_entry(event), step)
    except Unparsable as error:
        return {**answer, "reason": Reason.UNPARSABLE.value, "error": str(error)}
    return answer


def _of_request(event: OutboundEvent, step: Step) -> dict[str, Any]:
    ask = parse_routing(event)
    produced = next((each for each in step.outputs if isinstance(each, (RoutingTask, RoutingOutcome))), None)
    return {
        "class": DeliveryClass.STATE.value,
        "reason": Reason.ROUTING.value,
        "routing_type": ask.routing_type or None,
        "target_kind": ask.target_kind,
        "routing": None if produced is None else _named(produced),
        "counts": _counts(step),
    }


def _of_entry(event: OutboundEvent, entry: Entry, step: Step) -> dict[str, Any]:
    delivery = next((each for each in step.outputs if isinstance(each, Delivery)), None)
    withheld = next((label for name, label in step.counts if name == "withheld"), None)
    message = entry.message
    return {
        "entry_type": entry.entry_type or None,
        "class": class_of(entry).value,
        "delivered": delivery is not None,
        "reason": None if delivery is not None else withheld or Reason.STATE_ONLY.value,
        "entry_id": entry.entry_id,
        "message_type": None if message is None else message.message_type,
        "format_type": None if message is None else message.format_type,
        "delivery": None if delivery is None else _shown(delivery),
        "routing": _result(event, entry),
        "counts": _counts(step),
    }


def _result(event: OutboundEvent, entry: Entry) -> dict[str, Any] | None:
    """What a routing result says; which request it belongs to needs the conversation's state."""
    if entry.entry_type == ROUTING_RESULT:
        return _named(routing_result(event, entry))
    return _named(work_result(entry)) if entry.entry_type == ROUTING_WORK_RESULT else None


def _shown(delivery: Delivery) -> dict[str, Any]:
    """A delivery, with its content as an object in place of JSON text."""
    try:
        content = None if delivery.content is None else json_value(delivery.content)
    except ValueError:  # objects that came as JSON strings can lie deeper in it than any JSON that is read
        content = delivery.content
    return {**_named(delivery), "content": content}


def _named(record: msgspec.Struct) -> dict[str, Any]:
    values = {name: msgspec.to_builtins(getattr(record, name)) for name in record.__struct_fields__}
    return {"record": type(record).__name__, **values}


def _counts(step: Step) -> list[str]:
    return [f"{name}:{label}" for name, label in step.counts]
