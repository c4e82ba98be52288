"""Table keys, and the ids of the records that are sent.

Ids are digests of business keys: a repeated event leads to the same id, so the receiver can tell a repeat.
"""

from hashlib import blake2b

_ID_BYTES = 16  # 128 bits: no collision to expect among all deliveries ever made


def routing_key(conversation_id: str, request_id: str) -> str:
    """Key in the table `routing`."""
    return f"{conversation_id}|{request_id}"


def ids_of_routing_key(key: str) -> tuple[str, str]:
    """The conversation's and the request's id of a key in the table `routing`.

    A conversation id that was made of channel and subject may contain the separator; a request id never does.
    """
    conversation_id, _, request_id = key.rpartition("|")
    return conversation_id, request_id


def seen_key(conversation_id: str, entry_type: str, entry_id: str) -> str:
    """Key in the table `seen`. For an entry without an id, `entry_id` is the EventUuid of its platform event."""
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
