"""What the partner wants done at Salesforce: end a session, set it inactive, remove a rep.

A command changes no state but that it was seen. Salesforce does what it asks for, and says so in events of its own.
"""

from typing import Any

import msgspec

from schemas.records import CommandKind, PartnerCommand, SalesforceCall
from streams.core.model.keys import digest, seen_key
from streams.core.model.rules import Rules
from streams.core.model.session import is_over
from streams.core.model.state import Conversation, Seen, State
from streams.core.model.step import Step
from streams.core.routing.calls import api_identifier, removal

_GRAIN_MS = 60_000  # expiry times are rounded up, so that segments can be shared
_OPERATIONS = {CommandKind.END_SESSION: "End", CommandKind.INACTIVATE_SESSION: "Inactivate"}
_BEHALF = frozenset({"EndUser", "System"})  # operationBy takes these


def take_command(state: State, command: PartnerCommand, now_ms: int, rules: Rules, step: Step) -> None:
    """Turn a command into its call, once for each `command_id`; never at or after its deadline."""
    key = seen_key(command.conversation_id, "command", command.command_id)
    if state.seen(key) is not None:
        step.counts.append(("repeated", "command"))
        return
    expires_at_ms = command.commanded_at_ms + rules.seen_ms
    step.seen.append((key, Seen(-(-expires_at_ms // _GRAIN_MS) * _GRAIN_MS)))
    conversation = state.conversation(command.conversation_id)
    refused = _refusal(command, conversation, now_ms, rules)
    if refused is not None or conversation is None:
        step.counts.append(("command", refused or "conversation_unknown"))
        return
    step.outputs.append(_call(command, conversation, rules))
    step.counts.append(("command", command.command))


def _refusal(command: PartnerCommand, conversation: Conversation | None, now_ms: int, rules: Rules) -> str | None:
    """Why no call is made; None lets it be made."""
    if command.command not in CommandKind.__members__.values():
        return "unknown"
    if not rules.partner_commands:
        return "switched_off"
    if now_ms >= command.commanded_at_ms + rules.command_within_ms:
        return "late"
    if conversation is None or api_identifier(conversation) is None:
        return "conversation_unknown"
    if command.command == CommandKind.REMOVE_PARTICIPANT:
        return None if command.user_id else "user_absent"
    return _session_refusal(command, conversation)


def _session_refusal(command: PartnerCommand, conversation: Conversation) -> str | None:
    if is_over(conversation.session):
        return "session_over"
    if conversation.channel_address_id is None or conversation.end_user_subject is None:
        return "end_user_unknown"
    unnamed = command.command == CommandKind.INACTIVATE_SESSION and conversation.session.id is None
    return "session_unknown" if unnamed else None


def _call(command: PartnerCommand, conversation: Conversation, rules: Rules) -> SalesforceCall:
    operation = _OPERATIONS.get(CommandKind(command.command))
    body: dict[str, Any]
    if operation is None:
        api, body = "participant", removal(conversation.conversation_id, command.user_id or "")
    else:
        api, body = "messagingSession", _session_body(command, conversation, operation)
    return SalesforceCall(
        call_id=digest("command", conversation.conversation_id, command.command_id),
        conversation_id=conversation.conversation_id,
        org_id=conversation.org_id,
        api=api,
        method="POST",
        body=msgspec.json.encode(body).decode(),
        created_at_ms=command.commanded_at_ms,
        deadline_ms=command.commanded_at_ms + rules.command_within_ms,
    )


def _session_body(command: PartnerCommand, conversation: Conversation, operation: str) -> dict[str, Any]:
    body: dict[str, Any] = {
        "channelAddressIdentifier": conversation.channel_address_id,
        "endUserClientId": conversation.end_user_subject,
        "conversationIdentifier": conversation.conversation_id,
        "operation": operation,
    }
    if conversation.session.id is not None:
        body["sessionId"] = conversation.session.id
    if command.on_behalf_of in _BEHALF:
        body["operationBy"] = command.on_behalf_of
    return body
