"""What the sink or the partner says became of deliveries, and what Salesforce is told of it."""

from collections.abc import Sequence

from msgspec.structs import replace

from schemas.records import DeliveryReceipt, ReceiptStatus
from streams.core.model.details import NOTHING, Mark, Receipts, later
from streams.core.model.entries import MESSAGE
from streams.core.model.keys import digest, seen_key
from streams.core.model.rules import Rules
from streams.core.model.state import Conversation, Seen, State
from streams.core.model.step import Step
from streams.core.routing.calls import MAX_ACKNOWLEDGEMENTS, Acknowledgement, acknowledgements

_GRAIN_MS = 60_000  # expiry times are rounded up, so that segments can be shared
_WORDS = {ReceiptStatus.DELIVERED: "Delivered", ReceiptStatus.READ: "Read"}
_STATUSES = frozenset(status.value for status in ReceiptStatus)


def receipt_key(conversation_id: str, status: str, delivery_id: str) -> str:
    """Key in the table `seen` under which a delivery's receipt is remembered."""
    return seen_key(conversation_id, f"receipt.{status}", delivery_id)


def delivery_status(state: State, conversation_id: str, delivery_id: str) -> str:
    """What is known of one delivery: the most that was reported of it, `no_receipt` when nothing was (any more)."""
    for status in (ReceiptStatus.READ, ReceiptStatus.DELIVERED, ReceiptStatus.FAILED):
        if state.seen(receipt_key(conversation_id, status, delivery_id)) is not None:
            return status.value
    return "no_receipt"


def take_receipts(state: State, receipts: Sequence[DeliveryReceipt], rules: Rules, step: Step) -> None:
    """Take receipts of one conversation that were read together; they share calls as far as the API allows.

    A repeat changes nothing. Read implies delivered: what was read is not acknowledged as delivered any more. A
    receipt may be read before the events of its conversation, when the log is folded again; then nobody is told.
    """
    conversation_id = receipts[0].conversation_id
    fresh = [each for each in receipts if _is_new(state, each, rules, step)]
    if not fresh:
        return
    conversation = state.conversation(conversation_id) or Conversation(conversation_id, org_id="")
    details = conversation.details or NOTHING
    for receipt in fresh:
        details = replace(details, receipts=_with_receipt(details.receipts or Receipts(), receipt))
    active_ms = max(conversation.last_activity_ms, *(each.at_ms for each in fresh))
    step.conversation = replace(conversation, details=details, last_activity_ms=active_ms)
    _acknowledge(state, conversation, fresh, rules, step)


def _is_new(state: State, receipt: DeliveryReceipt, rules: Rules, step: Step) -> bool:
    """True once for each delivery and status, and remembers it."""
    if receipt.status not in _STATUSES:
        step.counts.append(("receipt", "unknown"))
        return False
    key = receipt_key(receipt.conversation_id, receipt.status, receipt.delivery_id)
    if _has(state, key, step):
        step.counts.append(("repeated", "receipt"))
        return False
    expires_at_ms = receipt.at_ms + rules.seen_ms
    step.seen.append((key, Seen(-(-expires_at_ms // _GRAIN_MS) * _GRAIN_MS)))
    step.counts.append(("receipt", receipt.status))
    return True


def _has(state: State, key: str, step: Step) -> bool:
    return state.seen(key) is not None or any(known == key for known, _ in step.seen)


def _with_receipt(was: Receipts, receipt: DeliveryReceipt) -> Receipts:
    mark = Mark(receipt.at_ms, receipt.entry_id)
    match receipt.status:
        case ReceiptStatus.DELIVERED:
            return replace(was, delivered=was.delivered + 1, last_delivered=later(was.last_delivered, mark))
        case ReceiptStatus.READ:
            return replace(was, read=was.read + 1, last_read=later(was.last_read, mark))
        case _:
            return replace(was, failed=was.failed + 1, last_failed=later(was.last_failed, mark))


def _acknowledge(
    state: State, conversation: Conversation, fresh: Sequence[DeliveryReceipt], rules: Rules, step: Step
) -> None:
    """Tell Salesforce what the end user got and read, where the channel has acknowledgements switched on."""
    wanted = rules.acknowledged_channels
    if not ("*" in wanted or conversation.channel_address_id in wanted):
        return
    due = [
        Acknowledgement(_WORDS[ReceiptStatus(each.status)], each.entry_id, each.at_ms)
        for each in fresh
        if each.status in _WORDS and _is_message(each) and not _is_read(state, each, step)
    ]
    for first in range(0, len(due), MAX_ACKNOWLEDGEMENTS):
        call = acknowledgements(conversation, due[first : first + MAX_ACKNOWLEDGEMENTS], rules)
        if call is None:
            step.counts.append(("acknowledgement", "conversation_unknown"))
            return
        step.outputs.append(call)
        step.counts.append(("acknowledgement", "sent"))


def _is_message(receipt: DeliveryReceipt) -> bool:
    """True for the delivery of a Message: typing and progress are not acknowledged."""
    return receipt.delivery_id == digest(MESSAGE, receipt.conversation_id, receipt.entry_id)


def _is_read(state: State, receipt: DeliveryReceipt, step: Step) -> bool:
    if receipt.status != ReceiptStatus.DELIVERED:
        return False
    return _has(state, receipt_key(receipt.conversation_id, ReceiptStatus.READ, receipt.delivery_id), step)
