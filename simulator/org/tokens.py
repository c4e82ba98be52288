"""Access tokens of the org: issued, checked, revoked, expired. Pure; ids come from a seeded generator."""

import hmac
from collections.abc import Callable

from simulator.events.seeded import SeededRandom


class Tokens:
    """The tokens that are valid now. A check costs one look-up; a revoked token is refused from then on.

    A token expires when nobody has used it for `timeout_ms`; open streams use theirs with every response.
    """

    def __init__(self, org_id: str, rng: SeededRandom, *, now_ms: Callable[[], int], timeout_ms: int) -> None:
        """`rng` draws the secret part of each token."""
        self._org_id = org_id
        self._rng = rng
        self._now_ms = now_ms
        self._timeout_ms = timeout_ms
        self._used_ms: dict[str, int] = {}
        self._owners: dict[str, str] = {}
        self.issued = 0

    def issue(self, owner: str | None = None) -> str:
        """A new token; its part before `!` is the 15-character org id, as in a real one. `owner`: who logged in."""
        token = f"{self._org_id[:15]}!AQ{self._rng.getrandbits(256):064x}"
        self._used_ms[token] = self._now_ms()
        if owner is not None:
            self._owners[token] = owner
        self.issued += 1
        return token

    def is_valid(self, token: str) -> bool:
        """Say whether a call with this token is accepted; a valid call counts as a use."""
        used_ms = self._used_ms.get(token)
        if used_ms is None:
            return False
        now_ms = self._now_ms()
        if now_ms - used_ms > self._timeout_ms:
            self.revoke(token)
            return False
        self._used_ms[token] = now_ms
        return True

    def keep_alive(self, token: str) -> None:
        """Count a use by an open stream."""
        if token in self._used_ms:
            self._used_ms[token] = self._now_ms()

    def owner(self, token: str) -> str | None:
        """The client id or user name that it was issued to."""
        return self._owners.get(token)

    def valid(self, owner: str | None = None) -> frozenset[str]:
        """All tokens, or those of one owner."""
        return frozenset(token for token in self._used_ms if owner is None or self._owners.get(token) == owner)

    def revoke(self, token: str | None = None) -> int:
        """Revoke one token, or all of them; return how many were valid."""
        revoked = self._used_ms.keys() & {token} if token is not None else set(self._used_ms)
        for gone in revoked:
            del self._used_ms[gone]
            self._owners.pop(gone, None)
        return len(revoked)


def same_secret(given: str, expected: str) -> bool:
    """Compare two secrets in a time that does not depend on how much of them is equal."""
    return hmac.compare_digest(given.encode(), expected.encode())
