"""The routing machine: one table of transitions, and the fold of a request's history over it.

THEORY. The facts of a request carry the log's own times. `fold` orders them by those times, puts the request's two
deadlines between them as far as they are known to have passed, and walks the table. So the state is a function of the
facts: a result that was created before the deadline wins although it is read after the time-out was announced.

A row is (state, event) -> next state, and the outcome it settles. A row without an outcome leaves the one that was
reached before: Salesforce's own "failed" after our refusal confirms the refusal. A pair without a row raises.
"""

from typing import NamedTuple

from schemas.records import Outcome
from streams.core.model.errors import RoutingTableError
from streams.core.model.routing_states import RoutingEvent, RoutingState


class Transition(NamedTuple):
    """Where a transition leads, and the outcome it settles (None leaves the outcome as it was)."""

    next: RoutingState
    outcome: Outcome | None = None


def _stays(state: RoutingState, *events: RoutingEvent) -> dict[tuple[RoutingState, RoutingEvent], Transition]:
    return {(state, event): Transition(state) for event in events}


_S, _E, _O = RoutingState, RoutingEvent, Outcome
_TIMERS = (_E.ANSWER_BY_PASSED, _E.WINDOW_PASSED)
_DECISIONS = (_E.ACCEPTED, _E.REFUSED)
_RESULTS = (_E.RESULT_SUCCESS, _E.RESULT_CANCELLED, _E.RESULT_FAILED)
_REPEATS = (_E.REQUESTED, _E.REQUESTED_LATE)
_WORK = (_E.WORK_DECLINED, _E.SEATED)

TRANSITIONS: dict[tuple[RoutingState, RoutingEvent], Transition] = {
    (_S.NEW, _E.REQUESTED): Transition(_S.OPEN),
    (_S.NEW, _E.REQUESTED_LATE): Transition(_S.EXPIRED, _O.EXPIRED),
    (_S.NEW, _E.RESULT_SUCCESS): Transition(_S.ORPHAN),
    (_S.NEW, _E.RESULT_CANCELLED): Transition(_S.ORPHAN),
    (_S.NEW, _E.RESULT_FAILED): Transition(_S.ORPHAN),
    # the request came after its result: it starts as any other, and the result is applied to it at once
    (_S.ORPHAN, _E.REQUESTED): Transition(_S.OPEN),
    (_S.ORPHAN, _E.REQUESTED_LATE): Transition(_S.EXPIRED, _O.EXPIRED),
    (_S.OPEN, _E.ACCEPTED): Transition(_S.CLAIMED),
    (_S.OPEN, _E.REFUSED): Transition(_S.REFUSED, _O.REFUSED),
    (_S.OPEN, _E.ANSWER_BY_PASSED): Transition(_S.TIMED_OUT, _O.TIMED_OUT),
    (_S.OPEN, _E.RESULT_SUCCESS): Transition(_S.DONE, _O.ROUTED),
    (_S.OPEN, _E.RESULT_CANCELLED): Transition(_S.CANCELLED, _O.CANCELLED),
    (_S.OPEN, _E.RESULT_FAILED): Transition(_S.FAILED, _O.FAILED),
    (_S.OPEN, _E.SESSION_ENDED): Transition(_S.CANCELLED, _O.CANCELLED),
    **_stays(_S.OPEN, *_REPEATS, *_WORK),
    (_S.CLAIMED, _E.RESULT_SUCCESS): Transition(_S.DONE, _O.ROUTED),
    (_S.CLAIMED, _E.RESULT_CANCELLED): Transition(_S.CANCELLED, _O.CANCELLED),
    (_S.CLAIMED, _E.RESULT_FAILED): Transition(_S.FAILED, _O.FAILED),
    (_S.CLAIMED, _E.SESSION_ENDED): Transition(_S.CANCELLED, _O.CANCELLED),
    (_S.CLAIMED, _E.SEATED): Transition(_S.SEATED, _O.ROUTED),
    # accepted, but neither success nor failure was ever reported: nothing is claimed without proof
    (_S.CLAIMED, _E.WINDOW_PASSED): Transition(_S.FAILED, _O.FAILED),
    **_stays(_S.CLAIMED, *_REPEATS, *_DECISIONS, _E.ANSWER_BY_PASSED, _E.WORK_DECLINED),
    (_S.TIMED_OUT, _E.RESULT_SUCCESS): Transition(_S.DONE, _O.ROUTED),
    (_S.TIMED_OUT, _E.RESULT_CANCELLED): Transition(_S.CANCELLED, _O.CANCELLED),
    (_S.TIMED_OUT, _E.RESULT_FAILED): Transition(_S.FAILED),
    **_stays(_S.TIMED_OUT, *_REPEATS, *_DECISIONS, *_TIMERS, _E.SESSION_ENDED, *_WORK),
    (_S.REFUSED, _E.RESULT_SUCCESS): Transition(_S.DONE, _O.ROUTED),
    (_S.REFUSED, _E.RESULT_CANCELLED): Transition(_S.CANCELLED),
    (_S.REFUSED, _E.RESULT_FAILED): Transition(_S.FAILED),
    **_stays(_S.REFUSED, *_REPEATS, *_DECISIONS, *_TIMERS, _E.SESSION_ENDED, *_WORK),
    (_S.EXPIRED, _E.RESULT_SUCCESS): Transition(_S.DONE, _O.ROUTED),
    (_S.EXPIRED, _E.RESULT_CANCELLED): Transition(_S.CANCELLED),
    (_S.EXPIRED, _E.RESULT_FAILED): Transition(_S.FAILED),
    **_stays(_S.EXPIRED, *_REPEATS, *_DECISIONS, *_TIMERS, _E.SESSION_ENDED, *_WORK),
    (_S.DONE, _E.RESULT_CANCELLED): Transition(_S.CANCELLED, _O.CANCELLED),
    (_S.DONE, _E.RESULT_FAILED): Transition(_S.FAILED, _O.FAILED),
    (_S.DONE, _E.WORK_DECLINED): Transition(_S.CLAIMED),
    (_S.DONE, _E.SEATED): Transition(_S.SEATED),
    **_stays(_S.DONE, *_REPEATS, *_DECISIONS, *_TIMERS, _E.RESULT_SUCCESS, _E.SESSION_ENDED),
    **_stays(_S.SEATED, *_REPEATS, *_DECISIONS, *_TIMERS, *_RESULTS, _E.SESSION_ENDED, *_WORK),
    **_stays(_S.CANCELLED, *_REPEATS, *_DECISIONS, *_TIMERS, *_RESULTS, _E.SESSION_ENDED, *_WORK),
    **_stays(_S.FAILED, *_REPEATS, *_DECISIONS, *_TIMERS, *_RESULTS, _E.SESSION_ENDED, *_WORK),
}


def advance(state: RoutingState, event: RoutingEvent) -> Transition:
    """The row for `event` in `state`. Raises `RoutingTableError` for a pair that the table does not know."""
    try:
        return TRANSITIONS[state, event]
    except KeyError:
        raise RoutingTableError(state, event) from None


class Happening(NamedTuple):
    """One fact of a request on its time line. `at_ms` is event time; `rank` orders facts of the same millisecond."""

    at_ms: int
    rank: int
    event: RoutingEvent
    reason: str | None = None
    failure_type: str | None = None
    result_event_uuid: str | None = None


class Folded(NamedTuple):
    """The result of a fold: the last state, the outcome reached, and the happening that settled the outcome."""

    state: RoutingState
    outcome: Outcome | None
    settled_by: Happening | None


def fold(history: list[Happening], start: RoutingState = RoutingState.NEW) -> Folded:
    """Walk the table from `start` over the happenings, ordered by event time and rank, then as they are listed.

    `start` is ORPHAN for a request whose result came first. Raises `RoutingTableError` like `advance`.
    """
    state: RoutingState = start
    outcome: Outcome | None = None
    settled_by: Happening | None = None
    for happening in sorted(history, key=lambda each: each[:2]):
        row = advance(state, happening.event)
        state = row.next
        if row.outcome is not None and row.outcome is not outcome:
            outcome, settled_by = row.outcome, happening
    return Folded(state, outcome, settled_by)
