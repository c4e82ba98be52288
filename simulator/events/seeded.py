"""Random numbers and ids that a seed repeats: the one file of the simulated org that knows a random generator."""

import random
import uuid
from typing import TypeAlias

SeededRandom: TypeAlias = random.Random
"""A generator whose seed was given: it yields the same numbers in every run."""


def seeded(seed: int, purpose: str) -> SeededRandom:
    """Return a generator for one purpose: one more draw for it does not change what is drawn for another."""
    return random.Random(f"{seed}:{purpose}")  # noqa: S311  # repeatable by intent; no secret comes from it


def new_uuid(rng: SeededRandom) -> str:
    """A version 4 UUID from the seeded generator."""
    return str(uuid.UUID(int=rng.getrandbits(128), version=4))


_BASE62 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


def new_record_id(rng: SeededRandom, prefix: str) -> str:
    """A 15-character Salesforce record id; `prefix` says of which kind."""
    return prefix + "Hs00000" + "".join(rng.choices(_BASE62, k=5))
