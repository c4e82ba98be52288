"""The table of entry types: complete, and in agreement with what others need to know of each type."""

import pytest

from schemas.records import DeliveryKind
from simulator.events.expectation import EXPECTED_OF
from streams.core.conversation.updates import STATE_HANDLERS
from streams.core.model.entry_types import ENTRY_TYPES, NEEDS_BODY, DeliveryClass, EntryType, label
from tests.support.domain import Partition, entry

DELIVER, STATE, EPHEMERAL, NEVER = DeliveryClass

# All entry types of the public schema with the class that the delivery rules give them, written down a second time.
PUBLIC = {
    "Message": DELIVER,
    "TypingStartedIndicator": EPHEMERAL,
    "TypingStoppedIndicator": EPHEMERAL,
    "ProgressIndicator": EPHEMERAL,
    "Note": NEVER,
    "FlagRaise": NEVER,
    "FlagLower": NEVER,
    "ParticipantChanged": STATE,
    "SessionStatusChanged": STATE,
    "DeliveryAcknowledgement": STATE,
    "ReadAcknowledgement": STATE,
    "QueuePosition": STATE,
    "MessageUpdated": STATE,
    "MessageDeliveryFailed": STATE,
    "EndUserConsentUpdated": STATE,
    "ConsultConversationInfo": STATE,
    "TransferProgress": STATE,
    "ParticipantsConferenced": STATE,
    "RoutingWorkResult": STATE,
    "RoutingResult": STATE,
}
ROWS = [pytest.param(name, row, id=name) for name, row in ENTRY_TYPES.items()]


def test_the_table_has_the_20_types_of_the_public_schema_with_their_classes() -> None:
    assert {name: row.delivery_class for name, row in ENTRY_TYPES.items() if row.in_schema} == PUBLIC
    assert len(PUBLIC) == 20


def test_the_simulator_that_judges_the_processor_knows_the_same_types() -> None:
    assert set(EXPECTED_OF) == set(PUBLIC)


def test_every_state_type_has_exactly_one_handler_and_nothing_else_has_one() -> None:
    state_types = [name for name, row in ENTRY_TYPES.items() if row.delivery_class is STATE]
    assert sorted(STATE_HANDLERS) == sorted(state_types)


@pytest.mark.parametrize(("name", "row"), ROWS)
def test_a_row_has_what_its_class_needs_and_nothing_else(name: str, row: EntryType) -> None:
    assert (row.withheld_as is not None) == (row.delivery_class is NEVER)
    assert bool(row.delivery_kind) == (row.delivery_class in (DELIVER, EPHEMERAL))
    assert row.delivery_kind in ("", *DeliveryKind)


@pytest.mark.parametrize(("name", "row"), [each for each in ROWS if each.values[1].withheld_as])
def test_a_type_that_must_not_leave_is_withheld_for_the_reason_of_its_row(name: str, row: EntryType) -> None:
    partition = Partition()
    partition.read(entry(name))
    assert partition.withheld() == [row.withheld_as]


@pytest.mark.parametrize(("name", "row"), [each for each in ROWS if each.values[1].delivery_class is STATE])
def test_a_state_entry_is_counted_under_its_type_and_reaches_nobody(name: str, row: EntryType) -> None:
    partition = Partition()
    partition.read(entry(name))
    assert ("state", name) in partition.counts
    assert partition.outputs == []
    assert partition.conversation.counters.state == 1


def test_the_body_is_kept_for_the_types_whose_row_says_so() -> None:
    assert {name for name, row in ENTRY_TYPES.items() if row.needs_body} == NEEDS_BODY


def test_types_without_a_row_share_one_label() -> None:
    assert (label("Message"), label("Tomorrow"), label("")) == ("Message", "unknown", "unknown")
