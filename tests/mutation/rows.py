"""The rows of the routing machine's transition table as mutants: each is taken out of the table of the own process."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from streams.core.routing.machine import TRANSITIONS

TABLE_TESTS = "test_routing_table.py"


@dataclass(frozen=True, slots=True)
class RowMutant:
    """One row of the table that is missing; state and event as the table's words."""

    state: str
    event: str

    @property
    def name(self) -> str:
        """As the report shows it."""
        return f"row: {self.state} + {self.event}"

    def check(self) -> str:
        """Empty: a row that is listed exists."""
        return ""


ROW_MUTANTS = [RowMutant(str(state), str(event)) for state, event in TRANSITIONS]


@contextmanager
def without_row(mutant: RowMutant) -> Iterator[None]:
    """While it lasts, the table of this process lacks the row."""
    before = dict(TRANSITIONS)
    del TRANSITIONS[next(key for key in before if key == (mutant.state, mutant.event))]
    try:
        yield
    finally:
        TRANSITIONS.clear()
        TRANSITIONS.update(before)
