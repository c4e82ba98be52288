"""Access tokens of the org: issued, checked, revoked. Pure; ids come from a seeded generator."""

import hmac
import random


class Tokens:
    """The tokens that are valid now. A check costs one look-up; a revoked token is refused from then on."""

    def __init__(self, org_id: str, rng: random.Random) -> None:
        self._org_id = org_id
        self._rng = rng
        self._valid: set[str] = set()
        self.issued = 0

    def issue(self) -> str:
        """A new token; its part before `!` is the 15-character org id, as in a real one."""
        token = f"{self._org_id[:15]}!AQ{self._rng.getrandbits(256):064x}"
        self._valid.add(token)
        self.issued += 1
        return token

    def is_valid(self, token: str) -> bool:
        return token in self._valid

    def revoke(self, token: str | None = None) -> int:
        """Revoke one token, or all of them; return how many were valid."""
        revoked = self._valid & {token} if token is not None else set(self._valid)
        self._valid -= revoked
        return len(revoked)


def same_secret(given: str, expected: str) -> bool:
    """Compare secrets without telling by the time taken how much of them is right."""
    return hmac.compare_digest(given.encode(), expected.encode())
