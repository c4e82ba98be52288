"""Commands of the partner to Salesforce: end a session, set it inactive, remove a rep.

A command changes no state but that it was seen. Salesforce does what it asks for, and says so in events of its own.
"""

from schemas.records import CommandKind, PartnerCommand, SalesforceCall
from streams.core.model.bounds import check_command
from streams.core.model.keys import digest, seen_key
from streams.core.model.rules import Rules
from streams.core.model.session import is_session_over
from streams.core.model.state import Conversation
from streams.core.model.turn import Turn
from streams.core.routing.bodies import api_identifier, removal_body, session_body
from streams.core.routing.operations import CallKind, conversation_call

_SESSION_OPERATIONS = {CommandKind.END_SESSION: "End", CommandKind.INACTIVATE_SESSION: "Inactivate"}


def take_command(turn: Turn, command: PartnerCommand) -> None:
    """Send the call that a command asks for, once for each `command_id`; never at or after its deadline.

    Raises `OutOfBounds`.
    """
    check_command(command)
    key = seen_key(command.conversation_id, "command", command.command_id)
    if turn.seen(key):
        turn.count("repeated", "command")
        return
    turn.remember(key, command.commanded_at_ms + turn.rules.seen_ms)
    conversation = turn.state.conversation(command.conversation_id)
    refused = _refusal(turn, command, conversation)
    if refused is not None or conversation is None:
        turn.count("command", refused or "conversation_unknown")
        return
    turn.emit(_call(command, conversation, turn.rules))
    turn.count("command", command.command)


def _refusal(turn: Turn, command: PartnerCommand, conversation: Conversation | None) -> str | None:
    """Why no call is made; None lets it be made."""
    if command.command not in CommandKind.__members__.values():
        return "unknown"
    if not turn.rules.partner_commands:
        return "switched_off"
    if turn.now_ms >= command.commanded_at_ms + turn.rules.command_within_ms:
        return "late"
    if conversation is None or api_identifier(conversation) is None:
        return "conversation_unknown"
    if command.command == CommandKind.REMOVE_PARTICIPANT:
        return None if command.user_id else "user_absent"
    return _session_refusal(command, conversation)


def _session_refusal(command: PartnerCommand, conversation: Conversation) -> str | None:
    if is_session_over(conversation.session):
        return "session_over"
    if conversation.channel_address_id is None or conversation.end_user_subject is None:
        return "end_user_unknown"
    unnamed = command.command == CommandKind.INACTIVATE_SESSION and conversation.session.id is None
    return "session_unknown" if unnamed else None


def _call(command: PartnerCommand, conversation: Conversation, rules: Rules) -> SalesforceCall:
    operation = _SESSION_OPERATIONS.get(CommandKind(command.command))
    if operation is None:
        kind, body = CallKind.COMMANDED_REMOVAL, removal_body(conversation.conversation_id, command.user_id or "")
    else:
        kind, body = CallKind.COMMANDED_SESSION, session_body(conversation, operation, command.on_behalf_of)
    call_id = digest("command", conversation.conversation_id, command.command_id)
    return conversation_call(kind, call_id, conversation, body, command.commanded_at_ms, rules)
