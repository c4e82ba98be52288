"""What is done with a call, by what the journal and the log say of it."""

import json

import msgspec
import pytest

from connectors.kafka.consumed import ConsumedRecord
from connectors.sinks.interaction.doubt import GRACE_MS, LATE_MS, LogView, Once, Past, Step, what_to_do
from connectors.sinks.interaction.journal import STILL_S, Intent, Standstill, attempts, concluded
from connectors.sinks.interaction.routing_log import RoutingEvents, routing_type_of
from schemas.codec import encode
from schemas.records import OutboundEvent, SalesforceCallResult

NOW = 1_767_225_600_000
UNTIL = NOW + 40_000
NEVER = Past()
TRIED = Past(attempted_at_ms=NOW)
DONE = Past(attempted_at_ms=NOW, concluded=True)
SILENT = LogView(passed_ms=NOW + GRACE_MS - 1)
PASSED = LogView(passed_ms=NOW + GRACE_MS)
NEWER = LogView(newer_request=True, passed_ms=NOW + 60_000)
RESULT = LogView(result_since=True, passed_ms=NOW + 60_000)
BOTH = LogView(newer_request=True, result_since=True, passed_ms=NOW + 60_000)
UNKNOWN = LogView()
UNREADABLE = LogView(readable=False)


@pytest.mark.parametrize(
    ("once", "past", "view", "step"),
    [
        *[(once, DONE, view, Step.SKIP) for once in Once for view in (None, PASSED, NEWER)],
        *[(Once.HARMLESS, TRIED, view, Step.POST) for view in (None, NEWER, BOTH)],
        *[(once, NEVER, None, Step.POST) for once in Once],
        *[(once, TRIED, view, Step.ASK) for once in list(Once)[1:] for view in (None, SILENT, UNKNOWN, UNREADABLE)],
        *[(once, TRIED, PASSED, Step.POST) for once in Once],
        *[(once, TRIED, view, Step.END_IN_DOUBT) for once in list(Once)[1:] for view in (NEWER, BOTH)],
        (Once.UNTIL_CONCLUDED, TRIED, RESULT, Step.END_IN_DOUBT),
        (Once.UNTIL_NEWER, TRIED, RESULT, Step.POST),
    ],
)
def test_a_fresh_call(once: Once, past: Past, view: LogView | None, step: Step) -> None:
    assert what_to_do(once, NOW, UNTIL, past, view, NOW) is step


@pytest.mark.parametrize(
    ("view", "step"),
    [
        (None, Step.ASK),
        *[(view, Step.POST) for view in (SILENT, PASSED, UNKNOWN, UNREADABLE, RESULT, NEWER)],
        (BOTH, Step.WITHHOLD),
    ],
)
def test_a_first_call_that_is_late_asks_once(view: LogView | None, step: Step) -> None:
    assert what_to_do(Once.UNTIL_CONCLUDED, NOW, UNTIL, NEVER, view, NOW + LATE_MS + 1) is step


@pytest.mark.parametrize("view", [None, SILENT, PASSED, NEWER])
def test_a_doubt_ends_at_the_deadline(view: LogView | None) -> None:
    assert what_to_do(Once.UNTIL_CONCLUDED, NOW, UNTIL, TRIED, view, UNTIL) is Step.END_IN_DOUBT


def test_a_first_call_past_its_deadline_does_not_ask() -> None:
    assert what_to_do(Once.UNTIL_CONCLUDED, NOW, UNTIL, NEVER, None, UNTIL) is Step.POST  # which ends as expired


def event(
    payload: str, event_type: str = "Interaction", *, key: str = "cv", at_ms: int = NOW, received_ms: int = NOW * 2
) -> ConsumedRecord:
    found = OutboundEvent(
        event_uuid="uuid",
        replay_id=b"",
        schema_id="s",
        topic="/event/A__e",
        org_id="o",
        event_type=event_type,
        conversation_id=key,
        created_at_ms=at_ms,
        received_at_ms=received_ms,
        payload=payload,
    )
    return ConsumedRecord(topic="e", partition=0, offset=0, key=key.encode(), value=encode(found), timestamp_ms=at_ms)


def request(name: str, routing_type: str = "Transfer") -> ConsumedRecord:
    payload = json.dumps({"routingType": routing_type, "channelData": json.dumps({"eventId": name})})
    return event(payload, "RoutingRequested")


RESULT_EVENT = event('{"entryType":"RoutingResult"}')


@pytest.mark.parametrize(
    ("records", "newer", "result"),
    [
        ([request("r-1")], False, False),
        ([request("r-1"), request("r-1")], False, False),
        ([RESULT_EVENT, request("r-0"), request("r-1")], False, False),
        ([request("r-1"), RESULT_EVENT], False, True),
        ([request("r-1"), request("r-2")], True, False),
        ([request("r-1"), request("r-11")], True, False),
        ([request("r-1"), request("r-2", "Initial")], False, False),
        ([request("r-1"), RESULT_EVENT, request("r-2")], True, True),
        ([request("r-1"), event('{"entryType":"RoutingWorkResult"}')], False, False),
        ([request("r-1"), event('{"entryType":"RoutingResult"}', key="other")], False, False),
    ],
)
def test_what_the_events_say_of_a_request(records: list[ConsumedRecord], newer: bool, result: bool) -> None:
    events = RoutingEvents()
    events.take(records)
    events.take([])
    assert events.view("cv", "r-1", "Transfer") == LogView(newer_request=newer, result_since=result, passed_ms=NOW)


def test_progress_counts_when_one_more_round_was_read() -> None:
    events = RoutingEvents()
    events.take([request("r-1"), event("{}", key="other", at_ms=NOW + 9)])
    assert events.view("cv", "r-1", None).passed_ms is None
    events.take([event("{}", key="other", at_ms=NOW + 99)])
    assert events.view("cv", "r-1", None).passed_ms == NOW + 9


def test_a_date_in_the_future_is_no_progress() -> None:
    events = RoutingEvents()
    events.take([request("r-1"), event("{}", at_ms=NOW * 9, received_ms=NOW + 1)])
    events.take([])
    assert events.view("cv", "r-1", None).passed_ms == NOW + 1


def test_a_request_that_was_not_read_has_no_progress() -> None:
    events = RoutingEvents()
    events.take([request("r-2"), RESULT_EVENT])
    events.take([])
    assert events.view("cv", "r-1", None) == LogView()


def test_old_conversations_are_forgotten() -> None:
    events = RoutingEvents()
    events.take([request("r-1")])
    events.forget_before(NOW)
    assert "cv" in events.by_conversation
    events.forget_before(NOW + 1)
    assert events.by_conversation == {}


def record(value: bytes) -> ConsumedRecord:
    return ConsumedRecord(topic="j", partition=0, offset=0, key=None, value=value, timestamp_ms=NOW)


def test_the_last_attempt_of_a_call_counts_and_foreign_records_do_not() -> None:
    written = [Intent(call_id="c", offset=1, member="m", at_ms=NOW + n) for n in range(2)]
    records = [record(msgspec.json.encode(each)) for each in written]
    assert attempts([record(b"{"), *records, record(b'{"callId":5}')]) == {"c": Past(attempted_at_ms=NOW + 1)}


def test_results_are_known_by_the_id_of_their_call() -> None:
    result = SalesforceCallResult(
        call_id="c", conversation_id="cv", api="routingResult", outcome="accepted", attempts=1, completed_at_ms=NOW
    )
    assert concluded([record(b"?"), record(encode(result))]) == {"c"}


@pytest.mark.parametrize(("text", "found"), [('{"routingType" : "Initial"}', "Initial"), ("{}", None), ("", None)])
def test_the_routing_type_of_a_text(text: str, found: str | None) -> None:
    assert routing_type_of(text) == found


def test_who_stood_still_sends_nothing_until_it_can_have_heard_of_it() -> None:
    still = Standstill(100.0)
    assert still.may_send(100.0)
    assert still.may_send(100.0 + STILL_S - 0.1)
    assert not still.may_send(100.0 + STILL_S), "it has just woken up, and the tick is due"
    still.tick(100.0 + STILL_S)
    assert not still.may_send(104.0)
    for second in range(104, 109):
        still.tick(float(second))
    assert still.may_send(109.0)


def test_a_tick_that_is_a_little_late_is_no_standstill() -> None:
    still = Standstill(100.0)
    still.tick(100.0 + STILL_S - 0.1)
    assert still.may_send(103.0)
