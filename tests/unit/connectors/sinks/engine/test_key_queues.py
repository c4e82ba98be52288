import pytest

from connectors.sinks.engine.key_queues import KeyQueues


def test_the_second_record_of_a_conversation_waits_for_the_first() -> None:
    queues: KeyQueues[str, int] = KeyQueues(max_in_progress=10)
    queues.offer("a", 1)
    queues.offer("a", 2)
    assert queues.start() == ("a", 1)
    assert queues.start() is None
    assert queues.finish("a") == 2


def test_a_stuck_conversation_leaves_the_others_alone() -> None:
    queues: KeyQueues[str, int] = KeyQueues(max_in_progress=2)
    queues.offer("stuck", 0)
    assert queues.start() == ("stuck", 0)
    for number in range(100):
        queues.offer(f"c{number % 7}", number)
    seen = []
    while (started := queues.start()) is not None:
        key, item = started
        seen.append(item)
        while (following := queues.finish(key)) is not None:
            seen.append(following)
    assert sorted(seen) == list(range(100))


def test_a_busy_conversation_goes_to_the_back_when_others_wait() -> None:
    queues: KeyQueues[str, int] = KeyQueues(max_in_progress=1)
    for number in range(3):
        queues.offer("busy", number)
    queues.offer("other", 9)
    assert queues.start() == ("busy", 0)
    assert queues.finish("busy") is None
    assert queues.start() == ("other", 9)


def test_no_more_keys_are_in_progress_than_allowed() -> None:
    queues: KeyQueues[str, int] = KeyQueues(max_in_progress=2)
    for name in "abc":
        queues.offer(name, 0)
    assert [queues.start() is None for _ in range(3)] == [False, False, True]
    assert queues.in_progress == 2


def test_dropping_what_waits_keeps_what_is_in_progress() -> None:
    queues: KeyQueues[str, int] = KeyQueues(max_in_progress=1)
    for name, item in (("a", 1), ("a", 2), ("b", 3), ("kept", 4)):
        queues.offer(name, item)
    assert queues.start() == ("a", 1)
    assert sorted(queues.drop_waiting(lambda key: key in "ab")) == [2, 3]
    assert queues.finish("a") is None
    assert queues.start() == ("kept", 4)
    assert len(queues) == 1


def test_dropping_forgets_what_is_in_progress_too() -> None:
    queues: KeyQueues[str, int] = KeyQueues(max_in_progress=1)
    for name, item in (("a", 1), ("a", 2), ("kept", 3)):
        queues.offer(name, item)
    assert queues.start() == ("a", 1)
    assert queues.drop(lambda key: key == "a") == [1, 2]
    assert queues.start() == ("kept", 3)
    assert queues.finish("kept") is None
    assert len(queues) == 0


def test_at_least_one_key_must_be_able_to_go_on() -> None:
    with pytest.raises(ValueError, match="max_in_progress is 0"):
        KeyQueues(max_in_progress=0)
