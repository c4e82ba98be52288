"""The virtual clock: both of its times move together, only forward, and whoever waits is woken."""

import pytest

from simulator.clock import VirtualClock


class StandingClock:
    """Time that does not pass."""

    def now_ms(self) -> int:
        return 1_767_225_600_000

    def monotonic_s(self) -> float:
        return 50.0


def test_both_times_move_by_what_was_advanced() -> None:
    clock = VirtualClock(StandingClock())
    clock.advance(1_500)
    clock.advance(500)
    assert (clock.now_ms(), clock.monotonic_s(), clock.advanced_ms) == (1_767_225_602_000, 52.0, 2_000)


def test_time_does_not_go_back() -> None:
    clock = VirtualClock(StandingClock())
    with pytest.raises(ValueError, match="only goes forward"):
        clock.advance(-1)
    assert clock.advanced_ms == 0


def test_those_who_watch_are_woken_until_they_stop() -> None:
    clock = VirtualClock(StandingClock())
    woken: list[int] = []
    stop = clock.watch(lambda: woken.append(clock.now_ms()))
    clock.advance(1)
    stop()
    clock.advance(1)
    assert woken == [1_767_225_600_001]
