"""The core's entry points: `apply` one record, ask when a value is `due_at_ms`, `expire` it. Pure."""

from collections.abc import Sequence

from msgspec.structs import replace

from schemas.records import DeliveryReceipt, OutboundEvent, PartnerCommand, RoutingDecision, SalesforceCallResult
from streams.core.conversation.commands import take_command
from streams.core.conversation.receipts import take_receipts
from streams.core.conversation.updates import update
from streams.core.delivery import (
    Withheld,
    ephemeral_delivery,
    is_ephemeral,
    message_delivery,
    never_reason,
    objection,
)
from streams.core.model.details import with_progress, with_withheld
from streams.core.model.entries import MESSAGE, PROGRESS, STATE, Entry, label
from streams.core.model.errors import Unparsable
from streams.core.model.keys import seen_key
from streams.core.model.rules import DAY_MS, Rules
from streams.core.model.state import Conversation, Counters, RoutingRequest, Seen, State, Value
from streams.core.model.step import CONVERSATIONS, ROUTING, SEEN, Step
from streams.core.parsing.parse import ROUTING_REQUESTED, parse_entry, parse_routing
from streams.core.routing.call_results import take_result
from streams.core.routing.outputs import tell
from streams.core.routing.requests import is_over, with_deadline_passed
from streams.core.routing.transfers import decide, open_request

# Expiry times of the most frequent values are rounded up, so that timers can be shared.
_SEEN_GRAIN_MS = 60_000
_IDLE_GRAIN_MS = DAY_MS


Input = OutboundEvent | RoutingDecision | DeliveryReceipt | PartnerCommand | SalesforceCallResult


def apply(state: State, record: Input, now_ms: int, rules: Rules) -> Step:
    """Apply one record of an input topic: events, routing decisions, receipts, commands, results of calls.

    Called once per record in partition order. Returns what changes and what leaves; a repeat (same event, same
    business key under another replay id, same decision) changes nothing. `now_ms` only holds outputs back: no call at
    or after its deadline, no task for a request whose time is over, no typing that is stale.
    Raises `Unparsable` when the payload of an event is no JSON object; nothing else.
    """
    if not isinstance(record, OutboundEvent):
        return _apply_other(state, record, now_ms, rules)
    step = Step()
    try:
        if record.event_type == ROUTING_REQUESTED:
            ask = parse_routing(record)
            before = _known(state, record, ask.channel_address_id, ask.recipient_subject, ask.recipient_role)
            open_request(state, record, ask, before, now_ms, rules, step)
        else:
            _apply_entry(state, record, parse_entry(record), now_ms, rules, step)
    except RecursionError:
        raise Unparsable("it is nested too deeply", record.event_uuid, record.topic) from None
    if step.conversation is not None:
        step.conversation = _with_due(step.conversation, rules)
    return step


def apply_receipts(state: State, receipts: Sequence[DeliveryReceipt], rules: Rules) -> Step:
    """Apply receipts of one conversation that were read together, in their order; like `apply`."""
    step = Step()
    take_receipts(state, receipts, rules, step)
    if step.conversation is not None:
        step.conversation = _with_due(step.conversation, rules)
    return step


def _apply_other(
    state: State,
    record: RoutingDecision | DeliveryReceipt | PartnerCommand | SalesforceCallResult,
    now_ms: int,
    rules: Rules,
) -> Step:
    if isinstance(record, DeliveryReceipt):
        return apply_receipts(state, [record], rules)
    step = Step()
    if isinstance(record, RoutingDecision):
        decide(state, record, now_ms, rules, step)
    elif isinstance(record, PartnerCommand):
        take_command(state, record, now_ms, rules, step)
    else:
        take_result(state, record, now_ms, rules, step)
        if step.conversation is not None:
            step.conversation = _with_due(step.conversation, rules)
    return step


def due_at_ms(value: Value) -> int | None:
    """When this value next wants `expire`, epoch ms; None = never. Stable until the value changes."""
    return value.expires_at_ms if isinstance(value, Seen) else value.due_at_ms


def expire(state: State, table: str, key: str, now_ms: int, rules: Rules) -> Step:
    """Let the deadlines of one value pass that lie at or before `now_ms`.

    Called when the value is due and the partition has no older input waiting. A spurious call, also for a key that
    is gone, changes nothing. The returned values are due later, or dropped.
    """
    step = Step()
    value = _value(state, table, key)
    due = None if value is None else due_at_ms(value)
    if due is None or now_ms < due:
        return step
    if isinstance(value, RoutingRequest):
        _expire_request(value, now_ms, rules, step)
    else:
        step.dropped.append((table, key))
    return step


def _value(state: State, table: str, key: str) -> Value | None:
    if table == SEEN:
        return state.seen(key)
    if table == ROUTING:
        # a conversation id that was made of channel and subject may contain the separator; a request id never does
        conversation_id, _, request_id = key.rpartition("|")
        return state.request(conversation_id, request_id)
    return state.conversation(key) if table == CONVERSATIONS else None


def _expire_request(request: RoutingRequest, now_ms: int, rules: Rules, step: Step) -> None:
    """Let each deadline pass that has come; announce what follows once, drop what is past its retention."""
    while request.due_at_ms is not None and now_ms >= request.due_at_ms:
        if is_over(request, rules):
            step.dropped.append((ROUTING, request.key))
            return
        request = with_deadline_passed(request, request.due_at_ms, rules)
    tell(request, now_ms, rules, step)


def _known(
    state: State, event: OutboundEvent, channel_address_id: str | None, subject: str | None, role: str | None
) -> Conversation:
    """The conversation of an event, with the channel and the end user once they are named. The first names stay."""
    conversation = state.conversation(event.conversation_id)
    if conversation is None:
        conversation = Conversation(event.conversation_id, event.org_id, started_at_ms=event.created_at_ms)
    elif not conversation.started_at_ms:  # only receipts or results of calls were read of it
        conversation = replace(conversation, org_id=event.org_id, started_at_ms=event.created_at_ms)
    if conversation.channel_address_id is None and channel_address_id is not None:
        conversation = replace(conversation, channel_address_id=channel_address_id)
    if conversation.end_user_subject is None and subject is not None and role == "EndUser":
        conversation = replace(conversation, end_user_subject=subject)
    return conversation


def _apply_entry(state: State, event: OutboundEvent, entry: Entry, now_ms: int, rules: Rules, step: Step) -> None:
    key = seen_key(event.conversation_id, entry.entry_type, entry.entry_id or event.event_uuid)
    if state.seen(key) is not None:
        step.counts.append(("repeated", label(entry.entry_type)))
        return
    conversation = _known(state, event, entry.channel_address_id, entry.recipient_subject, entry.recipient_role)
    if is_ephemeral(entry):
        _ephemeral(event, entry, conversation, key, now_ms, rules, step)
        return
    expires_at_ms = event.received_at_ms + rules.seen_ms
    step.seen.append((key, Seen(-(-expires_at_ms // _SEEN_GRAIN_MS) * _SEEN_GRAIN_MS)))
    if entry.entry_type == MESSAGE:
        _message(event, entry, conversation, rules, step)
    elif entry.entry_type not in STATE:
        _withhold(event, conversation, never_reason(entry), step)
    elif not entry.type_matches:
        _withhold(event, conversation, Withheld.TYPE_MISMATCH, step)
    else:
        step.counts.append(("state", entry.entry_type))
        counted = _counted(conversation, event, state=1)
        step.conversation = update(state, event, entry, counted, now_ms, rules, step)


def _message(event: OutboundEvent, entry: Entry, conversation: Conversation, rules: Rules, step: Step) -> None:
    reason = objection(event, entry, conversation, rules)
    if reason is not None:
        _withhold(event, conversation, reason, step)
        return
    delivery = message_delivery(event, entry, conversation)
    step.outputs.append(delivery)
    step.counts.append(("delivered", MESSAGE))
    if delivery.text is None:
        step.counts.append(("no_fallback_text", delivery.format_type or ""))
    step.conversation = _counted(conversation, event, delivered=1)


def _withhold(event: OutboundEvent, conversation: Conversation, reason: Withheld, step: Step) -> None:
    step.counts.append(("withheld", reason.value))
    counted = _counted(conversation, event, withheld=1)
    step.conversation = replace(counted, details=with_withheld(counted.details, reason.value))


def _counted(
    conversation: Conversation, event: OutboundEvent, *, delivered: int = 0, withheld: int = 0, state: int = 0
) -> Conversation:
    """The conversation with one more entry; a delivered message shows that it has not ended."""
    was = conversation.counters
    return replace(
        conversation,
        counters=Counters(was.delivered + delivered, was.withheld + withheld, was.state + state, was.routing_requests),
        last_activity_ms=max(conversation.last_activity_ms, event.created_at_ms),
        ended_at_ms=None if delivered else conversation.ended_at_ms,
    )


def _ephemeral(
    event: OutboundEvent,
    entry: Entry,
    conversation: Conversation,
    key: str,
    now_ms: int,
    rules: Rules,
    step: Step,
) -> None:
    """Typing and progress leave only while fresh and change nothing but what is needed to know a repeat."""
    expires_at_ms = event.created_at_ms + rules.ephemeral_ttl_ms
    reason = objection(event, entry, conversation, rules)
    if reason is None and event.received_at_ms >= expires_at_ms:
        reason = Withheld.STALE
    if reason is None:
        step.seen.append((key, Seen(-(-expires_at_ms // _SEEN_GRAIN_MS) * _SEEN_GRAIN_MS)))
        if entry.entry_type == PROGRESS:
            step.conversation = _progressed(conversation, event.created_at_ms)
        if now_ms >= expires_at_ms:
            reason = Withheld.STALE
    if reason is not None:
        step.counts.append(("withheld", reason.value))
        return
    delivery = ephemeral_delivery(event, entry, conversation, rules)
    step.outputs.append(delivery)
    step.counts.append(("delivered", delivery.kind))


def _progressed(conversation: Conversation, at_ms: int) -> Conversation:
    active_ms = max(conversation.last_activity_ms, at_ms)
    return replace(conversation, details=with_progress(conversation.details, at_ms), last_activity_ms=active_ms)


def _with_due(conversation: Conversation, rules: Rules) -> Conversation:
    """The conversation with the time at which it may be forgotten: never while an opt-out has to be remembered."""
    due: int | None
    if conversation.consent == "OptOut":
        due = None
    elif conversation.ended_at_ms is not None:
        due = max(conversation.ended_at_ms, conversation.last_activity_ms) + rules.retention_ms
    else:
        idle_ms = conversation.last_activity_ms + rules.idle_retention_ms
        due = -(-idle_ms // _IDLE_GRAIN_MS) * _IDLE_GRAIN_MS
        closed_ms = None if conversation.details is None else conversation.details.closed_ms
        if closed_ms is not None and closed_ms >= conversation.last_activity_ms:
            due = closed_ms + rules.retention_ms
    return conversation if due == conversation.due_at_ms else replace(conversation, due_at_ms=due)
