"""The messages of the subscription protocol: its inputs, and the effects that it asks for. Values only. Pure.

`epoch` numbers the streams of a subscription, so that what still comes from a closed stream is recognised and dropped.
`sequence` numbers the batches. The time is passed beside the inputs, as seconds of a monotonic clock.

A new effect is a class here, a member of `Effect`, and a case in `runner/driver.py`; mypy reports a missing case.
"""

from dataclasses import dataclass
from enum import StrEnum

from connectors.pubsub.protocol.faults import Fault


class ReplayPreset(StrEnum):
    """Where a stream starts; the names are those of the Pub/Sub API."""

    LATEST = "LATEST"
    EARLIEST = "EARLIEST"
    CUSTOM = "CUSTOM"


class GapPolicy(StrEnum):
    """What to do when the stored position no longer exists: the values of the key `replay.gap.policy`."""

    FAIL = "fail"
    LATEST = "latest"
    EARLIEST = "earliest"


@dataclass(frozen=True, slots=True)
class Started:
    """The task begins; `committed` is the replay id in the offsets topic, None when there is none."""

    committed: bytes | None


@dataclass(frozen=True, slots=True)
class StreamOpened:
    """The first request of stream `epoch` was sent and not refused so far."""

    epoch: int


@dataclass(frozen=True, slots=True)
class FetchReceived:
    """A FetchResponse came. `last_replay_id` is that of its last event, `latest_replay_id` that of the topic."""

    epoch: int
    event_count: int
    size_bytes: int
    last_replay_id: bytes | None
    latest_replay_id: bytes | None
    pending_num_requested: int


@dataclass(frozen=True, slots=True)
class StreamFailed:
    """Stream `epoch`, or opening it, failed."""

    epoch: int
    fault: Fault


@dataclass(frozen=True, slots=True)
class StreamEnded:
    """The server ended stream `epoch` without an error."""

    epoch: int


@dataclass(frozen=True, slots=True)
class BatchDurable:
    """Every batch up to and including `sequence` is committed in Kafka."""

    sequence: int


@dataclass(frozen=True, slots=True)
class EventUnreadable:
    """The event at `replay_id` could not be made readable: its schema could not be fetched or parsed."""

    replay_id: bytes
    fault: Fault


@dataclass(frozen=True, slots=True)
class TimerFired:
    """The time that `next_timer_s` named has come. A spurious one does no harm."""


@dataclass(frozen=True, slots=True)
class StopRequested:
    """The task is to end in order."""


ProtocolInput = (
    Started
    | StreamOpened
    | FetchReceived
    | StreamFailed
    | StreamEnded
    | BatchDurable
    | EventUnreadable
    | TimerFired
    | StopRequested
)


@dataclass(frozen=True, slots=True)
class OpenStream:
    """Open stream `epoch`; any stream before it has been closed. `replay_id` is set with CUSTOM only."""

    epoch: int
    preset: ReplayPreset
    replay_id: bytes | None
    num_requested: int


@dataclass(frozen=True, slots=True)
class SendFetch:
    """Ask for `num_requested` more events on the open stream."""

    num_requested: int


@dataclass(frozen=True, slots=True)
class WriteEvents:
    """Write the events of the response that was just fed, in order, and `replay_id` as the position with them."""

    sequence: int
    replay_id: bytes | None


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Write `replay_id` as the position. It comes from a keepalive, and no event before it waits to be written."""

    sequence: int
    replay_id: bytes


@dataclass(frozen=True, slots=True)
class RecordGap:
    """Write a marker: events after `lost_replay_id` may be missing, and the stream goes on as `policy` says."""

    sequence: int
    lost_replay_id: bytes
    policy: GapPolicy


@dataclass(frozen=True, slots=True)
class CloseStream:
    """Close the stream; the next one opens when this one is gone. `reason` is one word for metrics."""

    reason: str


@dataclass(frozen=True, slots=True)
class DropToken:
    """Salesforce refused the token in use: forget it."""


@dataclass(frozen=True, slots=True)
class RetryEvent:
    """Try the event of `EventUnreadable` again after `delay_s`; the events behind it wait."""

    delay_s: float


@dataclass(frozen=True, slots=True)
class DeadLetterEvent:
    """Give the event of `EventUnreadable` up: its bytes go to the dead letters, with `reason`."""

    reason: str


@dataclass(frozen=True, slots=True)
class Serving:
    """The subscription is in effect: report the task as ready. Comes once."""


@dataclass(frozen=True, slots=True)
class Fail:
    """The task cannot go on; the message says what to do."""

    message: str


Effect = (
    OpenStream
    | SendFetch
    | WriteEvents
    | Checkpoint
    | RecordGap
    | CloseStream
    | DropToken
    | RetryEvent
    | DeadLetterEvent
    | Serving
    | Fail
)
