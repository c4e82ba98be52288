"""The time of the simulator: epoch milliseconds for events, monotonic seconds for intervals. Pure."""

from collections.abc import Callable
from typing import Protocol


class Clock(Protocol):
    """Tells the time. Tests pass one that they move by hand."""

    def now_ms(self) -> int:
        """Epoch milliseconds, UTC: what `CreatedDate`, retention and routing deadlines are counted in."""

    def monotonic_s(self) -> float:
        """Seconds of a clock that never jumps: what rates are counted in."""


class VirtualClock:
    """A clock that can be moved forward by hand: an hour of retention or idle time passes in one call."""

    def __init__(self, base: Clock) -> None:
        """`base` is the clock that goes on by itself."""
        self._base = base
        self._watchers: list[Callable[[], None]] = []
        self.advanced_ms = 0

    def now_ms(self) -> int:
        """Return epoch milliseconds, UTC, with all that was advanced."""
        return self._base.now_ms() + self.advanced_ms

    def monotonic_s(self) -> float:
        """Return the seconds of a clock that never jumps back, with all that was advanced."""
        return self._base.monotonic_s() + self.advanced_ms / 1000

    def advance(self, milliseconds: int) -> None:
        """Let that much time pass at once. Raises `ValueError` for a step back."""
        if milliseconds < 0:
            raise ValueError(f"advancing the clock by {milliseconds} ms: time only goes forward")
        self.advanced_ms += milliseconds
        for wake in list(self._watchers):
            wake()

    def watch(self, wake: Callable[[], None]) -> Callable[[], None]:
        """Call `wake` after each `advance`, so that a waiting task looks again; return a function that ends that."""
        self._watchers.append(wake)
        return lambda: self._watchers.remove(wake)
