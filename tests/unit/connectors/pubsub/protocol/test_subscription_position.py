"""Positions, credit and delays: the small machines that the subscription is made of."""

import pytest

from connectors.pubsub.protocol.backoff import Backoff
from connectors.pubsub.protocol.credit import MAX_CREDIT, Credit
from connectors.pubsub.protocol.position import Position


def test_the_durable_position_stays_behind_until_every_earlier_batch_is_durable():
    position = Position(b"start")
    first, second = position.received(b"a", 3, 30), position.received(b"b", 2, 20)
    assert (position.durable, position.resume) == (b"start", b"b")
    position.made_durable(first.sequence)
    assert (position.durable, position.inflight_events, position.inflight_bytes) == (b"a", 2, 20)
    position.made_durable(second.sequence)
    assert (position.durable, position.inflight_events, position.inflight_bytes) == (b"b", 0, 0)


def test_one_acknowledgement_covers_all_batches_before_it():
    position = Position(None)
    for replay_id in (b"a", b"b", b"c"):
        last = position.received(replay_id, 1)
    position.made_durable(last.sequence)
    assert (position.durable, position.inflight_batches) == (b"c", 0)


def test_a_batch_without_a_replay_id_keeps_the_position_before_it():
    position = Position(b"start")
    position.received(b"a", 1)
    assert position.received(None, 1).replay_id == b"a"
    assert position.received(b"", 1).replay_id == b"a"


@pytest.mark.parametrize("sequence", [pytest.param(0, id="twice"), pytest.param(7, id="never received")])
def test_a_batch_that_is_not_in_flight_cannot_become_durable(sequence):
    position = Position(None)
    position.made_durable(position.received(b"a", 1).sequence)
    position.received(b"b", 1)
    with pytest.raises(ValueError, match=f"batch {sequence} durable"):
        position.made_durable(sequence)


def test_the_server_count_that_lags_behind_a_request_on_its_way_does_not_change_ours():
    credit = Credit()
    credit.granted(100)
    credit.received(60, 40)
    credit.granted(60)
    credit.received(30, 10)  # written before our 60 arrived
    assert credit.outstanding == 70
    credit.received(20, 50)  # written after
    assert credit.outstanding == 50


def test_a_count_that_has_drifted_is_replaced_by_the_servers():
    credit = Credit()
    credit.granted(100)
    credit.received(10, 0)
    assert credit.outstanding == 0
    assert credit.wanted(1000, 0.0) == MAX_CREDIT


@pytest.mark.parametrize(
    ("outstanding", "room", "wanted"),
    [
        pytest.param(100, 1000, 0, id="all is outstanding"),
        pytest.param(90, 1000, 0, id="too little to ask for"),
        pytest.param(40, 1000, 60, id="topped up before zero"),
        pytest.param(0, 7, 7, id="little room but nothing outstanding"),
        pytest.param(40, 60, 0, id="no more than there is room for"),
        pytest.param(0, 0, 0, id="no room"),
        pytest.param(50, 10, 0, id="less room than is outstanding"),
    ],
)
def test_credit_is_asked_for_up_to_the_cap_and_the_room(outstanding, room, wanted):
    credit = Credit()
    if outstanding:
        credit.granted(outstanding)
    assert credit.wanted(room, 0.0) == wanted


@pytest.mark.parametrize(
    ("attempt", "jitter", "delay_s"),
    [
        pytest.param(0, 0.0, 0.25, id="first, shortest"),
        pytest.param(0, 1.0, 0.5, id="first, longest"),
        pytest.param(3, 1.0, 4.0, id="doubling"),
        pytest.param(10_000, 0.0, 15.0, id="bounded, shortest"),
        pytest.param(10_000, 1.0, 30.0, id="bounded, longest"),
    ],
)
def test_delays_double_to_a_bound_and_half_of_each_is_random(attempt, jitter, delay_s):
    assert Backoff(base_s=0.5, max_s=30.0).delay_s(attempt, jitter) == delay_s
