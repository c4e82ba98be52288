"""State as JSON-able answers, in the field's words. Texts are not in the state; subjects are redacted."""

from typing import Any

import msgspec

from streams.core.details import NOTHING
from streams.core.state import Conversation, RoutingRequest

REDACTED = "redacted"


def conversation(value: Conversation) -> dict[str, Any]:
    """A conversation with everything but the end user's and the participants' identities."""
    answer: dict[str, Any] = msgspec.to_builtins(_plain(value))
    if answer["end_user_subject"] is not None:
        answer["end_user_subject"] = REDACTED
    for participant in answer["participants"]:
        participant["subject"] = REDACTED
        participant["display_name"] = None if participant["display_name"] is None else REDACTED
    answer["orphans"] = len(answer["orphans"])
    details = answer.pop("details") or _plain(NOTHING)
    answer |= {**details, "withheld": dict(details["withheld"])}
    return answer


def routing_request(value: RoutingRequest) -> dict[str, Any]:
    """A routing request: its target, deadlines as facts, decisions, results and outcome."""
    answer: dict[str, Any] = msgspec.to_builtins(_plain(value))
    facts = answer["facts"]
    if facts is not None:
        facts["end_user_subject"] = None if facts["end_user_subject"] is None else REDACTED
        facts.pop("channel_data", None)
    return answer


def _plain(value: Any) -> Any:
    """Structs stored as arrays, as nested dictionaries."""
    if isinstance(value, msgspec.Struct):
        return {name: _plain(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    return value
