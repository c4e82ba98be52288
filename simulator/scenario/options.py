"""The options of a scenario: how many events, how fast, and in which mixture."""

from enum import StrEnum

import msgspec


class ActivityKind(StrEnum):
    """What can happen in the middle of a conversation; each kind is one event or a few."""

    MESSAGE = "message"
    TYPING = "typing"
    RECEIPT = "receipt"
    NOTE = "note"
    FLAG = "flag"
    INTERNAL = "internal"
    UNKNOWN = "unknown"
    ECHO = "echo"
    QUEUE_POSITION = "queue_position"
    PROGRESS = "progress"
    SUPERVISOR = "supervisor"
    ROUTING = "routing"
    CONSENT = "consent"
    UPLOAD = "upload"
    DELIVERY_FAILED = "delivery_failed"
    CONSULT = "consult"
    TRANSFER_PROGRESS = "transfer_progress"
    CONFERENCED = "conferenced"
    WORK_ACCEPTED = "work_accepted"
    OPT_OUT = "opt_out"


# Messages lead, typing indicators come next: they are sent for every message that is typed slowly enough.
DEFAULT_SHARES: dict[str, float] = {
    ActivityKind.MESSAGE: 55,
    ActivityKind.TYPING: 15,
    ActivityKind.RECEIPT: 10,
    ActivityKind.NOTE: 3,
    ActivityKind.FLAG: 1,
    ActivityKind.INTERNAL: 2,
    ActivityKind.UNKNOWN: 2,
    ActivityKind.ECHO: 3,
    ActivityKind.QUEUE_POSITION: 2,
    ActivityKind.PROGRESS: 1,
    ActivityKind.SUPERVISOR: 1,
    ActivityKind.ROUTING: 5,
    ActivityKind.CONSENT: 0.1,
    ActivityKind.UPLOAD: 0.1,
    ActivityKind.DELIVERY_FAILED: 0.1,
    ActivityKind.CONSULT: 0.1,
    ActivityKind.TRANSFER_PROGRESS: 0.1,
    ActivityKind.CONFERENCED: 0.1,
    ActivityKind.WORK_ACCEPTED: 0.1,
    ActivityKind.OPT_OUT: 0.1,
}


class ScenarioOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of one play; raises `ValueError` for those that no play can follow.

    `events`: about how many events; conversations are played to their end, and results of routing come on top.
    `rate`: events per second, 0 for as fast as possible. `conversations`: how many are open at the same time.
    `steps`: the average number of events in the middle of a conversation.
    `shares`: weights by `ActivityKind` that replace the defaults; every kind with a weight is played, however rare, by
    the first eight conversations. `plain_text_share`: messages that are plain text.
    `duplicate_share`: events that come a second time under another replay id.
    `ignore_share`, `cancel_share`, `result_first_share`: what is planned for routing requests; the rest is left to
    the partner, `decline_share` of the rest so that who is offered the work first declines it.
    """

    events: int = 1000
    rate: float = 100.0
    seed: int | None = None
    conversations: int = 40
    steps: int = 20
    topic: str | None = None
    shares: dict[str, float] = {}
    plain_text_share: float = 0.85
    duplicate_share: float = 0.01
    ignore_share: float = 0.1
    cancel_share: float = 0.15
    result_first_share: float = 0.1
    decline_share: float = 0.15

    def __post_init__(self) -> None:
        """Raise `ValueError` for options that no play can follow."""
        for name in ("events", "conversations", "steps"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; use at least 1")
        if self.rate < 0:
            raise ValueError(f"rate is {self.rate:g}; use events per second, or 0 for as fast as possible")
        unknown = sorted(set(self.shares) - set(DEFAULT_SHARES))
        if unknown:
            raise ValueError(f"shares name {', '.join(unknown)}; known are {', '.join(DEFAULT_SHARES)}")
        if any(weight < 0 for weight in self.shares.values()) or not any(self.weights().values()):
            raise ValueError("shares must not be below zero, nor zero altogether")
        planned = ("ignore_share", "cancel_share", "result_first_share")
        for name in ("plain_text_share", "duplicate_share", "decline_share", *planned):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)}; use a number from 0 to 1")
        if sum(getattr(self, name) for name in planned) > 1:
            raise ValueError(f"{', '.join(planned)} are more than 1 together")

    def weights(self) -> dict[str, float]:
        """Return the weight of every kind."""
        return DEFAULT_SHARES | self.shares
