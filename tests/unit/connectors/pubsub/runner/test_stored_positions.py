"""The stored position, in the bytes that Kafka Connect and its tools know."""

import pytest

from connectors.errors import TerminalError
from connectors.kafka.offsets import canonical, offset_key
from connectors.pubsub.runner.offset_value import offset_of, partition_of, replay_id_of

TOPIC = "/event/ByocOutbound__e"


def test_the_key_is_connects_and_has_one_spelling():
    assert offset_key("salesforce", partition_of(TOPIC)) == b'["salesforce",{"topic":"/event/ByocOutbound__e"}]'
    assert offset_key("c", {"b": "1", "a": "ü"}) == '["c",{"a":"ü","b":"1"}]'.encode()


def test_the_value_holds_the_replay_id_in_base64():
    value = offset_of(bytes.fromhex("000000000010DB4D0000"), 1_767_225_600_000, 1_767_225_599_000)
    assert canonical(value) == (
        '{"committedAt":1767225600000,"lastEventAt":1767225599000,"replayId":"AAAAAAAQ200AAA==","v":1}'
    )
    assert replay_id_of(value, TOPIC) == bytes.fromhex("000000000010DB4D0000")


def test_no_offset_means_no_position():
    assert replay_id_of(None, TOPIC) is None


@pytest.mark.parametrize(
    "offset",
    [
        pytest.param({}, id="no replayId"),
        pytest.param({"replayId": None}, id="null"),
        pytest.param({"replayId": ""}, id="empty"),
        pytest.param({"replayId": "***"}, id="no base64"),
        pytest.param({"replayId": 7}, id="a number"),
    ],
)
def test_a_position_that_cannot_be_read_is_never_taken_for_none(offset):
    with pytest.raises(TerminalError, match="stored position of /event/ByocOutbound__e"):
        replay_id_of(offset, TOPIC)
