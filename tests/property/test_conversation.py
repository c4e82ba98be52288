"""A whole conversation under any order, repetition, loss and delay: what leaves, and what is remembered."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.domain import Partition
from tests.support.histories import HORIZON_MS, History, Reading, histories, readings

PROPERTY = settings(max_examples=100, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


@st.composite
def read_histories(draw: st.DrawFn, ways: int = 1) -> tuple[History, list[Reading]]:
    history = draw(histories())
    return history, [draw(readings(history)) for _ in range(ways)]


def read(history: History, reading: Reading) -> Partition:
    partition = Partition()
    events, decisions = iter(history.events), iter(history.decisions)
    now = 0
    for is_event, move, timers in reading.steps:
        now += move
        if timers:
            partition.expire_at(now)
        partition.read(next(events) if is_event else next(decisions), at=now)
    partition.pass_time(HORIZON_MS)
    return partition


@PROPERTY
@given(read_histories())
def test_nothing_that_must_not_leave_is_delivered(case: tuple[History, list[Reading]]) -> None:
    partition = read(case[0], case[1][0])
    for delivery in partition.deliveries:
        assert "FORBIDDEN" not in repr(delivery)
        assert delivery.sender_role == "Agent"


@PROPERTY
@given(read_histories())
def test_nothing_is_delivered_twice(case: tuple[History, list[Reading]]) -> None:
    deliveries = read(case[0], case[1][0]).deliveries
    messages = [each.delivery_id for each in deliveries if each.kind == "message"]
    assert len(messages) == len(set(messages))
    typing = [
        (each.delivery_id, each.event_uuid.removesuffix("-again")) for each in deliveries if each.kind != "message"
    ]
    assert len(typing) == len(set(typing))


@PROPERTY
@given(read_histories(ways=2))
def test_state_does_not_depend_on_how_the_topics_interleave(case: tuple[History, list[Reading]]) -> None:
    history, (one_way, another_way) = case
    assert read(history, one_way).state.facts() == read(history, another_way).state.facts()


@PROPERTY
@given(read_histories(ways=2))
def test_messages_delivered_do_not_depend_on_the_clock(case: tuple[History, list[Reading]]) -> None:
    history, (one_way, another_way) = case
    one, other = read(history, one_way), read(history, another_way)
    assert [each for each in one.deliveries if each.kind == "message"] == [
        each for each in other.deliveries if each.kind == "message"
    ]


@PROPERTY
@given(read_histories())
def test_reading_everything_again_changes_nothing(case: tuple[History, list[Reading]]) -> None:
    history, (reading,) = case
    partition = Partition()
    for record in history.events:
        partition.read(record, at=0)
    for decided in history.decisions:
        partition.read(decided, at=0)
    facts, outputs = partition.state.facts(), len(partition.outputs)
    for record in history.events:
        assert partition.read(record, at=0).changes_nothing()
    assert partition.state.facts() == facts
    assert len(partition.outputs) == outputs
    assert len(reading.steps) == len(history.events) + len(history.decisions)
