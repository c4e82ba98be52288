"""Table keys, and the ids of what leaves. Ids are digests of business keys, so a repeat has the same id for ever."""

from hashlib import blake2b

_ID_BYTES = 16  # 128 bits: no collision to expect among all deliveries ever made


def routing_key(conversation_id: str, request_id: str) -> str:
    """Key in the table `routing`."""
    return f"{conversation_id}|{request_id}"


def seen_key(conversation_id: str, entry_type: str, entry_id: str) -> str:
    """Key in the table `seen`. The entry id is the event UUID for an entry without one."""
    return f"{conversation_id}|{entry_type}|{entry_id}"


def digest(kind: str, conversation_id: str, identity: str) -> str:
    """32 hex digits that name one thing of one conversation: a delivery, a call, a derived request id."""
    return blake2b(f"{kind}|{conversation_id}|{identity}".encode(), digest_size=_ID_BYTES).hexdigest()


def record_id(value: str | None) -> str | None:
    """A Salesforce record id in its 15-character form; None for what is no record id.

    The 18-character form is the same id with a checksum for systems that ignore case.
    """
    if value is None or len(value) not in (15, 18) or not value.isalnum():
        return None
    return value[:15]
