"""The bounds of what enters the state, and that no value of the state is larger than is said."""

from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from schemas import records
from streams.core.model import bounds, state
from streams.core.model.details import MAX_CONSULTS, MAX_UPLOADS, Details, Mark, Queue, Receipts, Upload
from streams.core.model.errors import OutOfBounds, Unparsable
from streams.core.model.lenient import as_number, as_time_ms, is_too_deep
from streams.core.model.withheld import Withheld
from streams.core.routing.operations import REQUEST_CALLS
from tests.support import domain
from tests.support.domain import Partition

WIDE = "\U0001f44b"  # four bytes
NUMBER = bounds.LARGEST_NUMBER
TIME = bounds.LATEST_MS
ID = WIDE * bounds.LONGEST_ID
CONVERSATION = WIDE * bounds.LONGEST_CONVERSATION_ID
WORD = WIDE * bounds.LONGEST_WORD
NAME = WIDE * bounds.LONGEST_NAME
REASON = WIDE * bounds.LONGEST_REASON

RESULT = state.RoutingResult(ID, TIME, TIME, WORD, WORD, WORD, REASON, WORD, "r" * 15, ID, ID, ID, ID, (ID,) * 5)
MARK = Mark(TIME, ID)


def largest_conversation() -> state.Conversation:
    details = Details(
        withheld=tuple((reason.value, NUMBER) for reason in Withheld),
        queue=Queue(TIME, NUMBER, ID),
        progress_ms=TIME,
        reps_received=MARK,
        reps_read=MARK,
        uploads=(Upload(ID, TIME, "completed", ID, ID, WORD),) * MAX_UPLOADS,
        not_delivered=MARK,
        consults=(ID,) * MAX_CONSULTS,
        receipts=Receipts(NUMBER, NUMBER, NUMBER, MARK, MARK, MARK),
        closed_ms=TIME,
    )
    return state.Conversation(
        CONVERSATION,
        ID,
        ID,
        ID,
        (state.Participant(ID, WORD, WORD, NAME, TIME, TIME),) * state.MAX_PARTICIPANTS,
        state.Session(ID, WORD, TIME, TIME, WORD),
        WORD,
        (ID,) * state.MAX_OPEN_REQUESTS,
        (RESULT,) * state.MAX_ORPHANS,
        ((WORD, NUMBER),) * (state.MAX_ROUTING_TYPES + 1),
        state.Counters(NUMBER, NUMBER, NUMBER, NUMBER),
        TIME,
        TIME,
        TIME,
        True,
        NUMBER,
        details,
    )


def largest_request() -> state.RoutingRequest:
    facts = state.RequestFacts(
        ID,
        TIME,
        TIME,
        ID,
        WORD,
        "external",
        NUMBER,
        ID,
        ID,
        (ID,) * bounds.MOST_SKILLS,
        ID,
        ID,
        WIDE * bounds.LONGEST_CHANNEL_DATA,
        ID,
        ID,
    )
    return state.RoutingRequest(
        CONVERSATION,
        ID,
        facts,
        (state.Decision(ID, "refuse", TIME, REASON, ID, True),) * state.MAX_DECISIONS,
        (RESULT,) * state.MAX_RESULTS,
        (state.Moment("work_declined", TIME, ID),) * state.MAX_MOMENTS,
        "w" * 15,
        True,
        True,
        TIME,
        WORD,
        WORD,
        TIME,
        NUMBER,
        state.Told(True, "accept", True, WORD, NUMBER, tuple(REQUEST_CALLS), NUMBER),
        tuple(state.CallState(name, WORD, TIME, NUMBER, ID, ID) for name in REQUEST_CALLS),
        ID,
    )


@pytest.mark.parametrize("value", [largest_conversation(), largest_request()], ids=["conversation", "request"])
def test_no_value_of_the_state_is_larger_than_its_bound(value: msgspec.Struct) -> None:
    assert None not in msgspec.structs.astuple(value), "a field that is left out is not at its longest"
    size = len(msgspec.msgpack.encode(value))
    assert 0.55 * bounds.LARGEST_STATE_BYTES < size <= bounds.LARGEST_STATE_BYTES


def test_the_state_of_sixteen_participants_with_long_names_stays_small() -> None:
    partition = Partition()
    for number in range(state.MAX_PARTICIPANTS):
        who = {"subject": f"rep-{number}", "role": "Agent" * 1_000, "appType": "agent" * 1_000}
        change = {"operation": "add", "participant": who, "displayName": "n" * 125_000}
        partition.read(domain.entry("ParticipantChanged", {"entries": [change]}, entry_id=f"e{number}"))
    assert len(msgspec.msgpack.encode(partition.conversation)) < 10_000
    assert {len(each.display_name or "") for each in partition.conversation.participants} == {bounds.LONGEST_NAME}


HUGE = "x" * 1_000_000
TIMES = [2**63 - 1, bounds.LATEST_MS + 1, -1, -(2**63)]
MESSAGE = domain.message("Hello")
COMMAND = records.PartnerCommand(
    command_id="c1", conversation_id=domain.CONVERSATION, command="end_session", commanded_at_ms=domain.T0
)
CALL_RESULT = records.SalesforceCallResult(
    call_id="c1",
    conversation_id=domain.CONVERSATION,
    api="route",
    request_id="r1",
    outcome="accepted",
    attempts=1,
    completed_at_ms=domain.T0,
)
RECORDS: dict[str, tuple[Any, str, tuple[str, ...], tuple[str, ...]]] = {
    "event": (MESSAGE, "created_at_ms", ("conversation_id",), ("event_uuid", "org_id")),
    "event received": (MESSAGE, "received_at_ms", (), ()),
    "decision": (
        domain.decision("accept"),
        "decided_at_ms",
        ("conversation_id", "request_id", "decision_id"),
        ("user_id",),
    ),
    "receipt": (domain.receipt("delivered"), "at_ms", ("conversation_id", "delivery_id", "entry_id"), ()),
    "command": (COMMAND, "commanded_at_ms", ("conversation_id", "command_id"), ("user_id",)),
    "call result": (CALL_RESULT, "completed_at_ms", ("conversation_id", "call_id", "request_id"), ()),
}


def odd_records() -> list[Any]:
    found = []
    for name, (record, time, ids, optional) in RECORDS.items():
        found += [pytest.param(replace(record, **{time: at}), time, id=f"{name}, {time}={at}") for at in TIMES]
        found += [pytest.param(replace(record, **{each: HUGE}), each, id=f"{name}, long {each}") for each in ids]
        found += [pytest.param(replace(record, **{each: ""}), each, id=f"{name}, empty {each}") for each in ids]
        found += [pytest.param(replace(record, **{each: HUGE}), each, id=f"{name}, long {each}") for each in optional]
    split = "request_id"
    found.append(pytest.param(replace(domain.decision("accept"), request_id="a|b"), split, id="decision, separator"))
    found.append(pytest.param(replace(CALL_RESULT, request_id="a|b"), split, id="call result, separator"))
    return found


@pytest.mark.parametrize(("record", "field"), odd_records())
def test_a_field_out_of_its_bounds_refuses_its_record_and_names_the_field(record: Any, field: str) -> None:
    partition = Partition()
    with pytest.raises(Unparsable, match=field) as refused:
        partition.read(record)
    assert len(str(refused.value)) < 1_000
    assert not any(partition.state.tables.values())


@pytest.mark.parametrize("record", [each[0] for each in RECORDS.values()], ids=list(RECORDS))
def test_the_same_records_at_their_bounds_are_taken(record: Any) -> None:
    for name in record.__struct_fields__:
        if name.endswith("_at_ms") or name == "at_ms":
            for at in (0, bounds.LATEST_MS):
                Partition().read(replace(record, **{name: at}))
        elif name in ("user_id", "event_uuid", "org_id", "delivery_id", "entry_id", "call_id", "command_id"):
            Partition().read(replace(record, **{name: "x" * bounds.LONGEST_ID}))


LONG_ID = "i" * (bounds.LONGEST_ID + 1)
REQUESTED_IDS = ("channelData", "userId", "skillsList")


@pytest.mark.parametrize(
    "event",
    [
        pytest.param(domain.requested(LONG_ID), id="event id"),
        pytest.param(domain.requested("r1", userId=LONG_ID), id="rep"),
        pytest.param(domain.requested("r1", userId=None, skillsList=[LONG_ID]), id="skill"),
        pytest.param(domain.requested("r1", skillsList=["s"] * (bounds.MOST_SKILLS + 1)), id="many skills"),
        pytest.param(domain.requested(channelData="x" * (bounds.LONGEST_CHANNEL_DATA + 1)), id="channel data"),
        pytest.param(domain.message("Hello", entry_id=LONG_ID), id="entry id"),
        pytest.param(domain.entry("QueuePosition", {"position": 1, "pendingServiceRoutingId": LONG_ID}), id="psr"),
        pytest.param(domain.entry("MessageUpdated", {"updatedMessage": {"id": LONG_ID}}), id="updated message"),
        pytest.param(domain.entry("RoutingWorkResult", {"workId": LONG_ID}), id="work"),
        pytest.param(domain.entry("SessionStatusChanged", {"sessionId": LONG_ID}), id="session"),
        pytest.param(
            domain.entry("ParticipantChanged", {"entries": [{"participant": {"subject": LONG_ID}}]}), id="participant"
        ),
    ],
)
def test_an_id_that_is_too_long_refuses_the_event_and_is_never_cut(event: records.OutboundEvent) -> None:
    partition = Partition()
    with pytest.raises(Unparsable, match=r"characters|skills"):
        partition.read(event)
    assert not any(partition.state.tables.values())


@pytest.mark.parametrize("value", [10**30, -(10**30), 2**63, True, "5", 1.5, None, [], {}])
def test_what_is_no_number_of_64_bits_is_absent(value: object) -> None:
    assert as_number(value) is None


@pytest.mark.parametrize("value", [10**30, 2**63 - 1, bounds.LATEST_MS + 1, "9" * 5_000, "9" * 18, 0, -5, True, [], {}])
def test_what_is_no_time_is_absent(value: object) -> None:
    assert as_time_ms(value) is None


def nested(levels: int, wrap: Any) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = wrap(value)
    return value


@pytest.mark.parametrize("wrap", [lambda inner: [inner], lambda inner: {"a": inner, "b": 1}], ids=["arrays", "objects"])
def test_the_depth_is_a_number_of_ours(wrap: Any) -> None:
    assert not is_too_deep(nested(bounds.DEEPEST, wrap))
    assert is_too_deep(nested(bounds.DEEPEST + 1, wrap))
    assert is_too_deep(nested(100_000, wrap))


def test_out_of_bounds_is_unparsable_so_that_one_clause_catches_both() -> None:
    assert issubclass(OutOfBounds, Unparsable)
