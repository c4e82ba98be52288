"""How old the stored position is said to be: only what moves it makes it young."""

from collections.abc import Sequence

from prometheus_client import REGISTRY

from connectors.pubsub.converters.batch import Batch
from connectors.pubsub.runner.metrics import SourceMetrics

LABELS = {"connector": "age", "task": "0", "topic": "/event/X__e"}


def stored_at_s(*transactions: Sequence[Batch]) -> float | None:
    """When the position was stored last, after these transactions: one a second."""
    metrics = SourceMetrics("age", 0, "/event/X__e")
    metrics.position_stored(1_000)
    for number, batches in enumerate(transactions, 2):
        metrics.committed(batches, 0.1, now_s=float(number), now_ms=number * 1_000)
    return REGISTRY.get_sample_value("byoc_source_position_committed_at_seconds", LABELS)


def test_a_transaction_with_nothing_but_the_marker_of_a_gap_does_not_make_the_position_young() -> None:
    marker = Batch(sequence=1, replay_id=None, received_s=0.0, records=[("letters", b"{}", None, None)])
    events = Batch(sequence=2, replay_id=b"2", received_s=0.0)
    assert stored_at_s([marker]) == 1.0
    assert stored_at_s([events], [marker]) == 2.0
    assert stored_at_s([marker, events]) == 2.0
