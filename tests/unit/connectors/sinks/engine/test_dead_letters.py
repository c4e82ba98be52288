"""The dead letter of a record that a sink rejects: a copy of it, or where it stands."""

import json

import pytest

from connectors.kafka.consumed import ConsumedRecord
from connectors.sinks.engine.dead_letters import dead_letter
from connectors.sinks.engine.port import Rejected
from schemas.dead_letters import POINTER_HEADER, PREFIX, Stage, fits
from schemas.kafka_settings import LARGEST_CONTENT_BYTES

REJECTED = Rejected(stage=Stage.TASK_PUT, error="Refused", message="status 413")


@pytest.mark.parametrize("spare", [-2_000, -1, 60_000])
def test_a_record_that_fits_only_without_its_reason_is_pointed_to(spare: int) -> None:
    value = b"x" * (LARGEST_CONTENT_BYTES + spare)
    record = ConsumedRecord(
        topic="t", partition=3, offset=7, key=b"cv-1", value=value, headers=(("a", None),), timestamp_ms=5
    )
    letter = dead_letter(record, REJECTED, topic="d", connector="c", task_id=0, class_name="x")
    assert fits(letter.value, letter.key, letter.headers)
    assert (letter.topic, letter.key, letter.timestamp_ms) == ("d", b"cv-1", 5)
    assert dict(letter.headers)[PREFIX + "exception.message"] == b"status 413"
    if spare == -2_000:
        assert letter.value == value
        return
    assert dict(letter.headers)[POINTER_HEADER] == b"true"
    found = json.loads(letter.value or b"")
    assert (found["topic"], found["partition"], found["offset"], found["reason"]) == ("t", 3, 7, "status 413")
