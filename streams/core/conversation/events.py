"""Platform events: each entry is delivered, applied to the state or withheld, as the table of entry types says."""

from msgspec.structs import replace

from schemas.records import OutboundEvent
from streams.core.conversation.updates import apply_state_entry
from streams.core.delivery import ephemeral_delivery, message_delivery, objection
from streams.core.model.bounds import check_event
from streams.core.model.details import with_progress, with_withheld
from streams.core.model.entries import ROUTING_REQUESTED, Entry, RoutingAsk
from streams.core.model.entry_types import ENTRY_TYPES, MESSAGE, PROGRESS, UNKNOWN_TYPE, DeliveryClass, label
from streams.core.model.errors import OutOfBounds, Unparsable
from streams.core.model.keys import seen_key
from streams.core.model.state import Conversation, Counters
from streams.core.model.turn import Turn
from streams.core.model.withheld import Withheld
from streams.core.parsing.parse import parse_entry, parse_routing
from streams.core.routing.intake import take_request

# Bound here, for they are asked for every entry: a member read from its enum costs 110 ns in Python 3.11, a name 10 ns.
_DELIVER, _EPHEMERAL = DeliveryClass.DELIVER, DeliveryClass.EPHEMERAL


def take_event(turn: Turn, event: OutboundEvent) -> None:
    """Take a routing request, or a conversation entry that was not taken before.

    Raises `Unparsable` when the payload is no JSON object, or when something of the event is out of bounds.
    """
    try:
        check_event(event)
        if event.event_type == ROUTING_REQUESTED:
            ask = parse_routing(event)
            take_request(turn, event, ask, _conversation_of(turn, event, ask))
        else:
            _take_entry(turn, event, parse_entry(event))
    except OutOfBounds as error:
        raise Unparsable(error.reason, event.event_uuid, event.topic) from None


def _conversation_of(turn: Turn, event: OutboundEvent, said: Entry | RoutingAsk) -> Conversation:
    """The conversation of an event, with the channel and the end user once they are named. The first names stay."""
    conversation = turn.state.conversation(event.conversation_id)
    if conversation is None:
        conversation = Conversation(event.conversation_id, event.org_id, started_at_ms=event.created_at_ms)
    elif not conversation.started_at_ms:  # only receipts or results of calls were read of it
        conversation = replace(conversation, org_id=event.org_id, started_at_ms=event.created_at_ms)
    if conversation.channel_address_id is None and said.channel_address_id is not None:
        conversation = replace(conversation, channel_address_id=said.channel_address_id)
    if (
        conversation.end_user_subject is None
        and said.recipient_subject is not None
        and said.recipient_role == "EndUser"
    ):
        conversation = replace(conversation, end_user_subject=said.recipient_subject)
    return conversation


def _take_entry(turn: Turn, event: OutboundEvent, entry: Entry) -> None:
    key = seen_key(event.conversation_id, entry.entry_type, entry.entry_id or event.event_uuid)
    if turn.seen(key):
        turn.count("repeated", label(entry.entry_type))
        return
    conversation = _conversation_of(turn, event, entry)
    row = ENTRY_TYPES.get(entry.entry_type, UNKNOWN_TYPE)
    if row.delivery_class is _EPHEMERAL:
        _take_ephemeral(turn, event, entry, conversation, key)
        return
    turn.remember(key, event.received_at_ms + turn.rules.seen_ms)
    if row.delivery_class is _DELIVER:
        _take_message(turn, event, entry, conversation)
    elif row.withheld_as is not None:
        _withhold(turn, event, conversation, row.withheld_as)
    elif not entry.type_matches:
        _withhold(turn, event, conversation, Withheld.TYPE_MISMATCH)
    else:
        turn.count("state", entry.entry_type)
        turn.put_conversation(_counted(conversation, event, state=1))
        apply_state_entry(turn, event, entry)


def _take_message(turn: Turn, event: OutboundEvent, entry: Entry, conversation: Conversation) -> None:
    reason = objection(event, entry, conversation, turn.rules)
    if reason is not None:
        _withhold(turn, event, conversation, reason)
        return
    delivery = message_delivery(event, entry, conversation)
    turn.emit(delivery)
    turn.count("delivered", MESSAGE)
    if delivery.text is None:
        turn.count("no_fallback_text", delivery.format_type or "")
    turn.put_conversation(_counted(conversation, event, delivered=1))


def _withhold(turn: Turn, event: OutboundEvent, conversation: Conversation, reason: Withheld) -> None:
    turn.count("withheld", reason.value)
    counted = _counted(conversation, event, withheld=1)
    turn.put_conversation(replace(counted, details=with_withheld(counted.details, reason.value)))


def _counted(
    conversation: Conversation, event: OutboundEvent, *, delivered: int = 0, withheld: int = 0, state: int = 0
) -> Conversation:
    """The conversation with one more entry counted; a delivered message shows that the conversation has not ended."""
    was = conversation.counters
    return replace(
        conversation,
        counters=Counters(was.delivered + delivered, was.withheld + withheld, was.state + state, was.routing_requests),
        last_activity_ms=max(conversation.last_activity_ms, event.created_at_ms),
        ended_at_ms=None if delivered else conversation.ended_at_ms,
    )


def _take_ephemeral(turn: Turn, event: OutboundEvent, entry: Entry, conversation: Conversation, key: str) -> None:
    """Typing and progress are sent only while fresh. The state keeps only what is needed to know a repeat."""
    expires_at_ms = event.created_at_ms + turn.rules.ephemeral_ttl_ms
    reason = objection(event, entry, conversation, turn.rules)
    if reason is None and event.received_at_ms >= expires_at_ms:
        reason = Withheld.STALE
    if reason is None:
        turn.remember(key, expires_at_ms)
        if entry.entry_type == PROGRESS:
            turn.put_conversation(_progressed(conversation, event.created_at_ms))
        if turn.now_ms >= expires_at_ms:
            reason = Withheld.STALE
    if reason is not None:
        turn.count("withheld", reason.value)
        return
    delivery = ephemeral_delivery(event, entry, conversation, turn.rules)
    turn.emit(delivery)
    turn.count("delivered", delivery.kind)


def _progressed(conversation: Conversation, at_ms: int) -> Conversation:
    active_ms = max(conversation.last_activity_ms, at_ms)
    return replace(conversation, details=with_progress(conversation.details, at_ms), last_activity_ms=active_ms)
