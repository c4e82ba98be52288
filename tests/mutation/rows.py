"""The rows of the routing machine's transition table as mutants: each is taken out of the table of the own process."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from streams.core.routing.machine import TRANSITIONS, Event, State

TABLE_TESTS = "tests/unit/streams/core/routing/test_routing_table.py"


@dataclass(frozen=True, slots=True)
class RowMutant:
    """One row of the table that is missing."""

    state: State
    event: Event

    @property
    def name(self) -> str:
        """As the report shows it."""
        return f"row: {self.state} + {self.event}"

    def check(self) -> str:
        """Empty: a row that is listed exists."""
        return ""


ROW_MUTANTS = [RowMutant(state, event) for state, event in TRANSITIONS]


@contextmanager
def without_row(mutant: RowMutant) -> Iterator[None]:
    """While it lasts, the table of this process lacks the row."""
    before = dict(TRANSITIONS)
    del TRANSITIONS[mutant.state, mutant.event]
    try:
        yield
    finally:
        TRANSITIONS.clear()
        TRANSITIONS.update(before)
