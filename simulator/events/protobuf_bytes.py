"""Protobuf bytes of Subscribe responses, joined by hand.

An event is serialised once, when it is published. A response is then a join of ready bytes: 100 events of 1 KB cost
about 50 us, where filling and serialising the message again costs milliseconds and would make the simulator, not the
connector, the thing that a benchmark measures. A test parses the bytes back with the generated classes.
"""

from collections.abc import Iterable
from itertools import chain

EventParts = tuple[bytes, ...]
"""One `events` field of a FetchResponse, in parts; preloaded events share the parts that repeat."""

# Tags: field number << 3 | wire type (2 = length-delimited, 0 = varint).
_FIELD_1 = b"\x0a"
_FIELD_2 = b"\x12"
_FIELD_3 = b"\x1a"
_FIELD_4_VARINT = b"\x20"


def varint(number: int) -> bytes:
    """Protobuf's variable-length form of a non-negative integer."""
    if number < 0x4000:  # nearly every length here
        return _SHORT_VARINTS[number]
    return _long_varint(number)


def _long_varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


_SHORT_VARINTS = tuple(_long_varint(number) for number in range(0x4000))


def producer_event(event_id: str, schema_id: str, payload: bytes) -> bytes:
    """A serialised `ProducerEvent` without headers."""
    uuid, schema = event_id.encode(), schema_id.encode()
    identity = (_FIELD_1, varint(len(uuid)), uuid, _FIELD_2, varint(len(schema)), schema)
    return b"".join((*identity, _FIELD_3, varint(len(payload)), payload))


def consumer_event(event: bytes, replay_id: bytes) -> bytes:
    """One `events` field of a FetchResponse: a serialised `ProducerEvent` and its replay id as a `ConsumerEvent`."""
    head = _FIELD_1 + varint(len(event))
    tail = _FIELD_2 + varint(len(replay_id)) + replay_id
    return b"".join((_FIELD_1, varint(len(head) + len(event) + len(tail)), head, event, tail))


def fetch_response(
    events: Iterable[EventParts], latest_replay_id: bytes, rpc_id: str, pending_num_requested: int
) -> bytes:
    """A serialised `FetchResponse`; without events it is a keepalive."""
    rpc = rpc_id.encode()
    tail = [_FIELD_2, varint(len(latest_replay_id)), latest_replay_id, _FIELD_3, varint(len(rpc)), rpc]
    if pending_num_requested > 0:  # proto3 leaves a zero out
        tail += [_FIELD_4_VARINT, varint(pending_num_requested)]
    return b"".join(chain(chain.from_iterable(events), tail))
