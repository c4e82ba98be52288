"""JSON of the entries and envelopes that Salesforce publishes, as plain dictionaries. Pure.

Field names and nesting are those of the outbound event reference; ids, names and texts are invented.
"""

from typing import Any

import msgspec

Json = dict[str, Any]


def participant(app_type: str, subject: str, role: str) -> Json:
    """Return a participant of a conversation: the kind of app, its id there, and its role."""
    return {"appType": app_type, "subject": subject, "role": role}


def agent(user_id: str) -> Json:
    """Return a rep; `user_id` is the 15-character id."""
    return participant("agent", user_id, "Agent")


def end_user(subject: str) -> Json:
    """Return the customer, by the id that the channel gave."""
    return participant("custom", subject, "EndUser")


def router(subject: str) -> Json:
    """Return the sender of routing results."""
    return participant("conversation", subject, "Router")


def as_json(value: Json) -> str:
    """Compact JSON text, as it stands in the payload field."""
    return msgspec.json.encode(value).decode()


def interaction(
    *,
    channel_address_id: str,
    conversation_id: str,
    end_user_subject: str,
    entry_id: str,
    sender: Json,
    sender_name: str,
    entry: Json,
    at_ms: int,
    extra: Json | None = None,
) -> Json:
    """The payload of an `Interaction` event around one entry; `extra` joins the conversation entry's own fields."""
    return {
        "channelAddressIdentifier": channel_address_id,
        "conversationIdentifier": conversation_id,
        "recipient": end_user(end_user_subject),
        "payload": {
            "identifier": entry_id,
            "entryType": entry["entryType"],
            "sender": sender,
            "senderDisplayName": sender_name,
            "clientTimestamp": at_ms,
            "transcriptedTimestamp": at_ms,
            "clientDuration": 0,
            "entryPayload": entry,
            **(extra or {}),
        },
    }


def routing_requested(
    *,
    channel_address_id: str,
    conversation_id: str,
    end_user_subject: str,
    routing_type: str,
    target: Json,
    channel_data: str | None,
    work_record_id: str | None,
) -> Json:
    """The payload of a `RoutingRequested` event. `target` holds one of userId, queueId, flowId, botId, skillsList."""
    parameters: Json = {
        "userId": None,
        "channelData": channel_data,
        "isTransfer": routing_type == "Transfer",
        "isScrt2": True,
        "skillsList": [],
        "queueId": None,
        "flowId": None,
        "botId": None,
    }
    return {
        "channelAddressIdentifier": channel_address_id,
        "recipient": end_user(end_user_subject),
        "payload": {
            "conversationIdentifier": conversation_id,
            "routingType": routing_type,
            "routingParameters": parameters | target,
            "workRecordId": work_record_id,
        },
    }


def text_message(entry_id: str, text: str) -> Json:
    """Return a Message with plain text."""
    return static_content(entry_id, {"formatType": "Text", "text": text})


def static_content(entry_id: str, content: Json) -> Json:
    """A Message of type StaticContentMessage with any format."""
    return _message("Message", entry_id, "StaticContentMessage", "staticContent", content)


def choices(entry_id: str, content: Json) -> Json:
    """A Message of type ChoicesMessage with any format."""
    return _message("Message", entry_id, "ChoicesMessage", "choices", content)


def form(entry_id: str, content: Json) -> Json:
    """A Message of type FormMessage."""
    return _message("Message", entry_id, "FormMessage", "form", content)


def note(entry_id: str, text: str) -> Json:
    """A whisper between reps. It has the shape of a Message and must never leave."""
    return _message("Note", entry_id, "StaticContentMessage", "staticContent", {"formatType": "Text", "text": text})


def flag_raise(entry_id: str, text: str) -> Json:
    """A call for the supervisor, with a message for nobody else."""
    return _message(
        "FlagRaise", entry_id, "StaticContentMessage", "staticContent", {"formatType": "Text", "text": text}
    )


def typing(entry_id: str, *, started: bool, at_ms: int) -> Json:
    """Return a TypingStartedIndicator or TypingStoppedIndicator."""
    return {
        "entryType": "TypingStartedIndicator" if started else "TypingStoppedIndicator",
        "id": entry_id,
        "timestamp": at_ms,
    }


def progress(entry_id: str, text: str, at_ms: int) -> Json:
    """Return a ProgressIndicator, by which a bot says that it still works."""
    indicator = {
        "indicatorType": "ProgressUpdateIndicator",
        "timestamp": at_ms,
        "progressMessage": {"formatType": "Text", "text": text},
    }
    return {"entryType": "ProgressIndicator", "id": entry_id, "progressIndicator": indicator}


def acknowledgement(entry_id: str, *, read: bool, acknowledged_entry_id: str, recipient: Json, at_ms: int) -> Json:
    """Return a ReadAcknowledgement or DeliveryAcknowledgement of another entry."""
    return {
        "entryType": "ReadAcknowledgement" if read else "DeliveryAcknowledgement",
        "id": entry_id,
        "recipient": recipient,
        "acknowledgedConversationEntryIdentifier": acknowledged_entry_id,
        "acknowledgementTimestamp": at_ms,
    }


def participant_changed(entry_id: str, operation: str, who: Json, name: str) -> Json:
    """Return a ParticipantChanged; `operation` is `add` or `remove`."""
    change = {"operation": operation, "participant": who, "displayName": name}
    return {"entryType": "ParticipantChanged", "id": entry_id, "entries": [change]}


def session_status(
    entry_id: str,
    *,
    session_id: str,
    channel_address_id: str,
    conversation_id: str,
    status: str,
    previous: str | None,
    started_at_ms: int,
    ended_at_ms: int | None,
) -> Json:
    """SessionStatusChanged. Its times are seconds, unlike all others."""
    return {
        "entryType": "SessionStatusChanged",
        "id": entry_id,
        "sessionId": session_id,
        "channelAddressIdentifier": channel_address_id,
        "conversationIdentifier": conversation_id,
        "sessionStatus": status,
        "sessionStatusPrev": previous,
        "sessionStartTime": started_at_ms // 1000,
        "sessionEndTime": ended_at_ms // 1000 if ended_at_ms is not None else None,
        "sessionEndedByRole": "Agent" if status == "Ended" else None,
    }


def queue_position(entry_id: str, work_item_id: str, service_routing_id: str, position: int) -> Json:
    """Return a QueuePosition: how many wait before this work item."""
    return {
        "entryType": "QueuePosition",
        "id": entry_id,
        "pendingServiceRoutingId": service_routing_id,
        "workItemId": work_item_id,
        "position": position,
    }


def routing_result(entry_id: str, *, routing_type: str, failure_type: str, fields: Json) -> Json:
    """RoutingResult; `fields` holds what the kind of result adds. It never names the request that it answers."""
    return {
        "entryType": "RoutingResult",
        "id": entry_id,
        "routingType": routing_type,
        "failureType": failure_type,
        "errorMessages": [],
        **fields,
    }


def work_result(entry_id: str, *, work_id: str, work_item_id: str, work_type: str, routing_type: str) -> Json:
    """Return a RoutingWorkResult: whether a rep accepted or declined the offered work."""
    return {
        "entryType": "RoutingWorkResult",
        "id": entry_id,
        "workId": work_id,
        "workTargetId": work_item_id,
        "workType": work_type,
        "routingType": routing_type,
        "errorMessages": [],
    }


def _message(entry_type: str, entry_id: str, message_type: str, container: str, content: Json) -> Json:
    abstract = {"messageType": message_type, "id": entry_id, container: content}
    return {"entryType": entry_type, "id": entry_id, "abstractMessage": abstract}
