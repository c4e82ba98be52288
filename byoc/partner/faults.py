"""Faults that the channel is told to make: refuse a share of the requests or one conversation, be slow. Pure."""

import msgspec

from byoc.partner.seeded import seeded_fraction


class Faults(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What goes wrong. `share` of all requests, or of those of `conversation_id` when it is set, get `status`.

    `retry_after_s` becomes a `Retry-After` header of those answers; `delay_ms` is waited before any answer.
    """

    share: float = 0.0
    seed: int = 0
    status: int = 503
    retry_after_s: int | None = None
    delay_ms: int = 0
    conversation_id: str | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise ValueError("share must be from 0 to 1")
        if not 400 <= self.status <= 599:
            raise ValueError("status must be from 400 to 599")
        if self.delay_ms < 0 or (self.retry_after_s is not None and self.retry_after_s < 0):
            raise ValueError("delay_ms and retry_after_s must not be negative")

    def hits(self, request_number: int, conversation_id: str) -> bool:
        """Whether this request is refused. `request_number` counts requests, so a repeat gets a new chance."""
        if self.share == 0 or self.conversation_id not in (None, conversation_id):
            return False
        return seeded_fraction(self.seed, str(request_number)) < self.share
