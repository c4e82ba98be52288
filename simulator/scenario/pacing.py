"""How many events are due now, so that a rate is kept in small slices. Pure."""

SLICE_S = 0.005  # at 2,000 events/s ten events; a subscriber gets them in one response
_LARGEST_DEBT_S = 0.1  # after a pause the rate goes on; what was missed is not made up in one burst
_UNPACED_SLICE = 200  # events between two breaths of the event loop when there is no rate


class Pacer:
    """Counts events against a clock that is passed in; `rate` 0 means as fast as possible."""

    def __init__(self, rate: float, now_s: float) -> None:
        """`rate` is in events per second; `now_s` is when the play begins."""
        self._rate = rate
        self._start_s = now_s
        self._done = 0

    @property
    def pause_s(self) -> float:
        """How long to wait before asking again."""
        return SLICE_S if self._rate else 0.0

    def due(self, now_s: float) -> int:
        """The number of events to publish now."""
        if not self._rate:
            return _UNPACED_SLICE
        debt = (now_s - self._start_s) * self._rate - self._done
        largest = max(1.0, self._rate * _LARGEST_DEBT_S)
        if debt > largest:
            self._start_s += (debt - largest) / self._rate
            debt = largest
        return int(debt)

    def count(self, published: int) -> None:
        """Take note of events that were published since."""
        self._done += published
