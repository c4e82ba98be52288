"""The bounds of what others may send: numbers, times, lengths and depth. Pure.

They are checked where a record enters the core: here for the fields of records, in `lenient` for what JSON says. Behind
that line every number of the state fits 64 bits, every time can be added to, and every value of the state has at most
`LARGEST_STATE_BYTES` (ADR 0015). Ids are never cut, for two of them could become one: a record with an id that is too
long is refused. Words and texts for people are cut.
"""

from schemas.records import DeliveryReceipt, OutboundEvent, PartnerCommand, RoutingDecision, SalesforceCallResult
from streams.core.model.errors import OutOfBounds

LARGEST_NUMBER = 2**63 - 1  # what Avro and msgpack hold
LATEST_MS = 253_402_300_799_999  # the last millisecond of the year 9999; microseconds of today lie far behind it
DEEPEST = 128  # levels of arrays and objects; the formats of Salesforce need 14
# Characters. Salesforce's record ids have 18, UUIDs 36; text fields that become ids (subjects, addresses) at most 255.
LONGEST_ID = 512
LONGEST_CONVERSATION_ID = 2 * LONGEST_ID + 1  # it may be made of a channel address, ":" and a subject
LONGEST_WORD = 128  # of an enumeration that others may add to
LONGEST_NAME = 256  # what a rep is called
LONGEST_REASON = 1_024  # what people are told
LONGEST_CHANNEL_DATA = 65_536  # it goes to the router with every task of its request
MOST_SKILLS = 64

LARGEST_STATE_BYTES = 700_000
"""No value of a state table has more bytes.

With all fields at their longest, four bytes a character, a routing request has 640,000 and a conversation 420,000: a
test builds both.
"""


def check_event(event: OutboundEvent) -> None:
    """Raise `OutOfBounds` when a field of an event's envelope is. One condition, for every event passes it."""
    if not (
        0 <= event.created_at_ms <= LATEST_MS
        and 0 <= event.received_at_ms <= LATEST_MS
        and 0 < len(event.conversation_id) <= LONGEST_CONVERSATION_ID
        and len(event.event_uuid) <= LONGEST_ID
        and len(event.org_id) <= LONGEST_ID
    ):
        _check_time("created_at_ms", event.created_at_ms)
        _check_time("received_at_ms", event.received_at_ms)
        _check_conversation(event.conversation_id)
        checked_id(event.event_uuid, "event_uuid")
        checked_id(event.org_id, "org_id")


def check_decision(decision: RoutingDecision) -> None:
    """Raise `OutOfBounds` when a field of a decision is."""
    _check_time("decided_at_ms", decision.decided_at_ms)
    _check_conversation(decision.conversation_id)
    _check_request(decision.request_id)
    _check_filled("decision_id", decision.decision_id)
    checked_id(decision.user_id, "user_id")


def check_receipt(receipt: DeliveryReceipt) -> None:
    """Raise `OutOfBounds` when a field of a receipt is. One condition, for there is a receipt for every delivery."""
    if not (
        0 <= receipt.at_ms <= LATEST_MS
        and 0 < len(receipt.conversation_id) <= LONGEST_CONVERSATION_ID
        and 0 < len(receipt.delivery_id) <= LONGEST_ID
        and 0 < len(receipt.entry_id) <= LONGEST_ID
    ):
        _check_time("at_ms", receipt.at_ms)
        _check_conversation(receipt.conversation_id)
        _check_filled("delivery_id", receipt.delivery_id)
        _check_filled("entry_id", receipt.entry_id)


def check_command(command: PartnerCommand) -> None:
    """Raise `OutOfBounds` when a field of a command is."""
    _check_time("commanded_at_ms", command.commanded_at_ms)
    _check_conversation(command.conversation_id)
    _check_filled("command_id", command.command_id)
    checked_id(command.user_id, "user_id")


def check_call_result(result: SalesforceCallResult) -> None:
    """Raise `OutOfBounds` when a field of a call's result is."""
    _check_time("completed_at_ms", result.completed_at_ms)
    _check_conversation(result.conversation_id)
    _check_filled("call_id", result.call_id)
    if result.request_id is not None:
        _check_request(result.request_id)


def checked_id(text: str | None, name: str) -> str | None:
    """The id as it is. Raises `OutOfBounds` naming the field `name` when it is too long."""
    if text is not None and len(text) > LONGEST_ID:
        raise OutOfBounds(f"{name} has {len(text)} characters; an id has at most {LONGEST_ID}")
    return text


def _check_filled(name: str, text: str) -> None:
    if not text:
        raise OutOfBounds(f"{name} is empty")
    checked_id(text, name)


def _check_conversation(text: str) -> None:
    if not 0 < len(text) <= LONGEST_CONVERSATION_ID:
        raise OutOfBounds(
            f"conversation_id has {len(text)} characters; it has at least one and at most {LONGEST_CONVERSATION_ID}"
        )


def _check_request(text: str) -> None:
    _check_filled("request_id", text)
    if "|" in text:  # what separates the ids of a key; no id that we give a request has it
        raise OutOfBounds(f"request_id {text!r} has a '|', which the id of no request has")


def _check_time(name: str, at_ms: int) -> None:
    if not 0 <= at_ms <= LATEST_MS:
        raise OutOfBounds(f"{name}={at_ms} is no time in epoch milliseconds between 0 and {LATEST_MS} (the year 9999)")
