"""When a worker is started again, and after how long."""

import pytest

from streams.supervisor import (
    EXIT_CRASHED,
    EXIT_NO_KAFKA,
    EXIT_REFUSED,
    EXIT_USAGE,
    HEALTHY_AFTER_S,
    delay_after,
    ended_for_good,
)


def test_delays_double_to_half_a_minute_and_begin_again_after_a_good_minute() -> None:
    delays = [0.0]
    for _ in range(8):
        delays.append(delay_after(delays[-1], 2.0))
    assert delays == [0, 1, 2, 4, 8, 16, 30, 30, 30]
    assert delay_after(30.0, HEALTHY_AFTER_S) == 1
    assert delay_after(30.0, HEALTHY_AFTER_S - 1) == 30


@pytest.mark.parametrize("code", [7, EXIT_CRASHED, -9, -11, -15, 137, 3])
def test_crashes_signals_and_lost_transactions_start_it_again(code: int) -> None:
    assert not ended_for_good(code, had_started=False)
    assert not ended_for_good(code, had_started=True)


@pytest.mark.parametrize("code", [0, EXIT_REFUSED, EXIT_USAGE])
def test_an_orderly_end_and_a_refused_setting_do_not(code: int) -> None:
    assert ended_for_good(code, had_started=False)
    assert ended_for_good(code, had_started=True)


def test_a_kafka_that_never_answered_is_a_wrong_address() -> None:
    assert ended_for_good(EXIT_NO_KAFKA, had_started=False)
    assert not ended_for_good(EXIT_NO_KAFKA, had_started=True)
