"""Dead letters of the source: the event's bytes, its own headers, and Kafka Connect's headers about the error."""

import json

from connectors.pubsub.converters.dead_letters import ErrorReporter
from connectors.pubsub.protocol.messages import GapPolicy
from schemas.dead_letters import LONGEST_MESSAGE, PREFIX, Stage

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
