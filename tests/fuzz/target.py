"""One foreign input and the code that reads it."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

Mutate = Callable[[random.Random, Sequence[bytes]], bytes]


class Broken(Exception):
    """The code took an input and did something that it never may; the message says what."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """`one_input` raises for a finding only: the errors that its code promises are handled inside.

    `seeds` makes the corpus from real samples, `mutate` an input from the corpus. Both depend on nothing but their
    arguments, so that an input can be made again from its seed and number.
    """

    name: str
    one_input: Callable[[bytes], None]
    seeds: Callable[[], list[bytes]]
    mutate: Mutate

    def input_at(self, seed: int, number: int, corpus: Sequence[bytes]) -> bytes:
        """The input of this number. The corpus comes first, as it is."""
        if number < len(corpus):
            return corpus[number]
        return self.mutate(random.Random(f"{seed} {self.name} {number}"), corpus)
