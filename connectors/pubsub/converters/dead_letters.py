"""Records for what cannot be mirrored: unreadable events, and gaps in the stream. Pure.

Header names and stages are Kafka Connect's; a dead letter of a *source* is our extension of them. The value is the
event's Avro payload as it came: with `sf.schema_id` it can be decoded by whoever has the schema.
"""

import json
from dataclasses import dataclass
from typing import Final

from connectors.pubsub.protocol.messages import GapPolicy

Headers = list[tuple[str, bytes]]
Letter = tuple[str, bytes | None, bytes | None, Headers]  # topic, value, key, headers

_PREFIX: Final = "__connect.errors."
_MAX_REASON: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """Which task writes the dead letters, and where to."""

    dead_letter_topic: str
    connector: str
    task_id: int
    class_name: str
    salesforce_topic: str

    def unreadable(self, payload: bytes, headers: Headers, *, stage: str, error: str, reason: str) -> Letter:
        """The dead letter of one event; `headers` are its `sf.*` headers."""
        return (self.dead_letter_topic, payload, None, headers + self._reasons(stage, error, reason))

    def gap(self, lost_replay_id: bytes, policy: GapPolicy, at_ms: int) -> Letter:
        """The marker of a gap: a reader of the dead letters sees that, when and after what events may be missing."""
        marker = {"gap": {"afterReplayId": lost_replay_id.hex(), "atMs": at_ms, "continuedFrom": policy.value}}
        headers = [("sf.topic", self.salesforce_topic.encode()), ("sf.replay_id", lost_replay_id)]
        reason = "the stored replay id no longer exists at Salesforce: events after it may be missing"
        value = json.dumps(marker, separators=(",", ":")).encode()
        return (self.dead_letter_topic, value, None, headers + self._reasons("TASK_POLL", "ReplayGap", reason))

    def _reasons(self, stage: str, error: str, reason: str) -> Headers:
        reasons = {
            "topic": self.salesforce_topic,
            "connector.name": self.connector,
            "task.id": str(self.task_id),
            "stage": stage,
            "class.name": self.class_name,
            "exception.class.name": error,
            "exception.message": reason[:_MAX_REASON],
        }
        return [(_PREFIX + name, value.encode()) for name, value in reasons.items()]
