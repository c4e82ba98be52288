import pytest

from connectors.sinks.engine.key_queues import Lanes


def test_the_second_record_of_a_conversation_waits_for_the_first() -> None:
    lanes: Lanes[str, int] = Lanes(max_lanes=10)
    lanes.offer("a", 1)
    lanes.offer("a", 2)
    assert lanes.start() == ("a", 1)
    assert lanes.start() is None
    assert lanes.finish("a") == 2


def test_a_stuck_conversation_leaves_the_others_alone() -> None:
    lanes: Lanes[str, int] = Lanes(max_lanes=2)
    lanes.offer("stuck", 0)
    assert lanes.start() == ("stuck", 0)
    for number in range(100):
        lanes.offer(f"c{number % 7}", number)
    seen = []
    while (started := lanes.start()) is not None:
        lane, item = started
        seen.append(item)
        while (following := lanes.finish(lane)) is not None:
            seen.append(following)
    assert sorted(seen) == list(range(100))


def test_a_busy_conversation_goes_to_the_back_when_others_wait() -> None:
    lanes: Lanes[str, int] = Lanes(max_lanes=1)
    for number in range(3):
        lanes.offer("busy", number)
    lanes.offer("other", 9)
    assert lanes.start() == ("busy", 0)
    assert lanes.finish("busy") is None
    assert lanes.start() == ("other", 9)


def test_no_more_lanes_move_than_allowed() -> None:
    lanes: Lanes[str, int] = Lanes(max_lanes=2)
    for name in "abc":
        lanes.offer(name, 0)
    assert [lanes.start() is None for _ in range(3)] == [False, False, True]
    assert lanes.in_progress == 2


def test_trimming_keeps_what_is_in_progress_and_forgets_the_rest() -> None:
    lanes: Lanes[str, int] = Lanes(max_lanes=1)
    for name, item in (("a", 1), ("a", 2), ("b", 3), ("kept", 4)):
        lanes.offer(name, item)
    assert lanes.start() == ("a", 1)
    assert sorted(lanes.trim(lambda lane: lane in "ab")) == [2, 3]
    assert lanes.finish("a") is None
    assert lanes.start() == ("kept", 4)
    assert len(lanes) == 1


def test_dropping_forgets_what_is_in_progress_too() -> None:
    lanes: Lanes[str, int] = Lanes(max_lanes=1)
    for name, item in (("a", 1), ("a", 2), ("kept", 3)):
        lanes.offer(name, item)
    assert lanes.start() == ("a", 1)
    assert lanes.drop(lambda lane: lane == "a") == [1, 2]
    assert lanes.start() == ("kept", 3)
    assert lanes.finish("kept") is None
    assert len(lanes) == 0


def test_at_least_one_lane_must_be_able_to_move() -> None:
    with pytest.raises(ValueError, match="max_lanes is 0"):
        Lanes(max_lanes=0)
