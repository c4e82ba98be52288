"""Numbers that look random and are the same in every run: hashes of a seed and names. Pure."""

import hashlib

_SPAN = 2**64


def seeded_fraction(seed: int, *names: str) -> float:
    """Return a number in [0, 1): the same for the same seed and names, and evenly spread over names."""
    # a separator that is in no id, so that ("a", "bc") and ("ab", "c") differ
    text = "\x1f".join((str(seed), *names))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest()) / _SPAN
