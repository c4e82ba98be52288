"""Takes `RoutingRequested` events and the router's `RoutingDecision` records."""

from msgspec.structs import replace

from schemas.records import DecisionKind, OutboundEvent, RoutingDecision
from streams.core.model.bounds import check_decision
from streams.core.model.entries import ROUTING_REQUESTED, RoutingAsk
from streams.core.model.keys import digest, record_id
from streams.core.model.lenient import cut
from streams.core.model.rules import Rules
from streams.core.model.session import with_named_work_item, work_item_id
from streams.core.model.state import (
    MAX_OPEN_REQUESTS,
    MAX_ROUTING_TYPES,
    Conversation,
    Decision,
    RequestFacts,
    RoutingRequest,
)
from streams.core.model.turn import Turn
from streams.core.routing.attempts import attempts_of
from streams.core.routing.join import fits_late, is_closed
from streams.core.routing.outputs import with_task_sent
from streams.core.routing.requests import decision_of, with_decision, with_facts, with_result

_MESSAGING_SESSION = "0Mw"  # the key prefix of the only record that is a work item here
_DECISIONS = frozenset(kind.value for kind in DecisionKind)


def take_request(turn: Turn, event: OutboundEvent, ask: RoutingAsk, conversation: Conversation) -> None:
    """Take a routing request: keep its facts, bind results that came before it, hand it to the router if it is open.

    `conversation` is the one that the event belongs to, with the channel and the end user that the event names.
    """
    request_id = _request_id(event, ask)
    held = turn.state.request(event.conversation_id, request_id)
    if held is not None and held.facts is not None:
        turn.count("repeated", ROUTING_REQUESTED)
        return
    named = record_id(ask.work_record_id) if (ask.work_record_id or "").startswith(_MESSAGING_SESSION) else None
    conversation, attempt = _attempted(with_named_work_item(conversation, named, event.created_at_ms), ask.routing_type)
    facts = _facts(event, ask, conversation, attempt)
    request = held or RoutingRequest(event.conversation_id, request_id)
    request = with_facts(request, facts, named or work_item_id(conversation), turn.rules)
    request, conversation = _with_orphans(request, conversation, turn.rules)
    if not is_closed(request):
        opened = (*conversation.open_request_ids, request_id)[-MAX_OPEN_REQUESTS:]
        conversation = replace(conversation, open_request_ids=opened)
    active_ms = max(conversation.last_activity_ms, event.created_at_ms)
    turn.count("requested", ask.target_kind)
    turn.put_request(with_task_sent(turn, request, facts))
    turn.put_conversation(replace(conversation, last_activity_ms=active_ms))


def _request_id(event: OutboundEvent, ask: RoutingAsk) -> str:
    """`channelData.eventId`, or an id derived from the event: when there is none, and when it has the key separator."""
    named = ask.event_id
    if named is None or "|" in named:
        return digest(ROUTING_REQUESTED, event.conversation_id, named or event.event_uuid)
    return named


def _attempted(conversation: Conversation, routing_type: str) -> tuple[Conversation, int]:
    """The conversation with one more request of this routing type counted, and the number of that request."""
    counts = dict(conversation.attempts)
    kind = routing_type if routing_type in counts or len(counts) < MAX_ROUTING_TYPES else ""
    counts[kind] = counts.get(kind, 0) + 1
    was = conversation.counters
    counted = replace(
        conversation,
        attempts=tuple(counts.items()),
        counters=replace(was, routing_requests=was.routing_requests + 1),
    )
    return counted, counts[kind]


def _facts(event: OutboundEvent, ask: RoutingAsk, conversation: Conversation, attempt: int) -> RequestFacts:
    return RequestFacts(
        event_uuid=event.event_uuid,
        created_at_ms=event.created_at_ms,
        received_at_ms=event.received_at_ms,
        org_id=event.org_id,
        routing_type=ask.routing_type,
        target_kind=ask.target_kind,
        attempt=attempt,
        conversation_identifier=ask.conversation_identifier,
        target_id=ask.target_id,
        skills=ask.skills,
        channel_address_id=ask.channel_address_id or conversation.channel_address_id,
        end_user_subject=ask.recipient_subject or conversation.end_user_subject,
        channel_data=ask.channel_data,
        router_subject=ask.router_subject,
        fallback_queue_id=ask.fallback_queue_id,
    )


def _with_orphans(
    request: RoutingRequest, conversation: Conversation, rules: Rules
) -> tuple[RoutingRequest, Conversation]:
    """Bind the results that waited for this request, in the order they came."""
    waiting = []
    for orphan in conversation.orphans:
        if fits_late(orphan, request, rules):
            request = with_result(replace(request, result_came_first=True), orphan, rules)
        else:
            waiting.append(orphan)
    return request, replace(conversation, orphans=tuple(waiting))


def take_decision(turn: Turn, record: RoutingDecision) -> None:
    """Take a decision of the partner's router. The first made in time counts; it may be read before its request.

    Raises `OutOfBounds`.
    """
    check_decision(record)
    if record.decision not in _DECISIONS:
        turn.count("decision", "unknown")
        return
    held = turn.state.request(record.conversation_id, record.request_id)
    request = held or RoutingRequest(record.conversation_id, record.request_id)
    decision = Decision(
        decision_id=record.decision_id,
        decision=record.decision,
        decided_at_ms=record.decided_at_ms,
        reason=cut(record.reason),
        user_id=record.user_id,
        externally_routed=record.externally_routed,
    )
    decided = with_decision(request, decision, turn.rules)
    if decided is request:
        again = any(each.decision_id == record.decision_id for each in request.decisions)
        taken = decision_of(request, turn.rules) is not None
        turn.count("decision", "repeated" if again else "superseded" if taken else "late")
        return
    turn.count("decision", _counted_as(decided, record, turn.rules))
    turn.put_request(decided)


def _counted_as(decided: RoutingRequest, record: RoutingDecision, rules: Rules) -> str:
    """What a decision that is kept counts as now. A later decline can still make a superseded one take effect."""
    if decided.facts is None:
        return "early"
    counting = [each.decision for each in attempts_of(decided, rules) if each.decision is not None]
    return record.decision if counting[-1].decision_id == record.decision_id else "superseded"
