"""Managed subscriptions of the org: where each stands, and which stream holds it. Pure; the time is an argument."""

from typing import Literal

import msgspec

MOST = 200  # per org
_ID_PREFIX = "18x"
_SHORT = 15

Replay = Literal["LATEST", "EARLIEST"]


class ManagedSubscription(msgspec.Struct, kw_only=True):
    """One managed subscription.

    `committed` is null before the first commit; `active` is the rpc id of the stream that holds it.
    """

    id: str
    developer_name: str
    topic: str
    default_replay: Replay = "LATEST"
    error_recovery_replay: Replay = "LATEST"
    state: Literal["RUN", "STOP"] = "RUN"
    committed: bytes | None = None
    active: str | None = None
    free_at_ms: int | None = None

    def is_taken(self, now_ms: int) -> bool:
        """Say whether a stream holds it, or held it until it broke a moment ago."""
        return self.active is not None or (self.free_at_ms is not None and now_ms < self.free_at_ms)

    def take(self, rpc_id: str) -> None:
        """Let the stream with this rpc id hold it."""
        self.active = rpc_id
        self.free_at_ms = None

    def release(self, *, free_at_ms: int | None) -> None:
        """End the hold of its stream; it stays taken until `free_at_ms`, or is free at once for None."""
        self.active = None
        self.free_at_ms = free_at_ms


class TooManyError(ValueError):
    """The org has as many managed subscriptions as it may, or one with this name."""


class ManagedSubscriptions:
    """The managed subscriptions of one org."""

    def __init__(self) -> None:
        """Begin without any."""
        self._by_name: dict[str, ManagedSubscription] = {}
        self._made = 0

    def add(self, developer_name: str, topic: str, default_replay: Replay, recovery: Replay) -> ManagedSubscription:
        """Create one. Raises `TooManyError`."""
        if developer_name in self._by_name:
            raise TooManyError(f"there is a managed subscription {developer_name} already")
        if len(self._by_name) >= MOST:
            raise TooManyError(f"an org has at most {MOST} managed subscriptions")
        self._made += 1
        subscription = ManagedSubscription(
            id=f"{_ID_PREFIX}Hs0000000{self._made:03d}AAA",
            developer_name=developer_name,
            topic=topic,
            default_replay=default_replay,
            error_recovery_replay=recovery,
        )
        self._by_name[developer_name] = subscription
        return subscription

    def all(self) -> list[ManagedSubscription]:
        """Return all, oldest first."""
        return list(self._by_name.values())

    def named(self, developer_name: str) -> ManagedSubscription | None:
        """Return the one with this developer name; None when there is none."""
        return self._by_name.get(developer_name)

    def with_id(self, subscription_id: str) -> ManagedSubscription | None:
        """Return the one with this 15- or 18-character id; None when there is none."""
        short = subscription_id[:_SHORT]
        return next((known for known in self._by_name.values() if known.id[:_SHORT] == short), None)

    def remove(self, developer_name: str) -> ManagedSubscription | None:
        """Delete the one with this developer name and return it; None when there is none."""
        return self._by_name.pop(developer_name, None)


def is_id(text: str) -> bool:
    """Whether it has the form of an id of a managed subscription."""
    return len(text) in (_SHORT, 18) and text.startswith(_ID_PREFIX) and text.isalnum()
