"""Batches through the processor, with stores and a producer in memory: what is written, sent and dead-lettered."""

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest
from msgspec.structs import replace

from schemas import records
from schemas.codec import decode, encode
from schemas.dead_letters import LONGEST_KEY_BYTES, LONGEST_MESSAGE, POINTER_HEADER
from schemas.kafka_settings import LARGEST_CONTENT_BYTES
from schemas.topics import Topics
from streams.core.model.rules import Rules
from streams.core.model.state import RoutingResult
from streams.core.model.step import ROUTING, SEEN
from streams.metrics import Metrics
from streams.processor import LARGEST_VALUE_BYTES, Processor
from streams.runtime.batches import Batch
from streams.runtime.partition import CommitTimes, OwnedPartition
from streams.runtime.records import TopicPartition
from streams.state.tables import Tables
from tests.support import domain
from tests.support.faust_store import MemoryTables
from tests.support.memory_transactions import MemoryTransactions

TOPICS = Topics(prefix="p", app_id="app")


@dataclass(frozen=True, slots=True)
class Fetched:
    topic: str
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()
    key: bytes | None = b"key"
    partition: int = 2
    offset: int = 7
    timestamp: int = 0
    timestamp_type: int = 0


class Rig:
    """A processor and one partition, with its transaction open."""

    def __init__(
        self, executor: ThreadPoolExecutor, producer: MemoryTransactions, largest: int = LARGEST_VALUE_BYTES
    ) -> None:
        self.now_ms = domain.T0 + 1_000
        self.tables = Tables(MemoryTables(), 4)
        self.metrics = Metrics()
        self.processor = Processor(self.tables, TOPICS, Rules(), lambda: self.now_ms, self.metrics, largest)
        self.producer = producer
        times = CommitTimes(linger_s=1, max_open_s=1, settle_timeout_s=30)
        self.partition = OwnedPartition(2, producer, executor, lambda lost: None, self.processor.write_changelog, times)

    def apply(self, *found: Fetched) -> None:
        self.processor.apply(Batch(TopicPartition(found[0].topic, 2), self.partition, list(found)))

    def sent(self, topic: str) -> list[bytes | None]:
        return [value for name, _, value in self.producer.open if name == topic]

    def headers(self) -> dict[str, bytes]:
        """Of the last record."""
        return dict(self.producer.headers[-1])


@pytest.fixture
def executor() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as executor:
        yield executor


@pytest.fixture
def rig(executor: ThreadPoolExecutor) -> Rig:
    return Rig(executor, MemoryTransactions())


def message(number: int) -> Fetched:
    return Fetched(TOPICS.events, encode(domain.message(f"text {number}", entry_id=f"m{number}")))


@pytest.mark.parametrize(
    ("topic", "value"),
    [
        pytest.param(TOPICS.events, b"no avro", id="an event that is no Avro"),
        pytest.param(TOPICS.events, None, id="an event without a value"),
        pytest.param(TOPICS.events, encode(domain.event("no json")), id="an event whose payload is no JSON"),
        pytest.param(TOPICS.routing_decisions, b"no avro", id="a decision that is no Avro"),
        pytest.param(TOPICS.receipts, b"no avro", id="a receipt that is no Avro"),
    ],
)
def test_what_cannot_be_decoded_becomes_a_dead_letter_with_its_bytes(rig: Rig, topic: str, value: bytes | None) -> None:
    rig.apply(Fetched(topic, value, [("own", b"kept")]))
    assert rig.producer.open == [(TOPICS.dead_letters, b"key", value)]
    headers = rig.headers()
    assert headers["own"] == b"kept"
    assert headers["__connect.errors.stage"] == b"VALUE_CONVERTER"
    assert headers["__connect.errors.topic"] == topic.encode()
    assert headers["__connect.errors.class.name"] == b"streams.processor"
    names = ("partition", "offset", "connector.name", "task.id")
    assert [headers[f"__connect.errors.{name}"] for name in names] == [b"2", b"7", b"app", b"2"]


def test_the_reason_of_an_earlier_dead_letter_is_replaced(rig: Rig) -> None:
    before = [("__connect.errors.topic", b"elsewhere"), ("__connect.errors.exception.stacktrace", b"at ...")]
    rig.apply(Fetched(TOPICS.events, b"no avro", before))
    names = [name for name, _ in rig.producer.headers[-1]]
    assert len(names) == len(set(names))
    assert rig.headers()["__connect.errors.topic"] == TOPICS.events.encode()
    assert "__connect.errors.exception.stacktrace" not in names


def test_a_reason_is_cut_to_what_a_dead_letter_can_hold(rig: Rig) -> None:
    unreadable = replace(domain.event("no json"), topic="t" * 2 * LONGEST_MESSAGE)
    rig.apply(Fetched(TOPICS.events, encode(unreadable)))
    assert len(rig.headers()["__connect.errors.exception.message"]) == LONGEST_MESSAGE


def test_records_around_a_dead_letter_are_applied_and_all_are_counted(rig: Rig) -> None:
    rig.apply(message(1), Fetched(TOPICS.events, b"no avro"), message(2))
    sent = [decode(records.Delivery, value or b"") for value in rig.sent(TOPICS.deliveries)]
    assert [delivery.text for delivery in sent] == ["text 1", "text 2"]
    counted = rig.metrics.exposition().decode()
    assert "byoc_streams_records_total 3.0" in counted
    assert 'kind="dead_lettered",reason="DecodeError"} 1.0' in counted


def test_receipts_of_one_conversation_are_applied_around_one_that_cannot_be_read(rig: Rig) -> None:
    rig.apply(message(1))
    receipt = domain.receipt("delivered")
    rig.apply(Fetched(TOPICS.receipts, b"no avro"), Fetched(TOPICS.receipts, encode(receipt)))
    assert rig.sent(TOPICS.dead_letters) == [b"no avro"]
    found = rig.tables.partition(2).conversation(domain.CONVERSATION)
    assert found is not None
    assert found.details is not None


def test_each_changed_key_gets_one_changelog_record_and_its_timer(rig: Rig) -> None:
    rig.apply(*(message(number) for number in range(3)))
    rig.processor.write_changelog(rig.partition)
    assert len(rig.sent("app-conversations-changelog")) == 1
    assert len(rig.sent("app-seen-changelog")) == 1
    assert len(rig.partition.timers) == 2
    rig.processor.write_changelog(rig.partition)
    assert len(rig.sent("app-conversations-changelog")) == 1


def test_records_that_meet_a_full_queue_of_the_client_go_out_all_the_same(executor: ThreadPoolExecutor) -> None:
    rig = Rig(executor, MemoryTransactions(queue_size=2, drained_at_once=1))
    rig.apply(*(message(number) for number in range(10)))
    rig.processor.write_changelog(rig.partition)
    assert len(rig.sent(TOPICS.deliveries)) == 10
    assert (len(rig.sent("app-conversations-changelog")), len(rig.sent("app-seen-changelog"))) == (1, 1)


def test_a_deadline_that_passed_is_told_and_one_that_has_not_gets_its_timer_again(rig: Rig) -> None:
    rig.apply(Fetched(TOPICS.events, encode(domain.requested("r1"))))
    key = f"{domain.CONVERSATION}|r1"
    due_ms = rig.tables.partition(2).due_at_ms(ROUTING, key)
    assert due_ms is not None
    rig.processor.expire(rig.partition, [(ROUTING, key)], due_ms - 1, due_ms - 1)
    assert rig.sent(TOPICS.salesforce_calls) == []
    assert rig.partition.timers.next_due_ms() == due_ms
    rig.processor.expire(rig.partition, [(ROUTING, key)], due_ms, due_ms)
    assert len(rig.sent(TOPICS.salesforce_calls)) == 1


def test_a_call_is_not_made_when_the_clock_is_past_its_deadline_though_the_inputs_are_not(rig: Rig) -> None:
    rig.apply(Fetched(TOPICS.events, encode(domain.requested("r1"))))
    key = f"{domain.CONVERSATION}|r1"
    due_ms = rig.tables.partition(2).due_at_ms(ROUTING, key)
    assert due_ms is not None
    rig.processor.expire(rig.partition, [(ROUTING, key)], due_ms, domain.T0 + 60_000)
    assert rig.sent(TOPICS.salesforce_calls) == []
    assert len(rig.sent(TOPICS.routing_outcomes)) == 1


def test_a_segment_of_seen_entries_is_dropped_when_its_time_has_come(rig: Rig) -> None:
    rig.apply(message(1))
    rig.processor.write_changelog(rig.partition)
    ((_, due_ms, _, key),) = [due for due in rig.tables.due_times() if due[2] == SEEN]
    rig.processor.expire(rig.partition, [(SEEN, key), (SEEN, key)], due_ms, due_ms)
    rig.processor.write_changelog(rig.partition)
    assert rig.sent("app-seen-changelog")[1:] == [None]
    rig.apply(message(1))  # nobody remembers it
    assert len(rig.sent(TOPICS.deliveries)) == 2


def test_an_output_that_fits_no_record_costs_its_own_record_only(executor: ThreadPoolExecutor) -> None:
    rig = Rig(executor, MemoryTransactions(), largest=2_000)
    poison = Fetched(TOPICS.events, encode(domain.message("x" * 2_000, entry_id="big")))
    rig.apply(message(1), poison, message(2))
    sent = [decode(records.Delivery, value or b"").text for value in rig.sent(TOPICS.deliveries)]
    assert sent == ["text 1", "text 2"]
    assert rig.sent(TOPICS.dead_letters) == [poison.value]
    (headers,) = [dict(each) for each in rig.producer.headers if each]
    assert headers["__connect.errors.exception.class.name"] == b"TooLarge"
    conversation = rig.tables.partition(2).conversation(domain.CONVERSATION)
    assert conversation is not None
    assert conversation.counters.delivered == 2, "state of the record that was given up"


def test_what_an_encoder_refuses_costs_its_own_record_only(rig: Rig) -> None:
    topic, encode_delivery = rig.processor._outputs[records.Delivery]

    def refusing(output: records.Delivery) -> bytes:
        no_text: Any = 5
        return encode_delivery(replace(output, text=no_text) if output.text == "text 2" else output)

    rig.processor._outputs[records.Delivery] = (topic, refusing)
    found = [message(number) for number in (1, 2, 3)]
    rig.apply(*found)
    assert [decode(records.Delivery, value or b"").text for value in rig.sent(TOPICS.deliveries)] == [
        "text 1",
        "text 3",
    ]
    assert rig.sent(TOPICS.dead_letters) == [found[1].value]


@pytest.mark.parametrize(
    ("value", "headers"),
    [
        pytest.param(b"x" * (LARGEST_CONTENT_BYTES + 1), [], id="value"),
        pytest.param(b"x" * (LARGEST_CONTENT_BYTES - 100), [], id="value that fits without the reason"),
        pytest.param(b"no avro", [("own", b"x" * LARGEST_CONTENT_BYTES)], id="headers"),
    ],
)
def test_a_dead_letter_that_would_not_fit_points_to_its_record(
    rig: Rig, value: bytes, headers: list[tuple[str, bytes]]
) -> None:
    rig.apply(Fetched(TOPICS.events, value, headers), message(1))
    (letter,) = rig.sent(TOPICS.dead_letters)
    told = json.loads(letter or b"")
    place = {"topic": TOPICS.events, "partition": 2, "offset": 7, "key": "key"}
    assert {name: told[name] for name in place} == place
    assert told["size"] >= len(value)
    assert "neither Avro single-object encoding" in told["reason"]
    (found,) = [dict(each) for each in rig.producer.headers if each]
    assert found[POINTER_HEADER] == b"true"
    assert found["__connect.errors.offset"] == b"7"
    assert "own" not in found
    assert len(rig.sent(TOPICS.deliveries)) == 1


@pytest.mark.parametrize(
    ("size", "kept"),
    [pytest.param(LONGEST_KEY_BYTES, True, id="an id"), pytest.param(LONGEST_KEY_BYTES + 1, False, id="longer")],
)
def test_a_pointer_goes_without_a_key_that_is_longer_than_any_id(rig: Rig, size: int, kept: bool) -> None:
    key = b"k" * size
    rig.apply(Fetched(TOPICS.events, b"x" * LARGEST_CONTENT_BYTES, key=key))
    assert [found for topic, found, _ in rig.producer.open if topic == TOPICS.dead_letters] == [key if kept else None]


def test_one_receipt_out_of_bounds_does_not_cost_those_beside_it(rig: Rig) -> None:
    rig.apply(message(1))
    good, late = domain.receipt("delivered"), replace(domain.receipt("read"), at_ms=2**63 - 1)
    rig.apply(Fetched(TOPICS.receipts, encode(late)), Fetched(TOPICS.receipts, encode(good)))
    assert rig.sent(TOPICS.dead_letters) == [encode(late)]
    assert b"at_ms" in rig.headers()["__connect.errors.exception.message"]
    found = rig.tables.partition(2).conversation(domain.CONVERSATION)
    assert found is not None
    assert found.details is not None
    assert found.details.receipts is not None
    assert (found.details.receipts.delivered, found.details.receipts.read) == (1, 0)


def test_a_value_that_cannot_be_written_is_named_and_the_one_before_it_is_the_state(rig: Rig) -> None:
    rig.apply(message(1))
    rig.processor.write_changelog(rig.partition)
    state = rig.tables.partition(2)
    before = state.conversation(domain.CONVERSATION)
    assert before is not None
    table = state._conversations
    table.put(domain.CONVERSATION, replace(before, started_at_ms=2**70))
    rig.processor.write_changelog(rig.partition)
    table.put(domain.CONVERSATION, replace(before, consent="x" * LARGEST_CONTENT_BYTES))
    rig.processor.write_changelog(rig.partition)
    assert state.conversation(domain.CONVERSATION) == before
    assert len(rig.sent("app-conversations-changelog")) == 1
    first, second = (json.loads(value or b"") for value in rig.sent(TOPICS.dead_letters))
    assert (first["topic"], first["key"]) == ("app-conversations-changelog", domain.CONVERSATION)
    assert "encoding it failed" in first["reason"]
    assert "bytes, and may have" in second["reason"]


def test_a_deadline_that_cannot_pass_is_named_and_those_after_it_pass(rig: Rig) -> None:
    for name in ("r1", "r2"):
        rig.apply(Fetched(TOPICS.events, encode(domain.requested(name))))
    state = rig.tables.partition(2)
    request = state.request(domain.CONVERSATION, "r1")
    assert request is not None
    nonsense = RoutingResult("u1", domain.T0, domain.T0, verdict="a word that no table has")
    state._requests.put(request.key, replace(request, results=(nonsense,)))
    due = [(ROUTING, f"{domain.CONVERSATION}|{name}") for name in ("r1", "r2")]
    late_ms = domain.T0 + 300_000
    rig.processor.expire(rig.partition, due, late_ms, late_ms)
    (letter,) = rig.sent(TOPICS.dead_letters)
    told = json.loads(letter or b"")
    assert (told["topic"], told["key"]) == ("app-routing-changelog", request.key)
    assert "letting its deadline pass" in told["reason"]
    assert len(rig.sent(TOPICS.routing_outcomes)) == 1
