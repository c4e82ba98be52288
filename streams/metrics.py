"""Counters of the processor. One registry per app, so that two apps in one process do not collide."""

from collections import Counter as Occurrences
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, generate_latest


class Metrics:
    """What the processor counts. Labels come from closed sets or schema words, never from ids or texts."""

    def __init__(self) -> None:
        """All at zero."""
        self.registry = CollectorRegistry()
        self.records = Counter(
            "byoc_streams_records", "Input records processed, committed or about to be", registry=self.registry
        )
        self._steps = Counter(
            "byoc_streams_steps",
            "What became of records, by kind and reason",
            ["kind", "reason"],
            registry=self.registry,
        )
        # Counted on the side and added up when asked: an increment behind the library's lock costs 1 us, and each
        # event makes one.
        self._counts = Occurrences[tuple[str, str]]()

    def count(self, occurrences: Iterable[tuple[str, str]]) -> None:
        """Count occurrences by kind and reason, for example ("withheld", "note"). From the event loop only."""
        self._counts.update(occurrences)

    def exposition(self) -> bytes:
        """The text format of Prometheus. From the event loop only."""
        counts, self._counts = self._counts, Occurrences()
        for (kind, reason), count in counts.items():
            self._steps.labels(kind, reason).inc(count)
        return generate_latest(self.registry)
