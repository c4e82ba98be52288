"""What is said about topics that exist and differ."""

from dataclasses import dataclass

import pytest

from byoc.topics.comparison import mismatches, missing, too_small, too_small_clauses
from schemas.topics import TopicSpec


@dataclass(frozen=True)
class Found:
    partitions: int
    cleanup_policy: str = "delete"
    max_message_bytes: int = 1_048_588


def spec(name: str, partitions: int = 4, policy: str = "delete") -> TopicSpec:
    return TopicSpec(name=name, partitions=partitions, config={"cleanup.policy": policy})


@pytest.mark.parametrize(
    ("wanted", "found", "said"),
    [
        pytest.param(spec("a"), Found(4), [], id="equal"),
        pytest.param(spec("a"), Found(8), ["a has 8 partitions, expected 4"], id="more partitions"),
        pytest.param(spec("a"), Found(1), ["a has 1 partitions, expected 4"], id="fewer partitions"),
        pytest.param(
            spec("a", policy="compact"),
            Found(4, "delete"),
            ["a has cleanup.policy=delete, expected compact"],
            id="state topic that forgets",
        ),
        pytest.param(spec("a", policy="compact,delete"), Found(4, "delete,compact"), [], id="order of policies"),
        pytest.param(
            spec("a", policy="compact"),
            Found(2, "delete"),
            ["a has 2 partitions, expected 4", "a has cleanup.policy=delete, expected compact"],
            id="both",
        ),
        pytest.param(TopicSpec(name="a", partitions=4, config={}), Found(4, "delete"), [], id="Kafka's own default"),
    ],
)
def test_differences_name_found_and_expected(wanted, found, said):
    assert mismatches([wanted], {"a": found}) == said


def test_a_topic_that_is_missing_is_no_mismatch():
    assert mismatches([spec("a")], {}) == []
    assert [topic.name for topic in missing([spec("a"), spec("b")], {"b": Found(4)})] == ["a"]


def test_a_topic_that_takes_too_little_is_named_with_what_it_must_take():
    wanted = [
        TopicSpec(name=name, partitions=4, config={"max.message.bytes": "3000000"}) for name in ("a", "b", "c", "gone")
    ]
    found = {"a": Found(4), "b": Found(4, max_message_bytes=3_000_000), "c": Found(4, max_message_bytes=4_000_000)}
    small = too_small(wanted, found)
    assert small == {"a": 3_000_000}
    assert too_small_clauses(small, found) == ["a has max.message.bytes=1048588, at least 3000000 are needed"]
    assert too_small([spec("a")], found) == {}
