"""The table of entry types: one row says all that the processor does differently for a type.

A new entry type is one row here. A type of the class STATE also needs a handler in
`streams.core.conversation.updates.STATE_HANDLERS`; a test compares the two tables.
"""

from enum import StrEnum
from typing import NamedTuple

from schemas.records import DeliveryKind
from streams.core.model.withheld import Withheld

MESSAGE = "Message"
NOTE = "Note"
FLAG_RAISE = "FlagRaise"
FLAG_LOWER = "FlagLower"
TYPING_STARTED = "TypingStartedIndicator"
TYPING_STOPPED = "TypingStoppedIndicator"
PROGRESS = "ProgressIndicator"
PARTICIPANT_CHANGED = "ParticipantChanged"
SESSION_STATUS_CHANGED = "SessionStatusChanged"
CONSENT_UPDATED = "EndUserConsentUpdated"
QUEUE_POSITION = "QueuePosition"
ROUTING_RESULT = "RoutingResult"
ROUTING_WORK_RESULT = "RoutingWorkResult"
CONSULT_INFO = "ConsultConversationInfo"
DELIVERY_ACKNOWLEDGEMENT = "DeliveryAcknowledgement"
READ_ACKNOWLEDGEMENT = "ReadAcknowledgement"
MESSAGE_UPDATED = "MessageUpdated"
MESSAGE_DELIVERY_FAILED = "MessageDeliveryFailed"
TRANSFER_PROGRESS = "TransferProgress"
PARTICIPANTS_CONFERENCED = "ParticipantsConferenced"


class DeliveryClass(StrEnum):
    """What may happen to an entry of a type at most."""

    DELIVER = "DELIVER"  # may go to the end user, once the guards let it pass
    STATE = "STATE"  # changes our state, reaches nobody
    EPHEMERAL = "EPHEMERAL"  # sent only while fresh, never stored
    NEVER = "NEVER"  # must not leave


class EntryType(NamedTuple):
    """One row: what the processor does with the entries of a type.

    `needs_body`: the entryPayload is decoded and kept for the handler; of other types only the envelope is read.
    `delivery_kind` is the `Delivery.kind` of DELIVER and EPHEMERAL, empty for others. `withheld_as` is the reason that
    is counted for NEVER, None for others.
    `in_schema` is false for spellings that some senders use and Salesforce's public schema does not know.
    """

    delivery_class: DeliveryClass
    needs_body: bool = False
    delivery_kind: str = ""
    withheld_as: Withheld | None = None
    in_schema: bool = True


_DELIVER, _STATE, _EPHEMERAL, _NEVER = DeliveryClass
_STARTED, _STOPPED = DeliveryKind.TYPING_STARTED.value, DeliveryKind.TYPING_STOPPED.value

ENTRY_TYPES: dict[str, EntryType] = {
    MESSAGE: EntryType(_DELIVER, needs_body=True, delivery_kind=DeliveryKind.MESSAGE.value),
    TYPING_STARTED: EntryType(_EPHEMERAL, delivery_kind=_STARTED),
    TYPING_STOPPED: EntryType(_EPHEMERAL, delivery_kind=_STOPPED),
    "TypingStarted": EntryType(_EPHEMERAL, delivery_kind=_STARTED, in_schema=False),
    "TypingStopped": EntryType(_EPHEMERAL, delivery_kind=_STOPPED, in_schema=False),
    PROGRESS: EntryType(_EPHEMERAL, needs_body=True, delivery_kind=DeliveryKind.PROGRESS.value),
    NOTE: EntryType(_NEVER, withheld_as=Withheld.NOTE),
    FLAG_RAISE: EntryType(_NEVER, withheld_as=Withheld.FLAG),
    FLAG_LOWER: EntryType(_NEVER, withheld_as=Withheld.FLAG),
    PARTICIPANT_CHANGED: EntryType(_STATE, needs_body=True),
    SESSION_STATUS_CHANGED: EntryType(_STATE, needs_body=True),
    DELIVERY_ACKNOWLEDGEMENT: EntryType(_STATE, needs_body=True),
    READ_ACKNOWLEDGEMENT: EntryType(_STATE, needs_body=True),
    QUEUE_POSITION: EntryType(_STATE, needs_body=True),
    MESSAGE_UPDATED: EntryType(_STATE, needs_body=True),
    MESSAGE_DELIVERY_FAILED: EntryType(_STATE, needs_body=True),
    CONSENT_UPDATED: EntryType(_STATE, needs_body=True),
    CONSULT_INFO: EntryType(_STATE, needs_body=True),
    TRANSFER_PROGRESS: EntryType(_STATE),
    PARTICIPANTS_CONFERENCED: EntryType(_STATE),
    ROUTING_WORK_RESULT: EntryType(_STATE, needs_body=True),
    ROUTING_RESULT: EntryType(_STATE, needs_body=True),
}
"""Every entry type that is known, in the order in which people read about them."""

UNKNOWN_TYPE = EntryType(DeliveryClass.NEVER, withheld_as=Withheld.UNKNOWN_TYPE)
"""What holds for every type without a row, and for an entry that names no type."""

NEEDS_BODY = frozenset(name for name, row in ENTRY_TYPES.items() if row.needs_body)
"""The types whose entryPayload is kept. A set of its own, for the parser asks it for every event."""


def label(entry_type: str) -> str:
    """The entry type as a metric label: unknown types share one, for senders can invent any number of them."""
    return entry_type if entry_type in ENTRY_TYPES else "unknown"
