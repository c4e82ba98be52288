"""The limits and switches that the core works with. Times are milliseconds; the caller fills them from its settings."""

import msgspec

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


class Rules(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Limits of one application. Two folds of one log agree only under the same rules.

    Salesforce gives a routing request `routing_timeout_ms` from its CreatedDate; decisions made at `answer_by_ms` or
    later are not taken. A result is bound to a request created at most `result_window_ms` before it (and, for skewed
    clocks, `skew_ms` after it); it waits `orphan_window_ms` for a request that has not been read.
    Typing and progress are worth nothing after `ephemeral_ttl_ms`. Entries are remembered for `seen_ms`, which must
    exceed the 72 h for which Salesforce can replay them. Finished routing requests are kept for `retention_ms`, ended
    conversations for `ended_retention_ms` and those that never ended for `idle_retention_ms` after their last event.
    `acknowledged_channels` are the channel addresses whose deliveries are acknowledged to Salesforce ("*" means all),
    at the latest `acknowledge_within_ms` after. `work_calls`: for an accepted request the processor itself makes the
    calls that bring the work to the rep (`agentWork`, and `route` for queues and flows) and undoes them on a cancel;
    each takes `capacity_weight` of the rep. `remove_rerouted`: once someone has joined, it removes those reps who
    were offered the work before. `partner_commands`: the partner may end sessions and remove reps by commands, which
    are worth nothing `command_within_ms` after they were given.
    `supervisor_messages` lets a Supervisor's Message reach the customer (a whisper comes as Note).
    """

    routing_timeout_ms: int = 60_000
    answer_by_ms: int = 50_000
    skew_ms: int = 2_000
    result_window_ms: int = 180_000
    orphan_window_ms: int = 120_000
    ephemeral_ttl_ms: int = 5_000
    seen_ms: int = 7 * DAY_MS
    retention_ms: int = 7 * DAY_MS
    ended_retention_ms: int = 7 * DAY_MS
    idle_retention_ms: int = 30 * DAY_MS
    supervisor_messages: bool = False
    acknowledged_channels: frozenset[str] = frozenset()
    acknowledge_within_ms: int = DAY_MS
    work_calls: bool = False
    capacity_weight: float = 1.0
    remove_rerouted: bool = False
    partner_commands: bool = False
    command_within_ms: int = 60_000

    def __post_init__(self) -> None:
        """Check the limits against each other. Raises `ValueError` that names them and says what must hold."""
        if not 0 < self.answer_by_ms < self.routing_timeout_ms < self.result_window_ms:
            raise ValueError(
                "checking the routing limits: answer_by_ms must come before routing_timeout_ms, and that before "
                f"result_window_ms; they are {self.answer_by_ms}, {self.routing_timeout_ms}, {self.result_window_ms}"
            )
        if self.seen_ms <= 72 * HOUR_MS:
            raise ValueError(
                f"checking seen_ms={self.seen_ms}: Salesforce can replay an event for 72 h; set it above {72 * HOUR_MS}"
            )
