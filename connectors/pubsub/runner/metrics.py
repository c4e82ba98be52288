"""The metrics of a source task, all of them. `docs/failures.md` lists what they mean.

To add one: define it here, and set it in the method of `SourceMetrics` that is called when it changes. Labels are names
and constant words: no ids, no texts. Ages are computed when they are read: after an hour of silence the age of the last
response must be an hour, although nothing has happened that could have set it.
"""

import math
import weakref
from collections.abc import Callable, Sequence
from typing import Final

from prometheus_client import Counter, Gauge, Histogram

from connectors import clock
from connectors.pubsub.converters.batch import Batch

RETENTION_S: Final = 72 * 3600.0  # how long Salesforce keeps events, and so the positions between them

_TASK = ("connector", "task")  # as Kafka Connect labels its own
_TOPIC = (*_TASK, "topic")  # a task may carry several topics of Salesforce
_SECONDS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30)

_POLLED = Counter("kafka_connect_source_task_source_record_poll", "Events received from Salesforce.", _TASK)
_BYTES = Counter("byoc_source_received_bytes", "Bytes of the responses received from Salesforce.", _TOPIC)
_WRITTEN = Counter("kafka_connect_source_task_source_record_write", "Events committed to Kafka.", _TASK)
_ACTIVE = Gauge("kafka_connect_source_task_source_record_active_count", "Events received, not yet committed.", _TASK)
_TRANSACTIONS = Counter("byoc_source_transactions", "Transactions committed.", _TOPIC)
_TRANSACTION = Histogram(
    "byoc_source_transaction_seconds",
    "From a transaction's first record to its commit.",
    _TOPIC,
    buckets=_SECONDS,
)
_CREDIT = Gauge("byoc_source_credit", "Events asked for and not yet received.", _TOPIC)
_SILENCE = Gauge(
    "byoc_source_seconds_since_response", "Since Salesforce's last response; NaN before the first.", _TOPIC
)
_REFUSED_TOKENS = Counter("byoc_source_token_refreshes", "Tokens that Salesforce refused, to be replaced.", _TOPIC)
_DEAD_LETTERS = Counter("byoc_source_dead_letters", "Events written to the dead letters.", _TOPIC)
_RECONNECTS = Counter("byoc_source_reconnects", "Streams closed to be opened again.", (*_TOPIC, "reason"))
_GAPS = Counter("byoc_source_replay_gaps", "Times the stored replay id no longer existed.", _TOPIC)
_PRODUCERS = Counter("byoc_source_producer_restarts", "Producers given up and replaced.", _TOPIC)
_COMMITTED_AT = Gauge("byoc_source_position_committed_at_seconds", "When the position was last stored (epoch).", _TOPIC)
_POSITION_AGE = Gauge(
    "byoc_source_position_age_seconds", "Since the position was last stored; NaN when there is none.", _TOPIC
)
_RETENTION_USED = Gauge(
    "byoc_source_position_retention_used_ratio",
    "The age of the position against the 72 h that Salesforce keeps events: at 1 it is lost.",
    _TOPIC,
)
_DELAY = Histogram(
    "byoc_source_commit_delay_seconds",
    "From the reception of a batch's events to their commit.",
    _TOPIC,
    buckets=_SECONDS,
)
_LAG = Gauge("byoc_source_lag_seconds", "CreatedDate to commit, of the newest event committed last.", _TOPIC)


class SourceMetrics:
    """The metrics of one Salesforce topic, and its share in those of its task."""

    def __init__(self, connector: str, task_id: int, topic: str) -> None:
        """Gauges of ages answer from now on, with NaN until there is something to tell."""
        task = (connector, str(task_id))
        self._names = (*task, topic)
        self._polled = _POLLED.labels(*task)
        self._bytes = _BYTES.labels(*self._names)
        self._written = _WRITTEN.labels(*task)
        self._active = _ACTIVE.labels(*task)
        self._credit = _CREDIT.labels(*self._names)
        self._transactions = _TRANSACTIONS.labels(*self._names)
        self._transaction = _TRANSACTION.labels(*self._names)
        self._dead_letters = _DEAD_LETTERS.labels(*self._names)
        self._refused_tokens = _REFUSED_TOKENS.labels(*self._names)
        self._gaps = _GAPS.labels(*self._names)
        self._committed_at = _COMMITTED_AT.labels(*self._names)
        self._delay = _DELAY.labels(*self._names)
        self._lag = _LAG.labels(*self._names)
        self._inflight = 0
        self._responded_s: float | None = None
        self._stored_ms: int | None = None
        _SILENCE.labels(*self._names).set_function(self._asked(SourceMetrics._silence_s))
        _POSITION_AGE.labels(*self._names).set_function(self._asked(SourceMetrics._position_age_s))
        _RETENTION_USED.labels(*self._names).set_function(self._asked(SourceMetrics._retention_used))

    def received(self, events: int, size_bytes: int, now_s: float) -> None:
        """A response with so many events came; `now_s` is of the monotonic clock."""
        self._polled.inc(events)
        self._bytes.inc(size_bytes)
        self._responded_s = now_s

    def holds(self, inflight: int, credit: int) -> None:
        """`inflight` events are received and not committed, `credit` events are asked for and not received."""
        self._active.inc(inflight - self._inflight)
        self._inflight = inflight
        self._credit.set(credit)

    def committed(self, batches: Sequence[Batch], transaction_s: float, *, now_s: float, now_ms: int) -> None:
        """These batches were committed in one transaction, `transaction_s` after its first record.

        `now_s` is of the monotonic clock, `now_ms` is epoch ms.
        """
        if any(batch.replay_id for batch in batches):  # else it held nothing but the marker of a gap
            self.position_stored(now_ms)
        self._transactions.inc()
        self._transaction.observe(transaction_s)
        self._written.inc(sum(batch.mirrored for batch in batches))
        dead_letters = sum(batch.dead_letters for batch in batches)
        if dead_letters:
            self._dead_letters.inc(dead_letters)
        self._delay.observe(now_s - min(batch.received_s for batch in batches))
        newest = [batch.newest_event_at_ms for batch in batches if batch.newest_event_at_ms is not None]
        if newest:
            self._lag.set((now_ms - newest[-1]) / 1000)

    def position_stored(self, at_ms: int) -> None:
        """The position in Kafka was stored at `at_ms` (epoch ms), by this task or, before its start, by another."""
        self._stored_ms = at_ms
        self._committed_at.set(at_ms / 1000)

    def reconnecting(self, reason: str) -> None:
        """A stream was closed to be opened again."""
        _RECONNECTS.labels(*self._names, reason).inc()

    def token_refused(self) -> None:
        """Salesforce refused a token; another is fetched."""
        self._refused_tokens.inc()

    def gap(self) -> None:
        """The stored position no longer existed."""
        self._gaps.inc()

    def producer_lost(self) -> None:
        """A producer was given up and will be replaced."""
        _PRODUCERS.labels(*self._names).inc()

    def _silence_s(self) -> float:
        return math.nan if self._responded_s is None else clock.monotonic_s() - self._responded_s

    def _position_age_s(self) -> float:
        return math.nan if self._stored_ms is None else (clock.now_ms() - self._stored_ms) / 1000

    def _retention_used(self) -> float:
        return self._position_age_s() / RETENTION_S

    def _asked(self, answer: "Callable[[SourceMetrics], float]") -> Callable[[], float]:
        """A function for the registry of metrics, which outlives the task: NaN when the task is gone."""
        itself = weakref.ref(self)

        def asked() -> float:
            metrics = itself()
            return math.nan if metrics is None else answer(metrics)

        return asked
