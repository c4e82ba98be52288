"""The only clock of `connectors`: the wall clock stamps records and tokens, the monotonic clock measures intervals.

Runners read it and hand the numbers on; pure modules take them as arguments.
"""

import time


def now_ms() -> int:
    """Epoch milliseconds, UTC."""
    return time.time_ns() // 1_000_000


def monotonic_s() -> float:
    """Seconds that never go back; only differences mean something."""
    return time.monotonic()
