"""Counters of the processor. One registry per app, so that two apps in one process do not collide."""

from prometheus_client import CollectorRegistry, Counter, generate_latest


class Metrics:
    """What the processor counts. Labels come from closed sets or schema words, never from ids or texts."""

    def __init__(self) -> None:
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
        self._children: dict[tuple[str, str], Counter] = {}

    def count(self, kind: str, reason: str) -> None:
        """Count one occurrence, for example ("withheld", "note")."""
        child = self._children.get((kind, reason))
        if child is None:
            child = self._children[kind, reason] = self._steps.labels(kind, reason)
        child.inc()

    def exposition(self) -> bytes:
        """The text format of Prometheus."""
        return generate_latest(self.registry)
