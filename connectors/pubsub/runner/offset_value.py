"""The stored position of a topic, in the form of Kafka Connect's offset maps. Pure.

    partition  {"topic":"/event/X__e"}
    offset     {"committedAt":ms,"lastEventAt":ms,"replayId":"<base64>","v":1}

The replay id is in Base64, so that a position can be read, compared and patched with the usual tools. Times are epoch
ms; `lastEventAt` is the CreatedDate of the newest event up to the position, null when no event was seen yet.
"""

import base64
import binascii
from collections.abc import Mapping
from typing import Any, Final

from connectors.errors import TerminalError

VERSION: Final = 1


def partition_of(topic: str) -> dict[str, str]:
    """The source partition of a Salesforce topic."""
    return {"topic": topic}


def offset_of(replay_id: bytes, committed_at_ms: int, last_event_at_ms: int | None) -> dict[str, Any]:
    """The offset map that says: everything up to `replay_id` is in Kafka."""
    return {
        "replayId": base64.b64encode(replay_id).decode(),
        "committedAt": committed_at_ms,
        "lastEventAt": last_event_at_ms,
        "v": VERSION,
    }


def replay_id_of(offset: Mapping[str, Any] | None, topic: str) -> bytes | None:
    """The replay id in an offset map, None when there is no offset.

    Raises `TerminalError` for a map that cannot be read: starting from somewhere else would lose or repeat events.
    """
    if offset is None:
        return None
    text = offset.get("replayId")
    try:
        replay_id = base64.b64decode(text, validate=True) if isinstance(text, str) else b""
    except binascii.Error:
        replay_id = b""
    if not replay_id:
        raise TerminalError(
            f'reading the stored position of {topic}: its "replayId" is no base64 text; correct or delete the record in'
            " the offsets topic"
        )
    return replay_id
