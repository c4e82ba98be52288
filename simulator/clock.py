"""The two clocks of the simulator: epoch milliseconds for events, monotonic seconds for intervals."""

import time
from typing import Protocol


class Clock(Protocol):
    """Where time comes from. Tests pass one that they move by hand."""

    def now_ms(self) -> int:
        """Epoch milliseconds, UTC: what `CreatedDate`, retention and routing deadlines are counted in."""

    def monotonic_s(self) -> float:
        """Seconds of a clock that never jumps: what rates are counted in."""


class SystemClock:
    """The machine's own clocks."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic_s(self) -> float:
        return time.monotonic()
