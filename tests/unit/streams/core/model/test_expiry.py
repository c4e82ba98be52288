"""When values may be forgotten."""

import pytest
from msgspec.structs import replace

from streams.core.model.details import Details
from streams.core.model.expiry import IDLE_GRAIN_MS, rounded_up, with_due
from streams.core.model.rules import DAY_MS, Rules
from streams.core.model.state import Conversation

RULES = Rules(retention_ms=1, ended_retention_ms=8 * DAY_MS)
NOW = 20_000 * DAY_MS + 1
IDLE_DUE = 20_001 * DAY_MS + RULES.idle_retention_ms
LIVING = Conversation("c", "o", last_activity_ms=NOW)


@pytest.mark.parametrize(
    ("at_ms", "grain_ms", "expected"), [(0, 60, 0), (1, 60, 60), (59, 60, 60), (60, 60, 60), (61, 60, 120)]
)
def test_a_time_is_rounded_up_to_the_next_multiple(at_ms: int, grain_ms: int, expected: int) -> None:
    assert rounded_up(at_ms, grain_ms) == expected


@pytest.mark.parametrize(
    ("conversation", "due_at_ms"),
    [
        pytest.param(LIVING, IDLE_DUE, id="living: the idle retention, rounded up to whole days"),
        pytest.param(
            replace(LIVING, ended_at_ms=NOW - 5), NOW + RULES.ended_retention_ms, id="ended: after its last activity"
        ),
        pytest.param(
            replace(LIVING, ended_at_ms=NOW + 5), NOW + 5 + RULES.ended_retention_ms, id="ended: after its end"
        ),
        pytest.param(replace(LIVING, consent="OptOut", due_at_ms=1), None, id="opted out: never"),
        pytest.param(
            replace(LIVING, details=Details(closed_ms=NOW)), NOW + RULES.ended_retention_ms, id="Salesforce closed it"
        ),
        pytest.param(replace(LIVING, details=Details(closed_ms=NOW - 1)), IDLE_DUE, id="it went on after that"),
    ],
)
def test_a_conversation_is_due(conversation: Conversation, due_at_ms: int | None) -> None:
    assert with_due(conversation, RULES).due_at_ms == due_at_ms


def test_a_conversation_whose_due_time_holds_is_the_same_object() -> None:
    due = with_due(LIVING, RULES)
    assert with_due(due, RULES) is due
    assert due.due_at_ms is not None
    assert due.due_at_ms % IDLE_GRAIN_MS == 0
