"""How long to wait before the next attempt: doubling, bounded, half of it random. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Delays between `base_s`/2 and `max_s`. The full delay doubles with each attempt; its upper half is random.

    The fixed half keeps a least distance between attempts, the random half spreads the tasks of a fleet.
    """

    base_s: float = 0.5
    max_s: float = 30.0

    def delay_s(self, attempt: int, jitter: float) -> float:
        """The delay after `attempt` attempts have failed (0 for the first); `jitter` is random in [0, 1)."""
        # 2**30 s is beyond any max_s; the bound keeps a year of attempts from making huge integers
        full_s = min(self.max_s, self.base_s * float(1 << min(attempt, 30)))
        return full_s * (0.5 + 0.5 * jitter)
