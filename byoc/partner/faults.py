"""Faults of the channel on demand: refuse a share of the requests, or one conversation, or answer late. Pure."""

import msgspec

from byoc.partner.seeded import seeded_fraction


class Faults(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The faults of the channel.

    Of all requests, or of those of `conversation_id` when it is set, `share` (0 to 1) are answered with `status`.
    `retry_after_s` adds a `Retry-After` header to these answers. Every answer comes `delay_ms` late.
    """

    share: float = 0.0
    seed: int = 0
    status: int = 503
    retry_after_s: int | None = None
    delay_ms: int = 0
    conversation_id: str | None = None

    def __post_init__(self) -> None:
        """Raise `ValueError` for values out of range."""
        if not 0 <= self.share <= 1:
            raise ValueError("share must be from 0 to 1")
        if not 400 <= self.status <= 599:
            raise ValueError("status must be from 400 to 599")
        if self.delay_ms < 0 or (self.retry_after_s is not None and self.retry_after_s < 0):
            raise ValueError("delay_ms and retry_after_s must not be negative")

    def hits(self, request_number: int, conversation_id: str) -> bool:
        """Say whether this request is refused. `request_number` counts requests, so a repeat may be accepted."""
        if self.share == 0 or self.conversation_id not in (None, conversation_id):
            return False
        return seeded_fraction(self.seed, str(request_number)) < self.share
