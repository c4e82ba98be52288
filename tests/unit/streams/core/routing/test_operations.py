"""The table of operations: how often a call is made, and when it is too late for it."""

import json

import pytest

from streams.core.model.rules import Rules
from streams.core.model.state import Conversation, RequestFacts, RoutingRequest
from streams.core.routing.attempts import MAX_ATTEMPTS
from streams.core.routing.operations import (
    OPERATIONS,
    REQUEST_CALLS,
    CallKind,
    Repeats,
    call_id,
    call_name,
    conversation_call,
    request_call,
)

RULES = Rules()
CREATED, CAUSED = 1_000_000, 1_030_000
FACTS = RequestFacts("uuid", CREATED, CREATED, "org", "Transfer", "rep", 1)
REQUEST = RoutingRequest("c", "r1", FACTS)

LIMITS = {
    CallKind.ROUTING_RESULT: CREATED + RULES.routing_timeout_ms,
    CallKind.ROUTE: CREATED + RULES.routing_timeout_ms,
    CallKind.AGENT_WORK: CREATED + RULES.routing_timeout_ms,
    CallKind.UNROUTE: CAUSED + RULES.result_window_ms,
    CallKind.CANCEL_WORK: CAUSED + RULES.result_window_ms,
    CallKind.REMOVE: CAUSED + RULES.result_window_ms,
    CallKind.ACKNOWLEDGE: CAUSED + RULES.acknowledge_within_ms,
    CallKind.COMMANDED_SESSION: CAUSED + RULES.command_within_ms,
    CallKind.COMMANDED_REMOVAL: CAUSED + RULES.command_within_ms,
}


def test_every_kind_of_call_has_a_row() -> None:
    assert set(OPERATIONS) == set(CallKind)


@pytest.mark.parametrize("kind", CallKind)
def test_a_call_is_made_by_its_row(kind: CallKind) -> None:
    row = OPERATIONS[kind]
    if row.repeats is Repeats.PER_CAUSE:
        call = conversation_call(kind, "id", Conversation("c", "org"), {"a": 1}, CAUSED, RULES)
        assert (call.call_id, call.request_id) == ("id", None)
    else:
        call = request_call(call_name(kind), REQUEST, FACTS, {"a": 1}, CAUSED, RULES)
        assert (call.call_id, call.request_id) == (call_id(call_name(kind), REQUEST), "r1")
    assert (call.api, call.method, call.deadline_ms) == (row.api, row.method, LIMITS[kind])
    assert (call.conversation_id, call.org_id, call.created_at_ms) == ("c", "org", CAUSED)
    assert json.loads(call.body) == {"a": 1}


def test_the_calls_of_one_request_have_a_name_each_also_for_later_attempts() -> None:
    counts = {Repeats.PER_REQUEST: 1, Repeats.PER_ATTEMPT: MAX_ATTEMPTS, Repeats.PER_CAUSE: 0}
    named = [name.partition("#")[0] for name in REQUEST_CALLS]
    assert {kind: named.count(kind.value) for kind in CallKind} == {
        kind: counts[row.repeats] for kind, row in OPERATIONS.items()
    }
    assert len({call_id(name, REQUEST) for name in REQUEST_CALLS}) == len(REQUEST_CALLS)


def test_the_names_that_make_the_ids_of_calls_stay_as_they_are() -> None:
    """Results of calls made by an older version find their request by these names."""
    assert list(REQUEST_CALLS)[:6] == [
        "routingResult",
        "route",
        "unroute",
        "agentWork",
        "cancelWork",
        "removeParticipant",
    ]
    assert call_name(CallKind.AGENT_WORK, 2) == "agentWork#2"
