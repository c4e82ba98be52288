"""Reads back what a simulated org has published, from the bytes that subscribers get."""

from dataclasses import dataclass

import msgspec

from schemas.proto import pubsub_api_pb2 as pb
from simulator.org.ledger import LedgerEntry
from simulator.org.org import Org


@dataclass(frozen=True)
class Published:
    """A ledger entry beside the event that a subscriber receives for it."""

    entry: LedgerEntry
    event_type: str | None
    event_payload: str | None

    @property
    def session_status(self) -> str | None:
        """`sessionStatus` of a SessionStatusChanged."""
        if self.entry.entry_type != "SessionStatusChanged" or self.event_payload is None:
            return None
        status: str = msgspec.json.decode(self.event_payload)["payload"]["entryPayload"]["sessionStatus"]
        return status


def published_events(org: Org, topic: str | None = None) -> list[Published]:
    """All retained events of a topic in replay order. Raises `AssertionError` when ledger and log disagree."""
    topic = topic or org.settings.topics[0]
    batch = org.log.read(topic, 0, max(1, len(org.ledger)))
    frames = batch.events if batch is not None else []
    events = pb.FetchResponse.FromString(b"".join(part for frame in frames for part in frame)).events
    ledger = [entry for entry in org.ledger.page(0, len(org.ledger)) if entry.topic == topic]
    assert [entry.replay_id for entry in ledger] == [event.replay_id for event in events]
    assert [entry.event_uuid for entry in ledger] == [event.event.id for event in events]
    decoded = [org.event_schema(topic).decode(event.event.payload) for event in events]
    return [
        Published(entry, event.event_type, event.event_payload) for entry, event in zip(ledger, decoded, strict=True)
    ]
