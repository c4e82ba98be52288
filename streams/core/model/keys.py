"""Table keys, and the ids of the records that are sent.

Ids are digests of business keys: a repeated event leads to the same id, so the receiver can tell a repeat.

Conversation, entry and request ids are foreign text and may contain the separator. Two different tuples never make one
key: where the separator leaves it open which part it belongs to, every part is escaped, and the key has no separator.
Keys that were clear without this are as they always were, because changelogs hold them.
"""

from hashlib import blake2b

_ID_BYTES = 16  # 128 bits: no collision to expect among all deliveries ever made
_BETWEEN = "\\s"


def routing_key(conversation_id: str, request_id: str) -> str:
    """Key in the table `routing`. A request id of ours has no separator, one that a partner names may have."""
    if "|" in request_id:
        return _escaped(conversation_id, request_id)
    return f"{conversation_id}|{request_id}"


def ids_of_routing_key(key: str) -> tuple[str, str]:
    """The conversation's and the request's id of a key in the table `routing`."""
    if "|" not in key:
        conversation_id, _, request_id = key.partition(_BETWEEN)  # once in a key of ours; another names nobody
        return _unescaped(conversation_id), _unescaped(request_id)
    conversation_id, _, request_id = key.rpartition("|")
    return conversation_id, request_id


def seen_key(conversation_id: str, entry_type: str, entry_id: str) -> str:
    """Key in the table `seen`. For an entry without an id, `entry_id` is the EventUuid of its platform event."""
    if "|" in entry_id or "|" in entry_type:
        return _escaped(conversation_id, entry_type, entry_id)
    return f"{conversation_id}|{entry_type}|{entry_id}"


def digest(kind: str, conversation_id: str, identity: str) -> str:
    """32 hex digits that name one thing of one conversation: a delivery, a call, a derived request id.

    `kind` is a word of ours, or an entry type of the closed set: it has no separator.
    """
    if "|" in conversation_id:
        key = _escaped(kind, conversation_id, identity)
    else:
        key = f"{kind}|{conversation_id}|{identity}"
    return blake2b(key.encode(), digest_size=_ID_BYTES).hexdigest()


def _escaped(*parts: str) -> str:
    r"""The parts in one text without `|`: `\b` for a backslash, `\p` for the separator, `\s` between two parts."""
    return _BETWEEN.join(part.replace("\\", "\\b").replace("|", "\\p") for part in parts)


def _unescaped(part: str) -> str:
    return part.replace("\\p", "|").replace("\\b", "\\")


def record_id(value: str | None) -> str | None:
    """A Salesforce record id in its 15-character form; None for what is no record id.

    The 18-character form is the same id with a checksum for systems that ignore case.
    """
    if value is None or len(value) not in (15, 18) or not value.isalnum():
        return None
    return value[:15]
