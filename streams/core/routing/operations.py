"""The operations of the Interaction Service API that the processor calls, as one table, and the records of the calls.

Another operation is one row here and one function in `bodies.py` that makes its body.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple

from schemas.records import SalesforceCall
from streams.core.model.keys import digest
from streams.core.model.lenient import Object, compact_json
from streams.core.model.rules import Rules
from streams.core.model.state import Conversation, RequestFacts, RoutingRequest
from streams.core.routing.attempts import MAX_ATTEMPTS


class CallKind(StrEnum):
    """What a call is made for. The values of the first six make the ids of the calls of a routing request."""

    ROUTING_RESULT = "routingResult"
    ROUTE = "route"
    UNROUTE = "unroute"
    AGENT_WORK = "agentWork"
    CANCEL_WORK = "cancelWork"
    REMOVE = "removeParticipant"
    ACKNOWLEDGE = "acknowledgement"
    COMMANDED_SESSION = "commandedSession"
    COMMANDED_REMOVAL = "commandedRemoval"


class Repeats(StrEnum):
    """How many calls of a kind there can be."""

    PER_REQUEST = "once for a routing request"
    PER_ATTEMPT = "once for each attempt of a routing request"
    PER_CAUSE = "once for each receipt or command"


# When a call is worth nothing any more, epoch ms: from the request's CreatedDate, the time of the fact that caused the
# call, and the rules. For a call without a request both times are those of the cause.
_Deadline = Callable[[int, int, Rules], int]


def _salesforce_gives_up(created_at_ms: int, _: int, rules: Rules) -> int:
    return created_at_ms + rules.routing_timeout_ms


def _result_window_ends(_: int, caused_at_ms: int, rules: Rules) -> int:
    return caused_at_ms + rules.result_window_ms


def _acknowledgement_is_late(_: int, caused_at_ms: int, rules: Rules) -> int:
    return caused_at_ms + rules.acknowledge_within_ms


def _command_is_late(_: int, caused_at_ms: int, rules: Rules) -> int:
    return caused_at_ms + rules.command_within_ms


class Operation(NamedTuple):
    """One row: the API's path and HTTP method for a kind of call, when it is too late for it, and how often it is made.

    `api` is `SalesforceCall.api`, the last part of the path.
    """

    api: str
    method: str
    deadline_ms: _Deadline
    repeats: Repeats = Repeats.PER_REQUEST


OPERATIONS: dict[CallKind, Operation] = {
    CallKind.ROUTING_RESULT: Operation("routingResult", "POST", _salesforce_gives_up),
    CallKind.ROUTE: Operation("route", "POST", _salesforce_gives_up),
    CallKind.UNROUTE: Operation("route", "DELETE", _result_window_ends),
    CallKind.AGENT_WORK: Operation("agentWork", "POST", _salesforce_gives_up, Repeats.PER_ATTEMPT),
    CallKind.CANCEL_WORK: Operation("agentWork", "PATCH", _result_window_ends),
    CallKind.REMOVE: Operation("participant", "POST", _result_window_ends, Repeats.PER_ATTEMPT),
    CallKind.ACKNOWLEDGE: Operation("acknowledgement", "POST", _acknowledgement_is_late, Repeats.PER_CAUSE),
    CallKind.COMMANDED_SESSION: Operation("messagingSession", "POST", _command_is_late, Repeats.PER_CAUSE),
    CallKind.COMMANDED_REMOVAL: Operation("participant", "POST", _command_is_late, Repeats.PER_CAUSE),
}


def call_name(kind: CallKind, attempt: int = 1) -> str:
    """The name of one call among those of its request; it makes the call's id, and `Told.work` keeps it."""
    return kind.value if attempt == 1 else f"{kind}#{attempt}"


def _request_calls() -> dict[str, Operation]:
    calls = {call_name(kind): row for kind, row in OPERATIONS.items() if row.repeats is not Repeats.PER_CAUSE}
    for kind, row in OPERATIONS.items():
        if row.repeats is Repeats.PER_ATTEMPT:
            calls |= {call_name(kind, attempt): row for attempt in range(2, MAX_ATTEMPTS + 1)}
    return calls


REQUEST_CALLS = _request_calls()
"""All calls that one routing request can have, by name."""


def call_id(name: str, request: RoutingRequest) -> str:
    """The id of one call of a request, the same each time it is made."""
    return digest(name, request.conversation_id, request.request_id)


def request_call(
    name: str, request: RoutingRequest, facts: RequestFacts, body: Object, caused_at_ms: int, rules: Rules
) -> SalesforceCall:
    """The record of a call for a routing request. `name` is a `call_name`; `caused_at_ms` is the time of its cause."""
    operation = REQUEST_CALLS[name]
    return SalesforceCall(
        call_id=call_id(name, request),
        conversation_id=request.conversation_id,
        org_id=facts.org_id,
        api=operation.api,
        method=operation.method,
        body=compact_json(body),
        request_id=request.request_id,
        created_at_ms=caused_at_ms,
        deadline_ms=operation.deadline_ms(facts.created_at_ms, caused_at_ms, rules),
    )


def conversation_call(
    kind: CallKind, identity: str, conversation: Conversation, body: Object, caused_at_ms: int, rules: Rules
) -> SalesforceCall:
    """The record of a call for a receipt or a command; `identity` is its `call_id`."""
    operation = OPERATIONS[kind]
    return SalesforceCall(
        call_id=identity,
        conversation_id=conversation.conversation_id,
        org_id=conversation.org_id,
        api=operation.api,
        method=operation.method,
        body=compact_json(body),
        created_at_ms=caused_at_ms,
        deadline_ms=operation.deadline_ms(caused_at_ms, caused_at_ms, rules),
    )
