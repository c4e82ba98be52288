"""An event that is published and not yet in the log, and what a fault changes in it. Pure."""

import msgspec

from schemas.proto import pubsub_api_pb2 as pb
from simulator.events.event_facts import UNREADABLE, EventFacts
from simulator.faults.fault import Damage, WrongReplayId
from simulator.org import replay_ids
from simulator.org.ledger import LedgerEntry
from simulator.service.routing_desk import Planned

_UNKNOWN_SCHEMA = "AAAAAAAAAAAAAAAAAAAAAA"  # the form of an id, and the fingerprint of nothing
_LOW_ID = replay_ids.encode(1)


class PendingEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A serialised `ProducerEvent` and what is known of it. `shown_id` replaces the replay id that subscribers get."""

    topic: str
    serialised: bytes
    facts: EventFacts
    event_uuid: str
    created_at_ms: int
    planned: Planned = Planned.ANSWER
    shown_id: bytes | None = None

    def provisional(self) -> LedgerEntry:
        """Return a ledger entry for an event that is not in the log yet: its index is 0."""
        return LedgerEntry(
            index=0,
            event_uuid=self.event_uuid,
            replay_id=b"",
            topic=self.topic,
            conversation_id=self.facts.conversation_id,
            seq=0,
            event_type=self.facts.event_type,
            entry_type=self.facts.entry_type,
            entry_id=self.facts.entry_id,
            duplicate_of_seq=None,
            expect=self.facts.expect,
            created_at_ms=self.created_at_ms,
            request_id=None,
        )


def with_fault(event: PendingEvent, fault: Damage | WrongReplayId) -> PendingEvent:
    """Return the event with the fault. A damaged event has no facts: nobody can read its payload."""
    if isinstance(fault, WrongReplayId):
        return msgspec.structs.replace(event, shown_id=b"" if fault.which == "none" else _LOW_ID)
    message = pb.ProducerEvent.FromString(event.serialised)
    match fault.how:
        case "noise":
            message.payload = bytes(byte ^ 0xFF for byte in message.payload)
        case "truncated":
            message.payload = message.payload[: len(message.payload) // 2]
        case "surplus":
            message.payload += b"\0\0"
        case "empty":
            message.payload = b""
        case "unknown_schema":
            message.schema_id = _UNKNOWN_SCHEMA
        case "no_schema":
            message.schema_id = ""
    return msgspec.structs.replace(event, serialised=message.SerializeToString(), facts=UNREADABLE)
