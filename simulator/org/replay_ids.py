"""Replay ids on the wire: an 8-byte big-endian counter and two zero bytes. Clients must treat them as opaque."""

LENGTH = 10
_COUNTER_BYTES = 8


class ReplayIdError(ValueError):
    """The bytes are no replay id of this org. Salesforce has one error code for all causes."""


def encode(position: int) -> bytes:
    """The 10-byte form of a position of the org's counter."""
    return position.to_bytes(_COUNTER_BYTES, "big") + b"\0\0"


def decode(replay_id: bytes) -> int:
    """The position behind a 10-byte id or its bare 8-byte form. Raises `ReplayIdError` for any other bytes."""
    if len(replay_id) not in (_COUNTER_BYTES, LENGTH) or any(replay_id[_COUNTER_BYTES:]):
        raise ReplayIdError(f"replay id {replay_id.hex()} is neither 8 bytes nor 8 bytes and two zero bytes")
    return int.from_bytes(replay_id[:_COUNTER_BYTES], "big")
