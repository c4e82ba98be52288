"""When a value wants attention again, or may be forgotten. Times are epoch milliseconds."""

from msgspec.structs import replace

from streams.core.model.rules import DAY_MS, Rules
from streams.core.model.state import Conversation, Seen, Value

# Expiry times of the most frequent values are rounded up, so that many values share one timer and one segment.
SEEN_GRAIN_MS = 60_000
IDLE_GRAIN_MS = DAY_MS


def rounded_up(at_ms: int, grain_ms: int) -> int:
    """The first multiple of `grain_ms` at or after `at_ms`."""
    return -(-at_ms // grain_ms) * grain_ms


def due_at_ms(value: Value) -> int | None:
    """When this value next wants `expire`; None for never. It stays the same until the value changes."""
    return value.expires_at_ms if isinstance(value, Seen) else value.due_at_ms


def with_due(conversation: Conversation, rules: Rules) -> Conversation:
    """The conversation with the time at which it may be forgotten, as `due_at_ms`; the same object when that holds.

    None while the end user is opted out, for that has to be remembered. `ended_retention_ms` after the last activity
    once the conversation has ended, or Salesforce knows its session no more; `idle_retention_ms` when it never ended.
    """
    due: int | None
    if conversation.consent == "OptOut":
        due = None
    elif conversation.ended_at_ms is not None:
        due = max(conversation.ended_at_ms, conversation.last_activity_ms) + rules.ended_retention_ms
    else:
        due = rounded_up(conversation.last_activity_ms + rules.idle_retention_ms, IDLE_GRAIN_MS)
        closed_ms = None if conversation.details is None else conversation.details.closed_ms
        if closed_ms is not None and closed_ms >= conversation.last_activity_ms:
            due = closed_ms + rules.ended_retention_ms
    return conversation if due == conversation.due_at_ms else replace(conversation, due_at_ms=due)
