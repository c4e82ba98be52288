"""Receipts: the sink or the partner says that a delivery arrived, was read or failed; Salesforce is told of it."""

from collections.abc import Sequence

from msgspec.structs import replace

from schemas.records import DeliveryReceipt, ReceiptStatus, SalesforceCall
from streams.core.model.bounds import check_receipt
from streams.core.model.details import NOTHING, Mark, Receipts, later
from streams.core.model.entry_types import MESSAGE
from streams.core.model.keys import digest, seen_key
from streams.core.model.state import Conversation, StateReader
from streams.core.model.turn import Turn
from streams.core.routing.bodies import MAX_ACKNOWLEDGEMENTS, Acknowledgement, acknowledgements_body
from streams.core.routing.operations import CallKind, conversation_call

_WORDS = {ReceiptStatus.DELIVERED: "Delivered", ReceiptStatus.READ: "Read"}
_STATUSES = frozenset(status.value for status in ReceiptStatus)


def receipt_key(conversation_id: str, status: str, delivery_id: str) -> str:
    """Key in the table `seen` under which a receipt of this status for this delivery is remembered."""
    return seen_key(conversation_id, f"receipt.{status}", delivery_id)


def delivery_status(state: StateReader, conversation_id: str, delivery_id: str) -> str:
    """What the receipts say of one delivery: `read`, `delivered` or `failed`, the first of them that was reported.

    `no_receipt` when there was none, or it is forgotten (`Rules.seen_ms`).
    """
    for status in (ReceiptStatus.READ, ReceiptStatus.DELIVERED, ReceiptStatus.FAILED):
        if state.seen(receipt_key(conversation_id, status, delivery_id)) is not None:
            return status.value
    return "no_receipt"


def take_receipt(turn: Turn, receipt: DeliveryReceipt) -> None:
    """Take one receipt, as `take_receipts` does."""
    take_receipts(turn, [receipt])


def take_receipts(turn: Turn, receipts: Sequence[DeliveryReceipt]) -> None:
    """Take receipts of one conversation that were read together; they share calls as far as the API allows.

    A repeat changes nothing. Read implies delivered: what was read is not acknowledged as delivered any more. A
    receipt may be read before the events of its conversation, when the log is folded again; then nobody is told.
    Raises `OutOfBounds` when a field of one of them is; then none is taken.
    """
    for receipt in receipts:
        check_receipt(receipt)
    conversation_id = receipts[0].conversation_id
    fresh = [each for each in receipts if _remembered_as_new(turn, each)]
    if not fresh:
        return
    conversation = turn.state.conversation(conversation_id) or Conversation(conversation_id, org_id="")
    details = conversation.details or NOTHING
    for receipt in fresh:
        details = replace(details, receipts=_with_receipt(details.receipts or Receipts(), receipt))
    active_ms = max(conversation.last_activity_ms, *(each.at_ms for each in fresh))
    turn.put_conversation(replace(conversation, details=details, last_activity_ms=active_ms))
    _send_acknowledgements(turn, conversation, fresh)


def _remembered_as_new(turn: Turn, receipt: DeliveryReceipt) -> bool:
    """True once for each delivery and status, which are remembered from then on."""
    if receipt.status not in _STATUSES:
        turn.count("receipt", "unknown")
        return False
    key = receipt_key(receipt.conversation_id, receipt.status, receipt.delivery_id)
    if turn.seen(key):
        turn.count("repeated", "receipt")
        return False
    turn.remember(key, receipt.at_ms + turn.rules.seen_ms)
    turn.count("receipt", receipt.status)
    return True


def _with_receipt(was: Receipts, receipt: DeliveryReceipt) -> Receipts:
    mark = Mark(receipt.at_ms, receipt.entry_id)
    match receipt.status:
        case ReceiptStatus.DELIVERED:
            return replace(was, delivered=was.delivered + 1, last_delivered=later(was.last_delivered, mark))
        case ReceiptStatus.READ:
            return replace(was, read=was.read + 1, last_read=later(was.last_read, mark))
        case _:
            return replace(was, failed=was.failed + 1, last_failed=later(was.last_failed, mark))


def _send_acknowledgements(turn: Turn, conversation: Conversation, fresh: Sequence[DeliveryReceipt]) -> None:
    """Tell Salesforce what the end user got and read, where the channel has acknowledgements switched on."""
    wanted = turn.rules.acknowledged_channels
    if not ("*" in wanted or conversation.channel_address_id in wanted):
        return
    due = [
        Acknowledgement(_WORDS[ReceiptStatus(each.status)], each.entry_id, each.at_ms)
        for each in fresh
        if each.status in _WORDS and _is_message(each) and not _is_read(turn, each)
    ]
    for first in range(0, len(due), MAX_ACKNOWLEDGEMENTS):
        call = _call(turn, conversation, due[first : first + MAX_ACKNOWLEDGEMENTS])
        if call is None:
            turn.count("acknowledgement", "conversation_unknown")
            return
        turn.emit(call)
        turn.count("acknowledgement", "sent")


def _call(turn: Turn, conversation: Conversation, found: Sequence[Acknowledgement]) -> SalesforceCall | None:
    body = acknowledgements_body(conversation, found)
    if body is None:
        return None
    said = "|".join(f"{each.word} {each.entry_id}" for each in found)
    call_id = digest("acknowledgement", conversation.conversation_id, said)
    last_ms = max(each.at_ms for each in found)
    return conversation_call(CallKind.ACKNOWLEDGE, call_id, conversation, body, last_ms, turn.rules)


def _is_message(receipt: DeliveryReceipt) -> bool:
    """True for the delivery of a Message: typing and progress are not acknowledged."""
    return receipt.delivery_id == digest(MESSAGE, receipt.conversation_id, receipt.entry_id)


def _is_read(turn: Turn, receipt: DeliveryReceipt) -> bool:
    """True for the receipt `delivered` of what was read too."""
    if receipt.status != ReceiptStatus.DELIVERED:
        return False
    return turn.seen(receipt_key(receipt.conversation_id, ReceiptStatus.READ, receipt.delivery_id))
