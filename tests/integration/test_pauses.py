"""A worker that stands still for a moment under load goes on, and nothing is lost."""

import time
from pathlib import Path

import pytest

from schemas import records
from schemas.topics import Topics
from tests.support import domain
from tests.support.kafka import TestBroker
from tests.support.processor import live, running_processor

pytestmark = pytest.mark.broker

PAUSES, PAUSED_S, EACH = 20, 0.7, 200


@pytest.mark.parametrize("linger_ms", ["2", "0", "0.4"])
def test_twenty_pauses_under_load_end_no_worker(
    kafka: TestBroker, catalogue: Topics, tmp_path: Path, linger_ms: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BYOC_COMMIT_LINGER_MS", linger_ms)
    with running_processor(kafka, catalogue, tmp_path) as processor:
        assert processor.child is not None
        for pause in range(PAUSES):
            processor.publish(*(live(domain.message("Hello", entry_id=f"m{pause}-{n}")) for n in range(EACH)))
            processor.child.pause()
            time.sleep(PAUSED_S)  # longer than a transaction may be open
            processor.child.resume()
        found = processor.await_records(catalogue.deliveries, records.Delivery, PAUSES * EACH)
        assert processor.child.is_running(), processor.child.last_words()
    assert len({each.delivery_id for each in found}) == len(found) == PAUSES * EACH
