"""Dead letters of the source: the event's bytes, its own headers, and Kafka Connect's headers about the error."""

import json

from connectors.pubsub.converters.dead_letters import ErrorReporter
from connectors.pubsub.protocol.messages import GapPolicy
from schemas.dead_letters import LONGEST_MESSAGE, POINTER_HEADER, PREFIX, Stage, fits
from schemas.kafka_settings import LARGEST_CONTENT_BYTES

ERRORS = ErrorReporter(
    dead_letter_topic="byoc.dead-letters",
    connector="salesforce",
    task_id=3,
    class_name="connectors.pubsub.PubSubSource",
    salesforce_topic="/event/X__e",
)


def dead_letter(headers=(), reason="it is damaged"):
    return ERRORS.dead_letter(
        b"payload", list(headers), stage=Stage.VALUE_CONVERTER, error="PayloadError", reason=reason
    )


def test_a_dead_letter_has_the_bytes_of_the_event_and_says_why_it_is_one():
    topic, value, key, headers = dead_letter([("sf.event_uuid", b"uuid-1")])
    assert (topic, value, key) == ("byoc.dead-letters", b"payload", None)
    assert headers == [
        ("sf.event_uuid", b"uuid-1"),
        (PREFIX + "topic", b"/event/X__e"),
        (PREFIX + "connector.name", b"salesforce"),
        (PREFIX + "task.id", b"3"),
        (PREFIX + "stage", b"VALUE_CONVERTER"),
        (PREFIX + "class.name", b"connectors.pubsub.PubSubSource"),
        (PREFIX + "exception.class.name", b"PayloadError"),
        (PREFIX + "exception.message", b"it is damaged"),
    ]


def test_a_long_reason_is_cut():
    _, _, _, headers = dead_letter(reason="x" * 5000)
    assert dict(headers)[PREFIX + "exception.message"] == b"x" * LONGEST_MESSAGE


def test_the_newest_reason_replaces_an_earlier_one():
    _, _, _, headers = dead_letter([(PREFIX + "exception.message", b"before"), ("sf.topic", b"t")])
    assert [value for name, value in headers if name == PREFIX + "exception.message"] == [b"it is damaged"]
    assert ("sf.topic", b"t") in headers


def test_the_marker_of_a_gap_says_after_which_event_others_may_be_missing():
    _, value, key, headers = ERRORS.gap_marker(b"\x00\xab", GapPolicy.EARLIEST, 1_767_225_600_000)
    marker = {"afterReplayId": "00ab", "atMs": 1_767_225_600_000, "continuedFrom": "earliest"}
    assert json.loads(value) == {"gap": marker}
    assert key is None
    assert dict(headers)["sf.replay_id"] == b"\x00\xab"
    assert dict(headers)[PREFIX + "stage"] == b"TASK_POLL"
    assert dict(headers)[PREFIX + "exception.class.name"] == b"ReplayGap"


def test_an_event_that_fits_no_record_is_pointed_to_by_its_place_at_salesforce():
    payload = b"x" * (LARGEST_CONTENT_BYTES + 1)
    own = [("sf.replay_id", b"\x00\xab"), ("sf.event_uuid", b"u" * 5_000)]
    topic, value, key, headers = ERRORS.dead_letter(
        payload, own, stage=Stage.VALUE_CONVERTER, error="TooLarge", reason="too large"
    )
    assert (topic, key) == ("byoc.dead-letters", None)
    assert json.loads(value) == {
        "topic": "/event/X__e",
        "partition": None,
        "offset": None,
        "key": None,
        "size": len(payload) + 2 + 5_000 + len("sf.replay_id") + len("sf.event_uuid") + 20,
        "reason": "too large",
    }
    found = dict(headers)
    assert (found["sf.replay_id"], found["sf.event_uuid"]) == (b"\x00\xab", b"u" * 1_000)
    assert found[POINTER_HEADER] == b"true"
    assert found[PREFIX + "exception.class.name"] == b"TooLarge"


def test_an_event_that_just_fits_keeps_its_bytes():
    _, _, _, about = dead_letter()
    for size in range(LARGEST_CONTENT_BYTES - 500, LARGEST_CONTENT_BYTES, 100):
        _, value, key, headers = ERRORS.dead_letter(
            b"x" * size, [], stage=Stage.VALUE_CONVERTER, error="PayloadError", reason="it is damaged"
        )
        assert fits(value, key, headers)
        assert (len(value) == size) is fits(b"x" * size, None, about)
