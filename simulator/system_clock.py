"""The clocks of this machine."""

import time


class SystemClock:
    """A `Clock` that tells this machine's own time."""

    def now_ms(self) -> int:
        """Return epoch milliseconds, UTC."""
        return time.time_ns() // 1_000_000

    def monotonic_s(self) -> float:
        """Return the seconds of a clock that never jumps."""
        return time.monotonic()
