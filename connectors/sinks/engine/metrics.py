"""The Prometheus metrics of a sink task. Labels are names and constant words: no ids, no texts."""

from prometheus_client import Counter, Gauge, Histogram

from connectors.sinks.engine.port import Done, Dropped, Outcome

_LABELS = ("connector", "task")

_READ = Counter("kafka_connect_sink_task_sink_record_read", "Records read from Kafka.", _LABELS)
_SENT = Counter("kafka_connect_sink_task_sink_record_send", "Records that had their effect.", _LABELS)
_ACTIVE = Gauge("kafka_connect_sink_task_sink_record_active_count", "Records read and not yet done.", _LABELS)
_DROPPED = Counter(
    "byoc_sink_dropped",
    "Records dropped by their own terms, such as an expired typing indicator.",
    (*_LABELS, "reason"),
)
_REJECTED = Counter("byoc_sink_rejected", "Records sent to the dead letters.", (*_LABELS, "stage"))
_ATTEMPTS = Counter("byoc_sink_attempts", "HTTP requests by what came of them.", (*_LABELS, "result"))
_PAUSED = Gauge("byoc_sink_paused", "1 while reading is paused because enough records are held.", _LABELS)
_SECONDS = Histogram(
    "byoc_sink_attempt_seconds",
    "Time of one HTTP request.",
    _LABELS,
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)


class SinkMetrics:
    """The metrics of one task."""

    def __init__(self, connector: str, task_id: int) -> None:
        """Their labels are the connector's name and the task's number."""
        self._names = (connector, str(task_id))
        self._read = _READ.labels(*self._names)
        self._sent = _SENT.labels(*self._names)
        self._active = _ACTIVE.labels(*self._names)
        self._paused = _PAUSED.labels(*self._names)
        self._seconds = _SECONDS.labels(*self._names)

    def read(self, records: int) -> None:
        """Count records that were read from Kafka."""
        self._read.inc(records)

    def concluded(self, outcome: Outcome) -> None:
        """Count a record by how it ended."""
        if isinstance(outcome, Done):
            self._sent.inc()
        elif isinstance(outcome, Dropped):
            _DROPPED.labels(*self._names, outcome.reason).inc()
        else:
            _REJECTED.labels(*self._names, outcome.stage.value).inc()

    def attempted(self, result: str, seconds: float) -> None:
        """Count a request that ended; `result` is a status such as `200`, or `none` when there was no response."""
        _ATTEMPTS.labels(*self._names, result).inc()
        self._seconds.observe(seconds)

    def holding(self, records: int, *, paused: bool) -> None:
        """Set how many records are read and not yet done, and whether reading is paused."""
        self._active.set(records)
        self._paused.set(1 if paused else 0)
