"""Flow control of one Subscribe call."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.faults.rpc_errors import RpcError
from simulator.pubsub.credit import MAX_OUTSTANDING, Credit


@pytest.mark.parametrize(
    ("requests", "pending"),
    [
        pytest.param([1], 1, id="one"),
        pytest.param([40, 50], 90, id="adds up"),
        pytest.param([99, 1], 100, id="exactly one hundred"),
        pytest.param([99, 2], 100, id="one too many"),
        pytest.param([5000], 100, id="far too many"),
    ],
)
def test_requests_add_up_to_one_hundred(requests: list[int], pending: int) -> None:
    credit = Credit()
    for number in requests:
        credit.request(number)
    assert credit.pending == pending


@pytest.mark.parametrize("number", [pytest.param(0, id="zero"), pytest.param(-5, id="below zero")])
def test_a_request_for_nothing_is_refused_and_changes_nothing(number: int) -> None:
    credit = Credit()
    credit.request(3)
    with pytest.raises(RpcError) as caught:
        credit.request(number)
    assert caught.value.error_code == "subscription.fetch.requested.events.invalid"
    assert credit.pending == 3


@given(st.lists(st.tuples(st.integers(1, 300), st.integers(0, 100))))
def test_credit_is_never_below_zero_nor_above_one_hundred(turns: list[tuple[int, int]]) -> None:
    credit = Credit()
    for requested, wanted in turns:
        credit.request(requested)
        credit.spend(min(wanted, credit.pending))
        assert 0 <= credit.pending <= MAX_OUTSTANDING


def test_more_than_there_is_cannot_be_spent() -> None:
    credit = Credit()
    credit.request(2)
    with pytest.raises(ValueError, match="spending 3 credits of 2"):
        credit.spend(3)
