"""What entries say about routing requests: `RoutingResult`, `RoutingWorkResult`, and that someone has joined."""

from msgspec.structs import replace

from schemas.records import OutboundEvent
from streams.core.model.entries import Entry
from streams.core.model.routing_states import RoutingEvent, RoutingState
from streams.core.model.rules import Rules
from streams.core.model.session import with_named_work_item
from streams.core.model.state import MAX_ORPHANS, Conversation, RoutingResult
from streams.core.model.turn import Turn
from streams.core.parsing.results import routing_result, work_result
from streams.core.routing.join import choose, declined_by, of_type, seated_by
from streams.core.routing.machine import advance
from streams.core.routing.requests import with_moment, with_result


def seat(turn: Turn, event: OutboundEvent, subject: str | None, routing_type: str | None = None) -> None:
    """Note that someone joined in the request that asked for them, when there is one. `subject` is who joined."""
    at_ms = event.created_at_ms
    request = seated_by(of_type(turn.open_requests(), routing_type), subject, at_ms)
    if request is not None:
        # clocks differ: who joins on a success has not joined before it
        after_ms = max(at_ms, *(result.created_at_ms for result in request.results))
        turn.put_request(with_moment(request, RoutingEvent.SEATED, after_ms, turn.rules, subject))


def take_result(turn: Turn, event: OutboundEvent, entry: Entry) -> None:
    """Bind a `RoutingResult` to its request, or keep it as an orphan until the request is read."""
    result = routing_result(event, entry)
    bound = choose(result, turn.open_requests(), turn.rules)
    if bound is None:
        advance(RoutingState.NEW, RoutingEvent(result.verdict))  # raises when the table has no row for an orphan
        turn.count("orphan", result.verdict)
        turn.put_conversation(_with_orphan(turn.conversation, result, turn.rules))
    else:
        request = bound.request
        if bound.ambiguous:
            turn.count("ambiguous", result.verdict)
            request = replace(request, ambiguous=True)
        turn.put_request(with_result(request, result, turn.rules))
    turn.put_conversation(with_named_work_item(turn.conversation, result.record_id, event.created_at_ms))


def _with_orphan(conversation: Conversation, result: RoutingResult, rules: Rules) -> Conversation:
    """Keep a result for its request; those that have waited too long, by the source's own times, go."""
    fresh = [
        each for each in conversation.orphans if result.received_at_ms - each.received_at_ms <= rules.orphan_window_ms
    ]
    return replace(conversation, orphans=(*fresh, result)[-MAX_ORPHANS:])


def take_work_result(turn: Turn, event: OutboundEvent, entry: Entry) -> None:
    """Note what a `RoutingWorkResult` says of the work that was offered: its id, that a rep took it or declined it."""
    work = work_result(entry)
    turn.put_conversation(with_named_work_item(turn.conversation, work.work_item_id, event.created_at_ms))
    if work.work_id is not None:
        _put_work_id(turn, work.work_id, work.routing_type)
    if work.event is RoutingEvent.SEATED:
        seat(turn, event, work.bot_id, work.routing_type)
    elif work.event is RoutingEvent.WORK_DECLINED:
        request = declined_by(turn.open_requests(), work.routing_type)
        if request is not None:
            # that work is over; what is offered next has another id
            over = replace(request, agent_work_id=None)
            turn.put_request(with_moment(over, RoutingEvent.WORK_DECLINED, event.created_at_ms, turn.rules))


def _put_work_id(turn: Turn, work_id: str, routing_type: str | None) -> None:
    """Keep the work's id with the only request it can be for: taking back another's work would hit the wrong rep."""
    requests = turn.open_requests()
    if len(requests) == 1 and requests[0] is declined_by(requests, routing_type):
        turn.put_request(replace(requests[0], agent_work_id=work_id))
