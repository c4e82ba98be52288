"""The ledger: numbers that a verifier can count by."""

from simulator.events.event_facts import EventFacts
from simulator.events.expectation import Expectation
from simulator.org.ledger import Ledger, LedgerEntry


def record(ledger: Ledger, conversation: str, uuid: str, expect: Expectation = Expectation.DELIVER) -> LedgerEntry:
    facts = EventFacts(event_type="Interaction", conversation_id=conversation, expect=expect)
    return ledger.record(
        facts, event_uuid=uuid, replay_id=b"\0" * 10, topic="/event/A__e", created_at_ms=1, request_id=None
    )


def test_seq_counts_each_conversation_from_one_and_index_counts_all() -> None:
    ledger = Ledger()
    entries = [record(ledger, conversation, f"u{n}") for n, conversation in enumerate("abaab")]
    assert [entry.seq for entry in entries] == [1, 1, 2, 3, 2]
    assert [entry.index for entry in entries] == [1, 2, 3, 4, 5]
    assert ledger.next_seq("a") == 4
    assert ledger.next_seq("new") == 1


def test_a_repeat_gets_its_own_seq_and_names_the_first() -> None:
    ledger = Ledger()
    entries = [record(ledger, "a", uuid) for uuid in ("u1", "u2", "u1", "u1")]
    assert [entry.seq for entry in entries] == [1, 2, 3, 4]
    assert [entry.duplicate_of_seq for entry in entries] == [None, None, 1, 1]


def test_the_same_uuid_in_another_conversation_is_no_repeat() -> None:
    ledger = Ledger()
    record(ledger, "a", "u1")
    assert record(ledger, "b", "u1").duplicate_of_seq is None


def test_pages_cover_everything_once() -> None:
    ledger = Ledger()
    for n in range(10):
        record(ledger, "a", f"u{n}")
    seen: list[int] = []
    after = 0
    while page := ledger.page(after, 3):
        seen += [entry.index for entry in page]
        after = page[-1].index
    assert seen == list(range(1, 11))


def test_counts_are_by_expectation_with_repeats_apart() -> None:
    ledger = Ledger()
    record(ledger, "a", "u1")
    record(ledger, "a", "u1")
    record(ledger, "a", "u2", Expectation.WITHHOLD)
    counts = {name: count for name, count in ledger.counts().items() if count}
    assert counts == {"deliver": 1, "duplicate": 1, "withhold": 1}
