"""The conversation: who is in it, its session, when it ends and is forgotten."""

from typing import Any

import msgspec
import pytest

from streams.core.apply import due_at_ms, expire
from streams.core.model.rules import Rules
from streams.core.model.state import MAX_PARTICIPANTS, MAX_ROUTING_TYPES, Conversation, RoutingRequest, Seen
from streams.core.model.step import CONVERSATIONS, ROUTING, SEEN
from tests.support.domain import (
    CHANNEL,
    CONVERSATION,
    END_USER,
    ORG,
    SECOND,
    T0,
    WORK_ITEM,
    Partition,
    consent,
    decision,
    entry,
    envelope,
    event,
    message,
    participant,
    party,
    requested,
    result,
    session,
    text_body,
    typing,
)

RULES = Rules()
DAY = 24 * 3600 * SECOND


def present(partition: Partition) -> list[str]:
    return [each.subject for each in partition.conversation.participants if each.left_at_ms is None]


def test_the_first_event_names_the_conversation() -> None:
    partition = Partition()
    partition.read(message(at=3))
    known = partition.conversation
    assert (known.org_id, known.channel_address_id, known.end_user_subject) == (ORG, CHANNEL, END_USER)
    assert (known.started_at_ms, known.last_activity_ms, known.ended_at_ms) == (T0 + 3, T0 + 3, None)


def test_only_an_end_user_is_taken_as_the_end_user() -> None:
    partition = Partition()
    partition.read(event(envelope(text_body(), recipient=party("Agent", "005A"))))
    partition.read(message(entry_id="e2"))
    assert partition.conversation.end_user_subject == END_USER
    assert len(partition.deliveries) == 1


def test_a_routing_request_names_channel_and_end_user_too() -> None:
    partition = Partition()
    partition.read(requested(at=4))
    known = partition.conversation
    assert (known.channel_address_id, known.end_user_subject, known.last_activity_ms) == (CHANNEL, END_USER, T0 + 4)


def test_the_last_activity_never_goes_back() -> None:
    partition = Partition()
    partition.read(message(entry_id="e1", at=9))
    partition.read(message(entry_id="e2", at=3))
    partition.read(requested(at=2))
    assert partition.conversation.last_activity_ms == T0 + 9


def test_typing_leaves_the_conversation_as_it_is() -> None:
    partition = Partition()
    partition.read(message())
    assert partition.read(typing(at=9)).conversation is None


def test_entries_are_counted_by_what_became_of_them() -> None:
    partition = Partition()
    partition.read(message())
    partition.read(entry("Note"))
    partition.read(entry("QueuePosition"))
    partition.read(requested())
    counters = partition.conversation.counters
    assert (counters.delivered, counters.withheld, counters.state, counters.routing_requests) == (1, 1, 1, 1)


def test_participants_join_and_leave() -> None:
    partition = Partition()
    partition.read(participant("add", "005A", at=1, name="Ana"))
    partition.read(participant("Add", "005B", "Chatbot", at=2))
    partition.read(participant("REMOVE", "005A", at=3))
    left, stays = partition.conversation.participants[::-1]
    assert (left.subject, left.role, left.display_name, left.joined_at_ms, left.left_at_ms) == (
        "005A",
        "Agent",
        "Ana",
        T0 + 1,
        T0 + 3,
    )
    assert (stays.subject, stays.role, stays.app_type, stays.left_at_ms) == ("005B", "Chatbot", "agent", None)


def test_a_participant_who_comes_back_is_one_participant() -> None:
    partition = Partition()
    for at, operation in enumerate(("add", "remove", "add")):
        partition.read(participant(operation, "005A", at=at))
    (again,) = partition.conversation.participants
    assert (again.joined_at_ms, again.left_at_ms) == (T0 + 2, None)


def test_an_update_changes_what_it_names_and_nothing_else() -> None:
    partition = Partition()
    partition.read(participant("add", "005A", at=1, name="Ana"))
    partition.read(participant("update", "005A", at=2, name="Ana R."))
    (known,) = partition.conversation.participants
    assert (known.display_name, known.joined_at_ms) == ("Ana R.", T0 + 1)


NO_CHANGES = [
    pytest.param({"entries": []}, id="empty entries"),
    pytest.param(
        {"entries": [{"operation": "promote", "participant": party("Agent", "005A")}]}, id="unknown operation"
    ),
    pytest.param({"entries": [{"operation": "add", "participant": {"role": "Agent"}}]}, id="nobody"),
    pytest.param({"entries": [None, "x"]}, id="no objects"),
    pytest.param({"entries": [{"operation": "remove", "participant": party("Agent", "005A")}]}, id="was never there"),
]


@pytest.mark.parametrize("fields", NO_CHANGES)
def test_a_change_that_says_nothing_changes_nobody(fields: dict[str, Any]) -> None:
    partition = Partition()
    partition.read(entry("ParticipantChanged", fields))
    assert partition.conversation.participants == ()
    assert partition.conversation.ended_at_ms is None


def test_a_top_level_participant_is_one_change() -> None:
    partition = Partition()
    partition.read(entry("ParticipantChanged", {"operation": "add", "participant": party("Agent", "005A")}))
    assert present(partition) == ["005A"]


def test_routers_are_not_kept_when_they_leave() -> None:
    partition = Partition()
    partition.read(participant("add", "router-1", "Router", at=1))
    assert present(partition) == ["router-1"]
    partition.read(participant("remove", "router-1", "Router", at=2))
    assert partition.conversation.participants == ()


def test_participants_are_bounded_and_who_left_goes_first() -> None:
    partition = Partition()
    for index in range(MAX_PARTICIPANTS):
        partition.read(participant("add", f"005{index}", at=index))
    partition.read(participant("remove", "0053", at=50))
    partition.read(participant("add", "005X", at=51))
    assert len(partition.conversation.participants) == MAX_PARTICIPANTS
    assert "0053" not in [each.subject for each in partition.conversation.participants]
    partition.read(participant("add", "005Y", at=52))
    assert len(partition.conversation.participants) == MAX_PARTICIPANTS
    assert "0050" not in present(partition)


def test_routing_types_are_bounded() -> None:
    partition = Partition()
    for index in range(MAX_ROUTING_TYPES + 3):
        partition.read(requested(f"r{index}", routing_type=f"Type{index}"))
    assert len(partition.conversation.attempts) <= MAX_ROUTING_TYPES + 1
    assert [task.attempt for task in partition.tasks[-3:]] == [1, 2, 3]


def test_the_session_keeps_its_15_characters_and_status() -> None:
    partition = Partition()
    partition.read(session("Active", at=5, session_id=WORK_ITEM + "AAA"))
    known = partition.conversation.session
    assert (known.id, known.status, known.changed_at_ms) == (WORK_ITEM, "Active", T0 + 5)


def test_an_older_status_is_not_taken() -> None:
    partition = Partition()
    partition.read(session("Ended", at=5))
    partition.read(session("Active", at=4))
    assert partition.conversation.session.status == "Ended"
    assert partition.conversation.ended_at_ms == T0 + 5


def test_a_new_session_follows_an_ended_one() -> None:
    partition = Partition()
    partition.read(session("Ended", at=5))
    partition.read(entry("QueuePosition", {"workItemId": "0MwHs00000XyZ13"}, at=6))
    known = partition.conversation.session
    assert (known.id, known.status) == ("0MwHs00000XyZ13", None)


@pytest.mark.parametrize(
    ("named", "at"),
    [
        pytest.param("0MwHs00000XyZ13", 4, id="from before the end"),
        pytest.param("500", 6, id="no record id"),
        pytest.param(None, 6, id="nothing"),
    ],
)
def test_an_ended_session_is_not_replaced_by(named: str | None, at: int) -> None:
    partition = Partition()
    partition.read(session("Ended", at=5))
    partition.read(entry("QueuePosition", {"workItemId": named}, at=at))
    assert partition.conversation.session.id == WORK_ITEM


def test_a_session_that_goes_on_is_not_replaced() -> None:
    partition = Partition()
    partition.read(session("Active", at=5))
    partition.read(entry("QueuePosition", {"workItemId": "0MwHs00000XyZ13"}, at=6))
    assert partition.conversation.session.id == WORK_ITEM


@pytest.mark.parametrize(
    ("status", "ends"),
    [("Ended", True), ("Error", True), ("Inactive", False), ("Active", False), ("Waiting", False), ("New", False)],
)
def test_a_conversation_ends_with_its_session(status: str, ends: bool) -> None:
    partition = Partition()
    partition.read(session(status, at=5))
    assert partition.conversation.ended_at_ms == (T0 + 5 if ends else None)


def test_a_message_shows_that_a_conversation_goes_on() -> None:
    partition = Partition()
    partition.read(session("Ended", at=5))
    partition.read(entry("Note", at=6))
    assert partition.conversation.ended_at_ms == T0 + 5
    partition.read(message(at=7))
    assert partition.conversation.ended_at_ms is None


@pytest.mark.parametrize(
    ("status", "ends"), [pytest.param("Active", False, id="active"), pytest.param(None, True, id="not known")]
)
def test_a_conversation_ends_when_the_last_who_serves_leaves_a_session_that_is_not_active(
    status: str | None, ends: bool
) -> None:
    partition = Partition()
    if status is not None:
        partition.read(session(status))
    partition.read(participant("add", "005A", at=1))
    partition.read(participant("add", "bot", "Chatbot", at=2))
    partition.read(participant("remove", "005A", at=3))
    assert partition.conversation.ended_at_ms is None  # in a conference a removed rep is not the end
    partition.read(participant("remove", "bot", at=4))
    assert partition.conversation.ended_at_ms == (T0 + 4 if ends else None)
    partition.read(participant("add", "005B", at=5))
    assert partition.conversation.ended_at_ms is None


def test_an_ended_conversation_is_dropped_after_its_retention() -> None:
    partition = Partition()
    partition.read(session("Ended", at=5))
    partition.pass_time(7 * DAY + 4)
    assert partition.conversation.ended_at_ms is not None
    partition.pass_time(7 * DAY + 5)
    assert partition.state.tables[CONVERSATIONS] == {}


def test_a_conversation_that_never_ended_is_dropped_when_idle_for_long() -> None:
    partition = Partition()
    partition.read(message())
    partition.pass_time(30 * DAY - 1)
    assert CONVERSATION in partition.state.tables[CONVERSATIONS]
    partition.pass_time(31 * DAY)
    assert partition.state.tables[CONVERSATIONS] == {}


def test_an_opt_out_is_never_forgotten() -> None:
    partition = Partition()
    partition.read(consent("OptOut"))
    partition.read(session("Ended", at=5))
    partition.pass_time(400 * DAY)
    partition.read(message(at=400 * DAY))
    assert partition.withheld() == ["opted_out"]


def test_consent_without_a_status_is_left_alone() -> None:
    partition = Partition()
    partition.read(consent("OptOut"))
    partition.read(entry("EndUserConsentUpdated", {"consentStatus": None}))
    assert partition.conversation.consent == "OptOut"


@pytest.mark.parametrize(
    ("table", "key"),
    [
        pytest.param(CONVERSATIONS, "unknown", id="conversation"),
        pytest.param(ROUTING, "unknown|r1", id="request"),
        pytest.param(ROUTING, "no separator", id="ill-formed key"),
        pytest.param(SEEN, "unknown", id="seen"),
        pytest.param("another", CONVERSATION, id="another table"),
    ],
)
def test_expiring_what_is_not_there_changes_nothing(table: str, key: str) -> None:
    partition = Partition()
    partition.read(message())
    assert expire(partition.state, table, key, T0 + 400 * DAY, RULES).changes_nothing()


def test_expiring_too_early_changes_nothing() -> None:
    partition = Partition()
    partition.read(message())
    partition.read(requested())
    for table, values in partition.state.tables.items():
        for key, value in values.items():
            due = due_at_ms(value)
            assert due is not None
            assert expire(partition.state, table, key, due - 1, RULES).changes_nothing()
            assert not expire(partition.state, table, key, due, RULES).changes_nothing()


def test_every_value_survives_the_way_through_msgpack() -> None:
    partition = Partition()
    for record in (message(), session("Active"), participant("add"), requested(), result("None"), decision(at=0)):
        partition.read(record)
    partition.read(result("Cancelled", routing_type="Conference", sender=party("Router", "x")))
    types = {CONVERSATIONS: Conversation, ROUTING: RoutingRequest, SEEN: Seen}
    for table, values in partition.state.tables.items():
        for value in values.values():
            assert msgspec.msgpack.decode(msgspec.msgpack.encode(value), type=types[table]) == value


def test_a_conversation_does_not_grow_with_its_history() -> None:
    partition = Partition()
    sizes = []
    for index in range(400):
        partition.read(message(entry_id=f"e{index}", at=10 * index))
        partition.read(participant("add", f"005{index}", at=10 * index + 1))
        partition.read(participant("remove", f"005{index}", at=10 * index + 2))
        partition.read(requested(f"r{index}", at=10 * index + 3))
        partition.read(result("None", at=10 * index + 4, entry_id=f"x{index}", routing_type="Initial"))
        sizes.append(len(msgspec.msgpack.encode(partition.conversation)))
    assert max(sizes[200:]) <= max(sizes[:200]) + 40  # a few more digits
