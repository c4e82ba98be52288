"""The events that were published, in replay order, with the sequence numbers that a verifier needs. Pure."""

import msgspec

from simulator.events.event_facts import EventFacts
from simulator.events.expectation import Expectation


class LedgerEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One published event. `index` counts from 1.

    `seq` counts all events of a conversation from 1, duplicates included. `duplicate_of_seq` names the first event
    with the same UUID in the same conversation, of which this one is a repeat.
    """

    index: int
    event_uuid: str
    replay_id: bytes  # base64 in JSON
    topic: str
    conversation_id: str
    seq: int
    event_type: str
    entry_type: str | None
    entry_id: str | None
    duplicate_of_seq: int | None
    expect: Expectation
    created_at_ms: int
    request_id: str | None


class Ledger:
    """Append-only list of entries. It grows with what is published: about 600 bytes per event."""

    def __init__(self) -> None:
        """Begin without any event."""
        self._entries: list[LedgerEntry] = []
        self._last_seq: dict[str, int] = {}
        self._first_seq: dict[tuple[str, str], int] = {}
        self._counts = dict.fromkeys([*(kind.value for kind in Expectation), "duplicate"], 0)

    def __len__(self) -> int:
        """Return how many events were published."""
        return len(self._entries)

    def next_seq(self, conversation_id: str) -> int:
        """Return the sequence number of the next event of the conversation."""
        return self._last_seq.get(conversation_id, 0) + 1

    def record(
        self,
        facts: EventFacts,
        *,
        event_uuid: str,
        replay_id: bytes,
        topic: str,
        created_at_ms: int,
        request_id: str | None,
    ) -> LedgerEntry:
        """Append one event; call in the order of publishing."""
        seq = self.next_seq(facts.conversation_id)
        first = self._first_seq.setdefault((facts.conversation_id, event_uuid), seq)
        entry = LedgerEntry(
            index=len(self._entries) + 1,
            event_uuid=event_uuid,
            replay_id=replay_id,
            topic=topic,
            conversation_id=facts.conversation_id,
            seq=seq,
            event_type=facts.event_type,
            entry_type=facts.entry_type,
            entry_id=facts.entry_id,
            duplicate_of_seq=first if first != seq else None,
            expect=facts.expect,
            created_at_ms=created_at_ms,
            request_id=request_id,
        )
        self._last_seq[facts.conversation_id] = seq
        self._entries.append(entry)
        self._counts["duplicate" if entry.duplicate_of_seq is not None else facts.expect.value] += 1
        return entry

    def page(self, after: int, limit: int) -> list[LedgerEntry]:
        """Entries with an index above `after` (0 begins at the first), at most `limit` of them."""
        return self._entries[after : after + limit]

    def counts(self) -> dict[str, int]:
        """How many events of each expectation, repeats counted apart as `duplicate`."""
        return dict(self._counts)
