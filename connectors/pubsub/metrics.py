"""What a source task counts. Labels are names and constant words: no ids, no texts."""

from prometheus_client import Counter, Gauge, Histogram

_LABELS = ("connector", "task")

_POLLED = Counter("kafka_connect_source_task_source_record_poll", "Events received from Salesforce.", _LABELS)
_WRITTEN = Counter("kafka_connect_source_task_source_record_write", "Events committed to Kafka.", _LABELS)
_ACTIVE = Gauge("kafka_connect_source_task_source_record_active_count", "Events received, not yet committed.", _LABELS)
_TRANSACTIONS = Counter("byoc_source_transactions", "Transactions committed.", _LABELS)
_DEAD_LETTERS = Counter("byoc_source_dead_letters", "Events written to the dead letters.", _LABELS)
_RECONNECTS = Counter("byoc_source_reconnects", "Streams closed to be opened again.", (*_LABELS, "reason"))
_GAPS = Counter("byoc_source_replay_gaps", "Times the stored replay id no longer existed.", _LABELS)
_PRODUCERS = Counter("byoc_source_producer_restarts", "Producers given up and replaced.", _LABELS)
_COMMITTED_AT = Gauge(
    "byoc_source_position_committed_at_seconds", "When the position was last stored (epoch).", _LABELS
)
_DELAY = Histogram(
    "byoc_source_commit_delay_seconds",
    "From the reception of a batch's events to their commit.",
    _LABELS,
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30),
)
_LAG = Gauge("byoc_source_lag_seconds", "CreatedDate to commit, of the newest event committed last.", _LABELS)


class SourceMetrics:
    """The numbers of one task."""

    def __init__(self, connector: str, task_id: int) -> None:
        self._names = (connector, str(task_id))
        self._polled = _POLLED.labels(*self._names)
        self._written = _WRITTEN.labels(*self._names)
        self._active = _ACTIVE.labels(*self._names)
        self._transactions = _TRANSACTIONS.labels(*self._names)
        self._dead_letters = _DEAD_LETTERS.labels(*self._names)
        self._committed_at = _COMMITTED_AT.labels(*self._names)
        self._delay = _DELAY.labels(*self._names)
        self._lag = _LAG.labels(*self._names)

    def received(self, events: int) -> None:
        """A response came."""
        self._polled.inc(events)

    def committed(
        self, *, events: int, dead_letters: int, inflight: int, delay_s: float, now_ms: int, newest_ms: int | None
    ) -> None:
        """A transaction was committed; `newest_ms` is the CreatedDate of its newest event."""
        self._transactions.inc()
        self._written.inc(events)
        if dead_letters:
            self._dead_letters.inc(dead_letters)
        self._active.set(inflight)
        self._committed_at.set(now_ms / 1000)
        self._delay.observe(delay_s)
        if newest_ms is not None:
            self._lag.set((now_ms - newest_ms) / 1000)

    def reconnecting(self, reason: str) -> None:
        """A stream was closed to be opened again."""
        _RECONNECTS.labels(*self._names, reason).inc()

    def gap(self) -> None:
        """The stored position no longer existed."""
        _GAPS.labels(*self._names).inc()

    def producer_lost(self) -> None:
        """The producer is replaced."""
        _PRODUCERS.labels(*self._names).inc()
