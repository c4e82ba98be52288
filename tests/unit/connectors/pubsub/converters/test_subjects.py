"""Subjects in a schema registry, and the frame of the Confluent wire format."""

import pytest

from connectors.pubsub.converters.subjects import SubjectStrategy, confluent_frame

SUBJECTS = {
    SubjectStrategy.TOPIC: "byoc.raw.X__e-value",
    SubjectStrategy.RECORD: "com.sforce.eventbus.X__e",
    SubjectStrategy.TOPIC_RECORD: "byoc.raw.X__e-com.sforce.eventbus.X__e",
}


@pytest.mark.parametrize("strategy", SubjectStrategy)
def test_subjects_are_named_as_confluents_serializers_name_them(strategy):
    assert strategy.subject("byoc.raw.X__e", "com.sforce.eventbus.X__e") == SUBJECTS[strategy]


def test_the_frame_is_a_zero_byte_and_the_id_in_network_order():
    assert confluent_frame(0x01020304) == b"\x00\x01\x02\x03\x04"
