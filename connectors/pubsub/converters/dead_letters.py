"""Records for the dead-letter topic: events that cannot be mirrored, and gaps in the stream. Pure.

Header names and stages are Kafka Connect's. Connect writes dead letters of sinks only; a source writes them here, too.
The value is the event's Avro payload as it came: with `sf.schema_id` it can be decoded by whoever has the schema. A
payload that does not fit into a record is pointed to: the `sf.*` headers say where Salesforce has the event, for 72
hours.
"""

import json
from dataclasses import dataclass

from connectors.kafka.records import Headers, ProducerRecord
from connectors.pubsub.protocol.messages import GapPolicy
from schemas.dead_letters import Stage, dead_letter, error_headers


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorReporter:
    """Makes the dead letters of one task for one Salesforce topic."""

    dead_letter_topic: str
    connector: str
    task_id: int
    class_name: str
    salesforce_topic: str

    def dead_letter(self, payload: bytes, headers: Headers, *, stage: Stage, error: str, reason: str) -> ProducerRecord:
        """The dead letter of one event. `headers` are its `sf.*` headers, `error` the name of the exception's class."""
        value, key, about = dead_letter(
            payload,
            None,
            headers,
            topic=self.salesforce_topic,
            connector=self.connector,
            task_id=self.task_id,
            stage=stage,
            class_name=self.class_name,
            error=error,
            message=reason,
            found_by_own=True,
        )
        return (self.dead_letter_topic, value, key, about)

    def gap_marker(self, lost_replay_id: bytes, policy: GapPolicy, at_ms: int) -> ProducerRecord:
        """The marker of a gap that was found at `at_ms` (epoch ms): after which event others may be missing."""
        marker = {"gap": {"afterReplayId": lost_replay_id.hex(), "atMs": at_ms, "continuedFrom": policy.value}}
        headers = [("sf.topic", self.salesforce_topic.encode()), ("sf.replay_id", lost_replay_id)]
        reason = "the stored replay id no longer exists at Salesforce: events after it may be missing"
        value = json.dumps(marker, separators=(",", ":")).encode()
        about = error_headers(
            headers,
            topic=self.salesforce_topic,
            connector=self.connector,
            task_id=self.task_id,
            stage=Stage.TASK_POLL,
            class_name=self.class_name,
            error="ReplayGap",
            message=reason,
        )
        return (self.dead_letter_topic, value, None, about)
