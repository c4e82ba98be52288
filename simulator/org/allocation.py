"""How many events passed in a rolling window of time, and how many may still pass. Pure."""

from collections import deque


class Allocation:
    """Counts the events that pass. There is no limit before `allow` sets one."""

    def __init__(self, window_ms: int) -> None:
        """`window_ms` is the length of the rolling window."""
        self._window_ms = window_ms
        self._passed: deque[tuple[int, int]] = deque()  # (epoch ms, events)
        self._used = 0
        self._limit: int | None = None

    def allow(self, events: int | None, now_ms: int) -> None:
        """Let `events` more pass in the window that ends now; None removes the limit."""
        self._limit = None if events is None else self.used(now_ms) + events

    @property
    def limit(self) -> int | None:
        """Return how many events may pass in a window; None for no limit."""
        return self._limit

    def used(self, now_ms: int) -> int:
        """How many events passed in the window that ends now."""
        while self._passed and self._passed[0][0] <= now_ms - self._window_ms:
            self._used -= self._passed.popleft()[1]
        return self._used

    def left(self, now_ms: int) -> int | None:
        """How many may pass now; None for no limit."""
        return None if self._limit is None else max(0, self._limit - self.used(now_ms))

    def spend(self, events: int, now_ms: int) -> None:
        """Count events that pass; those of one second are one entry."""
        self._used += events
        if self._passed and now_ms - self._passed[-1][0] < 1000:
            at_ms, before = self._passed[-1]
            self._passed[-1] = (at_ms, before + events)
        else:
            self._passed.append((now_ms, events))
