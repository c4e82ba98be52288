"""The reasons for which an entry is not delivered. `docs/conversations.md` explains each to the operator."""

from enum import StrEnum


class Withheld(StrEnum):
    """Why an entry is not delivered. The value is the label of the count `withheld` and is kept in the state.

    A new reason is a member here, and the condition that gives it in `streams.core.delivery`.
    """

    NOTE = "note"  # a whisper between reps
    FLAG = "flag"  # for supervisors
    UNKNOWN_TYPE = "unknown_type"
    UNKNOWN_EVENT_TYPE = "unknown_event_type"
    TYPE_MISMATCH = "type_mismatch"  # entry and payload name different types
    INTERNAL = "internal_visibility"
    RECIPIENT_ABSENT = "recipient_absent"
    RECIPIENT_ROLE = "recipient_not_end_user"
    OTHER_END_USER = "other_end_user"
    CONSULTATION = "consultation"  # a rep-to-rep side conversation
    ECHO = "echo"  # the end user's own entry
    ROUTER = "router_sender"
    SUPERVISOR = "supervisor_sender"
    SENDER_ROLE = "sender_role"
    RECIPIENTS = "end_user_not_among_recipients"
    OPTED_OUT = "opted_out"
    RESPONSE = "answer_echo"  # the end user's choice or form
    UNKNOWN_MESSAGE_TYPE = "unknown_message_type"
    UNKNOWN_FORMAT = "unknown_format"
    NO_CONTENT = "no_content"
    STALE = "stale"  # typing and progress only
