"""What must happen to an event on its way to the end user. Pure.

The classes follow the delivery rules of the domain, written down here a second time on purpose: the processor is judged
by them, so they must not be its own code.
"""

from enum import StrEnum
from typing import Any

from simulator.events.lenient import mapping_of

_DELIVERED_MESSAGES = frozenset({"StaticContentMessage", "ChoicesMessage", "FormMessage"})
_ANSWERS = frozenset({"ChoicesResponseMessage", "FormResponseMessage"})
_SENDERS_TO_END_USER = frozenset({"Agent", "Chatbot", "System", "DigitalWorker"})


class Expectation(StrEnum):
    """Where an event has to end: at the end user, withheld, in state only, or as a step of routing."""

    DELIVER = "deliver"
    EPHEMERAL = "ephemeral"
    WITHHOLD = "withhold"
    STATE = "state"
    ROUTING_REQUEST = "routing_request"
    ROUTING_RESULT = "routing_result"


# All 20 entry types of the public schema. A Message goes out only when its envelope and content allow it.
EXPECTED_OF: dict[str, Expectation] = {
    "Message": Expectation.DELIVER,
    "TypingStartedIndicator": Expectation.EPHEMERAL,
    "TypingStoppedIndicator": Expectation.EPHEMERAL,
    "ProgressIndicator": Expectation.EPHEMERAL,
    "Note": Expectation.WITHHOLD,
    "FlagRaise": Expectation.WITHHOLD,
    "FlagLower": Expectation.WITHHOLD,
    "ParticipantChanged": Expectation.STATE,
    "SessionStatusChanged": Expectation.STATE,
    "DeliveryAcknowledgement": Expectation.STATE,
    "ReadAcknowledgement": Expectation.STATE,
    "QueuePosition": Expectation.STATE,
    "MessageUpdated": Expectation.STATE,
    "MessageDeliveryFailed": Expectation.STATE,
    "EndUserConsentUpdated": Expectation.STATE,
    "ConsultConversationInfo": Expectation.STATE,
    "TransferProgress": Expectation.STATE,
    "ParticipantsConferenced": Expectation.STATE,
    "RoutingWorkResult": Expectation.STATE,
    "RoutingResult": Expectation.ROUTING_RESULT,
}


def expected_of(
    entry_type: str | None, body: dict[str, Any], entry: dict[str, Any], content: dict[str, Any]
) -> Expectation:
    """Return the class of an entry; a type that is not in the table is withheld.

    `body` is the payload of the event, `entry` the conversation entry in it, `content` the payload of that entry.
    """
    if entry_type == "Message":
        return _message_expectation(body, entry, content)
    return EXPECTED_OF.get(entry_type or "", Expectation.WITHHOLD)


def _message_expectation(body: dict[str, Any], entry: dict[str, Any], content: dict[str, Any]) -> Expectation:
    message_type = mapping_of(content.get("abstractMessage")).get("messageType")
    if message_type in _ANSWERS:
        return Expectation.STATE
    visible = all(part.get("visibilityStrategy") in {None, "Default"} for part in (entry, content))
    to_end_user = mapping_of(body.get("recipient")).get("role") == "EndUser"
    from_us = mapping_of(entry.get("sender")).get("role") in _SENDERS_TO_END_USER
    same_type = content.get("entryType") in {None, "Message"} and entry.get("entryType") in {None, "Message"}
    allowed = message_type in _DELIVERED_MESSAGES and visible and to_end_user and from_us and same_type
    return Expectation.DELIVER if allowed else Expectation.WITHHOLD
