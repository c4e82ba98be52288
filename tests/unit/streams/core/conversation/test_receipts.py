"""Receipts of deliveries: what is kept of them, and what Salesforce is told."""

import json
from typing import Any

import pytest

from schemas.records import DeliveryReceipt
from streams.core.conversation.receipts import delivery_status
from streams.core.model.details import Mark, Receipts
from streams.core.model.rules import Rules
from tests.support.domain import (
    CHANNEL,
    CONVERSATION,
    END_USER,
    ORG,
    SECOND,
    T0,
    Partition,
    envelope,
    event,
    message,
    receipt,
    text_body,
    typing,
)

ACKNOWLEDGING = Rules(acknowledged_channels=frozenset({CHANNEL}))


def delivered(rules: Rules = ACKNOWLEDGING, *entry_ids: str) -> Partition:
    partition = Partition(rules)
    for entry_id in entry_ids or ("e1",):
        partition.read(message(entry_id=entry_id))
    return partition


def receipts(partition: Partition) -> Receipts:
    details = partition.conversation.details
    assert details is not None
    assert details.receipts is not None
    return details.receipts


def told(partition: Partition) -> list[tuple[str, str]]:
    found = [each for call in partition.calls for each in json.loads(call.body)["acknowledgements"]]
    return [(each["acknowledgementType"], each["acknowledgedConversationEntryIdentifier"]) for each in found]


def test_receipts_move_the_state_of_deliveries() -> None:
    partition = delivered(Rules(), "e1", "e2", "e3")
    for each in (receipt("delivered", at=1), receipt("read", at=5), receipt("failed", entry_id="e2", at=3)):
        partition.read(each)
    assert receipts(partition) == Receipts(1, 1, 1, Mark(T0 + 1, "e1"), Mark(T0 + 5, "e1"), Mark(T0 + 3, "e2"))
    assert partition.calls == []
    assert partition.conversation.last_activity_ms == T0 + 5


def test_a_receipt_becomes_an_acknowledgement_with_everything_the_api_asks_for() -> None:
    partition = delivered()
    partition.read(receipt("delivered", at=SECOND))
    (call,) = partition.calls
    assert (call.api, call.method, call.org_id, call.request_id) == ("acknowledgement", "POST", ORG, None)
    assert call.deadline_ms is not None
    body = json.loads(call.body)
    (acknowledged,) = body["acknowledgements"]
    assert len(acknowledged.pop("acknowledgmentCreatedConversationEntryIdentifier")) == 36
    assert acknowledged == {
        "acknowledgementType": "Delivered",
        "acknowledgedConversationEntryIdentifier": "e1",
        "acknowledgementTimestamp": T0 + SECOND,
    }
    assert body["sender"] == {"appType": "custom", "subject": END_USER, "role": "EndUser"}
    assert body["conversationIdentifier"] == CONVERSATION


def test_receipts_that_are_read_together_share_calls_of_25() -> None:
    ids = [f"e{number}" for number in range(60)]
    partition = delivered(ACKNOWLEDGING, *ids)
    partition.read_together([receipt("read", entry_id=each) for each in ids])
    assert [len(json.loads(call.body)["acknowledgements"]) for call in partition.calls] == [25, 25, 10]
    assert len({call.call_id for call in partition.calls}) == 3
    assert told(partition) == [("Read", each) for each in ids]


NOT_TOLD = [
    pytest.param(receipt("failed"), id="a failure"),
    pytest.param(receipt("seen from afar"), id="an unknown status"),
    pytest.param(receipt(delivery_id="typing-1"), id="a delivery that is no message"),
]


@pytest.mark.parametrize("told_of", NOT_TOLD)
def test_only_messages_delivered_or_read_are_acknowledged(told_of: DeliveryReceipt) -> None:
    partition = delivered()
    partition.read(told_of)
    assert partition.calls == []


def test_a_channel_without_acknowledgements_is_not_told_of() -> None:
    for channels, calls in ((frozenset({"another"}), 0), (frozenset({"*"}), 1)):
        partition = delivered(Rules(acknowledged_channels=channels))
        partition.read(receipt())
        assert len(partition.calls) == calls


def test_a_repeated_receipt_changes_nothing() -> None:
    partition = delivered()
    partition.read(receipt())
    assert partition.read(receipt(at=9 * SECOND)).changes_nothing()
    assert partition.read_together([receipt("read"), receipt("read")]).outputs == [partition.calls[-1]]
    assert receipts(partition).read == 1


def test_a_delivered_after_read_is_kept_and_not_acknowledged() -> None:
    partition = delivered(ACKNOWLEDGING, "e1", "e2")
    partition.read(receipt("read", at=1))
    partition.read(receipt("delivered", at=2))
    partition.read_together([receipt("read", entry_id="e2"), receipt("delivered", entry_id="e2")])
    assert told(partition) == [("Read", "e1"), ("Read", "e2")]
    assert receipts(partition).delivered == 2


def test_the_typing_of_a_rep_is_not_acknowledged() -> None:
    partition = delivered()
    partition.read(typing())
    typed = partition.deliveries[-1]
    partition.read(receipt(delivery_id=typed.delivery_id, entry_id=typed.entry_id))
    assert partition.calls == []


def test_nobody_is_told_when_the_conversation_has_no_identifier_of_its_own() -> None:
    key = f"{CHANNEL}:{END_USER}"
    partition = Partition(ACKNOWLEDGING)
    partition.read(event(envelope(text_body()), conversation_id=key))
    fields: dict[str, Any] = {name: getattr(receipt(), name) for name in DeliveryReceipt.__struct_fields__}
    delivery_id = partition.deliveries[0].delivery_id
    partition.read(DeliveryReceipt(**{**fields, "conversation_id": key, "delivery_id": delivery_id}))
    assert partition.calls == []
    assert ("acknowledgement", "conversation_unknown") in partition.counts


def test_a_receipt_read_before_its_conversation_leaves_the_same_state() -> None:
    before, after = Partition(ACKNOWLEDGING), Partition(ACKNOWLEDGING)
    first, second = message(uuid="a", at=5), receipt("read", at=9)
    for each in (second, first):
        before.read(each)
    for each in (first, second):
        after.read(each)
    assert before.state.facts() == after.state.facts()
    assert (len(before.calls), len(after.calls)) == (0, 1)
    assert before.conversation.started_at_ms == T0 + 5


@pytest.mark.parametrize(
    ("statuses", "known"),
    [
        pytest.param([], "no_receipt", id="nothing"),
        pytest.param(["failed"], "failed", id="failed"),
        pytest.param(["failed", "delivered"], "delivered", id="delivered after all"),
        pytest.param(["read", "delivered"], "read", id="read is not lowered"),
    ],
)
def test_a_delivery_has_the_state_that_says_most(statuses: list[str], known: str) -> None:
    partition = delivered()
    for status in statuses:
        partition.read(receipt(status))
    delivery_id = partition.deliveries[0].delivery_id
    assert delivery_status(partition.state, CONVERSATION, delivery_id) == known
    assert delivery_status(partition.state, "another", delivery_id) == "no_receipt"
