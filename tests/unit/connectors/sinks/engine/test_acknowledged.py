import sys

import pytest

from connectors.sinks.engine.acknowledged import AcknowledgedPrefix


def test_nothing_can_be_committed_before_the_first_record() -> None:
    assert AcknowledgedPrefix().position is None


def test_a_record_that_waits_costs_nothing_for_those_that_pass_it() -> None:
    prefix = AcknowledgedPrefix()
    prefix.add(0)
    for offset in range(1, 50_000):
        prefix.add(offset)
        prefix.complete(offset)
    assert prefix.position == 0
    assert prefix.pending == 1
    assert sys.getsizeof(prefix._pending) < 2_000


@pytest.mark.parametrize("second", [pytest.param(7, id="the same again"), pytest.param(6, id="an earlier one")])
def test_offsets_that_do_not_rise_are_an_error(second: int) -> None:
    prefix = AcknowledgedPrefix()
    prefix.add(7)
    with pytest.raises(ValueError, match="after 7"):
        prefix.add(second)


def test_a_record_cannot_be_done_twice() -> None:
    prefix = AcknowledgedPrefix()
    prefix.add(7)
    prefix.complete(7)
    with pytest.raises(KeyError):
        prefix.complete(7)
