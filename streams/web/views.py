"""State values as JSON answers, under the names of their fields. Texts are not in the state; subjects are redacted."""

from typing import Any

import msgspec

from streams.core.model.details import NOTHING
from streams.core.model.rules import Rules
from streams.core.model.state import Conversation, RoutingRequest
from streams.core.routing.attempts import attempts_of

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


def routing_request(value: RoutingRequest, rules: Rules) -> dict[str, Any]:
    """A routing request: its target, deadlines as facts, attempts, decisions, results, calls and outcome.

    Each attempt names the decision that counts for it, if there is one; who joined is not shown.
    """
    answer: dict[str, Any] = msgspec.to_builtins(_plain(value))
    facts = answer["facts"]
    if facts is not None:
        facts["end_user_subject"] = None if facts["end_user_subject"] is None else REDACTED
        facts.pop("channel_data", None)
    for moment in answer["moments"]:
        moment["subject"] = None if moment["subject"] is None else REDACTED
    answer["attempts"] = [
        {
            "attempt": facts["attempt"] + number,
            "asked_at_ms": attempt.asked_at_ms,
            "decision_id": None if attempt.decision is None else attempt.decision.decision_id,
        }
        for number, attempt in enumerate(attempts_of(value, rules))
    ]
    return answer


def _plain(value: Any) -> Any:
    """A value in which every struct is a dictionary: the structs themselves become arrays in JSON."""
    if isinstance(value, msgspec.Struct):
        return {name: _plain(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    return value
