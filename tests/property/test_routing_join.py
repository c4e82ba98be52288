"""Routing requests under any order, repetition, loss and delay of what concerns them."""

import json
from collections import defaultdict
from itertools import pairwise

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.records import RoutingOutcome, RoutingTask, SalesforceCall
from streams.core.model.state import RoutingRequest
from streams.core.model.step import ROUTING
from tests.support.domain import T0, Partition
from tests.support.histories import HORIZON_MS, History, Reading, histories, readings

PROPERTY = settings(max_examples=100, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


@st.composite
def read_histories(draw: st.DrawFn, ways: int = 1) -> tuple[History, list[Reading]]:
    history = draw(histories(people=False))
    return history, [draw(readings(history)) for _ in range(ways)]


def read(history: History, reading: Reading) -> tuple[Partition, list[tuple[int, object]]]:
    """Read a history to its end and let all deadlines pass; return also each output with the clock it left at."""
    partition = Partition()
    events, decisions = iter(history.events), iter(history.decisions)
    left: list[tuple[int, object]] = []
    now = 0
    for is_event, move, timers in reading.steps:
        now += move
        if timers:
            left += [(now, output) for output in partition.expire_at(now)]
        step = partition.read(next(events) if is_event else next(decisions), at=now)
        left += [(now, output) for output in step.outputs]
    before = len(partition.outputs)
    partition.pass_time(HORIZON_MS)
    left += [(HORIZON_MS, output) for output in partition.outputs[before:]]
    return partition, left


def requests_of(partition: Partition) -> list[RoutingRequest]:
    values = partition.state.tables[ROUTING].values()
    return [each for each in values if isinstance(each, RoutingRequest) and each.facts is not None]


@PROPERTY
@given(read_histories())
def test_every_request_ends_in_exactly_one_final_outcome(case: tuple[History, list[Reading]]) -> None:
    partition, _ = read(case[0], case[1][0])
    told: dict[str, list[RoutingOutcome]] = defaultdict(list)
    for outcome in partition.outcomes:
        told[outcome.request_id].append(outcome)
    known = requests_of(partition)
    assert set(told) == {request.request_id for request in known}
    for request in known:
        outcomes = told[request.request_id]
        assert [each.revision for each in outcomes] == list(range(len(outcomes)))
        assert outcomes[-1].outcome == request.outcome
        assert all(one.outcome != another.outcome for one, another in pairwise(outcomes))


@PROPERTY
@given(read_histories(ways=2))
def test_facts_and_final_outcomes_do_not_depend_on_how_the_topics_interleave(
    case: tuple[History, list[Reading]],
) -> None:
    history, (one_way, another_way) = case
    one, _ = read(history, one_way)
    other, _ = read(history, another_way)
    assert one.state.facts() == other.state.facts()


@PROPERTY
@given(read_histories())
def test_folding_the_same_log_again_gives_the_same_state_and_outputs(case: tuple[History, list[Reading]]) -> None:
    one, _ = read(case[0], case[1][0])
    again, _ = read(case[0], case[1][0])
    assert one.state.tables == again.state.tables
    assert one.outputs == again.outputs


@PROPERTY
@given(read_histories())
def test_no_call_leaves_at_or_after_its_deadline_and_each_request_has_at_most_one(
    case: tuple[History, list[Reading]],
) -> None:
    partition = Partition()
    history, (reading,) = case
    events, decisions = iter(history.events), iter(history.decisions)
    now = 0
    calls: list[SalesforceCall] = []
    for is_event, move, timers in reading.steps:
        now += move
        before = len(partition.calls)
        if timers:
            partition.expire_at(now)
        partition.read(next(events) if is_event else next(decisions), at=now)
        for call in partition.calls[before:]:
            assert call.deadline_ms is not None
            assert T0 + now < call.deadline_ms
            calls.append(call)
    partition.expire_at(HORIZON_MS)
    assert partition.calls == calls
    assert len({call.request_id for call in calls}) == len(calls)


@PROPERTY
@given(read_histories())
def test_a_request_received_too_late_is_never_acted_on(case: tuple[History, list[Reading]]) -> None:
    partition, _ = read(case[0], case[1][0])
    for request in requests_of(partition):
        assert request.facts is not None
        if request.facts.received_at_ms - request.facts.created_at_ms >= partition.rules.answer_by_ms:
            assert all(task.request_id != request.request_id for task in partition.tasks)
            assert all(call.request_id != request.request_id for call in partition.calls)


@PROPERTY
@given(read_histories())
def test_a_request_is_handed_out_at_most_once_and_while_there_is_time(case: tuple[History, list[Reading]]) -> None:
    partition, left = read(case[0], case[1][0])
    assert len({task.request_id for task in partition.tasks}) == len(partition.tasks)
    for now, output in left:
        if isinstance(output, RoutingTask):
            assert T0 + now < output.answer_by_ms


@PROPERTY
@given(read_histories())
def test_a_success_is_reported_only_for_an_acceptance(case: tuple[History, list[Reading]]) -> None:
    partition, _ = read(case[0], case[1][0])
    for call in partition.calls:
        accepted = {each.request_id for each in case[0].decisions if each.decision == "accept"}
        assert not json.loads(call.body)["success"] or call.request_id in accepted


@PROPERTY
@given(read_histories())
def test_each_result_is_bound_once_or_waits(case: tuple[History, list[Reading]]) -> None:
    partition, _ = read(case[0], case[1][0])
    bound = [result.event_uuid for request in requests_of(partition) for result in request.results]
    conversation = next(iter(partition.state.tables["conversations"].values()), None)
    waiting = [result.event_uuid for result in getattr(conversation, "orphans", ())]
    assert len(bound + waiting) == len(set(bound + waiting))
