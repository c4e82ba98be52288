"""The options of one subscription: where it starts, what it tolerates, and how long it waits. Pure."""

from dataclasses import dataclass, field
from typing import Final

from connectors.pubsub.protocol.backoff import Backoff
from connectors.pubsub.protocol.messages import GapPolicy, ReplayPreset

KEEPALIVE_BOUND_S: Final = 270.0  # the Pub/Sub API promises a response, be it empty, within this time


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The options of one subscription. Times are in seconds.

    `settle_s`: with LATEST, Salesforce accepts a subscription about three seconds before it is in effect. Events in
    between are not seen, so the task is reported as ready after that time only.
    """

    topic: str
    preset: ReplayPreset = ReplayPreset.EARLIEST
    gap_policy: GapPolicy = GapPolicy.FAIL
    tolerate_errors: bool = True
    watchdog_s: float = KEEPALIVE_BOUND_S + 30.0
    start_timeout_s: float = 60.0
    settle_s: float = 5.0
    checkpoint_interval_s: float = 60.0
    max_inflight_events: int = 10_000
    max_inflight_bytes: int = 64 * 1024 * 1024
    backoff: Backoff = field(default_factory=Backoff)
