"""A real streams worker on a real Kafka: what reaches the output topics, the dead letters and the query API."""

import http.client
import json
import time
import urllib.request
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from msgspec.structs import replace

from byoc.cli import main
from schemas import records
from schemas.codec import encode
from schemas.topics import Topics
from tests.support import domain
from tests.support.ids import IDS, UNREADABLE, path_of
from tests.support.kafka import TestBroker
from tests.support.processor import Processor, eventually, live, running_processor

pytestmark = pytest.mark.broker


def test_only_a_message_is_delivered_once_although_it_comes_twice(
    kafka: TestBroker, catalogue: Topics, tmp_path: Path
) -> None:
    with running_processor(kafka, catalogue, tmp_path) as processor:
        message = live(domain.message("Hello", entry_id="m1", uuid="u1"))
        note = live(domain.event(domain.envelope(domain.text_body("10 % at most", "n1", "Note"), entry_id="n1")))
        unknown = live(domain.entry("SendTranscriptRequestReceived", {"email": "a@b.example"}))
        processor.publish(message, note, replace(message, replay_id=b"\x01"), unknown)
        processor.publish(live(domain.message("Bye", entry_id="m2")))
        found = processor.await_records(catalogue.deliveries, records.Delivery, 2)
    assert [delivery.text for delivery in found] == ["Hello", "Bye"]


def test_what_cannot_be_read_is_dead_lettered_with_its_bytes_and_reason(
    kafka: TestBroker, catalogue: Topics, tmp_path: Path
) -> None:
    with running_processor(kafka, catalogue, tmp_path) as processor:
        kafka.produce(catalogue.events, [(b"key", b"no avro"), (b"key", None)])
        processor.publish(live(domain.event("no json")), live(domain.message("after", entry_id="m1")))
        processor.await_records(catalogue.deliveries, records.Delivery, 1)
        processor.await_consumed()
    found = kafka.read_committed(catalogue.dead_letters)
    assert {letter.value for letter in found} >= {b"no avro", None}
    assert len(found) == 3
    headers = dict(next(letter for letter in found if letter.value == b"no avro").headers)
    assert headers["__connect.errors.topic"] == catalogue.events.encode()
    assert headers["__connect.errors.stage"] == b"VALUE_CONVERTER"
    assert b"neither Avro single-object encoding" in (headers["__connect.errors.exception.message"] or b"")


def test_a_routing_request_is_announced_answered_and_ends_once(
    kafka: TestBroker, catalogue: Topics, tmp_path: Path
) -> None:
    with running_processor(kafka, catalogue, tmp_path) as processor:
        request = live(domain.requested("r1"))
        processor.publish(request)
        (task,) = processor.await_records(catalogue.routing_requests, records.RoutingTask, 1)
        assert task.deadline_ms == request.created_at_ms + 60_000
        shown = processor.get("/v1/routing/requests?state=open")
        assert [item["request_id"] for item in shown["requests"]] == ["r1"]
        processor.decide(replace(domain.decision("accept"), decided_at_ms=request.created_at_ms + 500))
        (call,) = processor.await_records(catalogue.salesforce_calls, records.SalesforceCall, 1)
        assert call.api == "routingResult"
        assert call.deadline_ms == task.deadline_ms
        processor.publish(live(domain.result("None")))
        (outcome,) = processor.await_records(catalogue.routing_outcomes, records.RoutingOutcome, 1)
        assert outcome.outcome == records.Outcome.ROUTED
        assert processor.get("/v1/routing/requests?state=open")["requests"] == []
    assert len(kafka.read_committed(catalogue.salesforce_calls)) == 1


def test_an_old_request_is_never_acted_on(kafka: TestBroker, catalogue: Topics, tmp_path: Path) -> None:
    with running_processor(kafka, catalogue, tmp_path) as processor:
        late = live(domain.requested("late"), age_ms=61_000)
        backlog = replace(live(domain.requested("backlog", at=1), age_ms=61_000), conversation_id="other")
        processor.publish(replace(late, received_at_ms=late.created_at_ms + 60_500), backlog)
        found = processor.await_records(catalogue.routing_outcomes, records.RoutingOutcome, 2)
    assert {o.request_id: o.outcome for o in found} == {
        "late": records.Outcome.EXPIRED,
        "backlog": records.Outcome.TIMED_OUT,
    }
    assert kafka.read_committed(catalogue.routing_requests) == []
    assert kafka.read_committed(catalogue.salesforce_calls) == []


def test_a_silent_router_is_refused_in_time_by_the_timer_also_after_a_restart(
    kafka: TestBroker, catalogue: Topics, tmp_path: Path
) -> None:
    with running_processor(kafka, catalogue, tmp_path, "--answer-by-s", "9", "--routing-timeout-s", "30") as processor:
        request = live(domain.requested("r1"))
        processor.publish(request)
        processor.await_records(catalogue.routing_requests, records.RoutingTask, 1)
        assert processor.child is not None
        processor.child.kill()  # the timer lives in memory and must come back with the state
        processor.start("--answer-by-s", "9", "--routing-timeout-s", "30")
        (outcome,) = processor.await_records(catalogue.routing_outcomes, records.RoutingOutcome, 1)
        announced_at_ms = time.time_ns() // 1_000_000
    assert outcome.outcome == records.Outcome.TIMED_OUT
    assert announced_at_ms >= request.created_at_ms + 9_000
    (call,) = [found for found in kafka.read_committed(catalogue.salesforce_calls) if found.value]
    assert b'"success":false' in call.value


def test_an_answer_in_the_backlog_wins_over_the_time_out(kafka: TestBroker, catalogue: Topics, tmp_path: Path) -> None:
    options = ("--answer-by-s", "4", "--routing-timeout-s", "60")
    with running_processor(kafka, catalogue, tmp_path, *options) as processor:
        request = live(domain.requested("r1"))
        processor.publish(request)
        processor.await_records(catalogue.routing_requests, records.RoutingTask, 1)
        assert processor.child is not None
        processor.child.kill()
        processor.decide(replace(domain.decision("accept"), decided_at_ms=request.created_at_ms + 1_000))
        eventually(lambda: True if time.time_ns() // 1_000_000 > request.created_at_ms + 4_500 else None, "deadline")
        processor.start(*options)
        (call,) = processor.await_records(catalogue.salesforce_calls, records.SalesforceCall, 1)
    assert '"success":true' in call.body
    assert kafka.read_committed(catalogue.routing_outcomes) == []


def test_queries_answer_in_the_fields_words_and_hide_identities(
    kafka: TestBroker, catalogue: Topics, tmp_path: Path
) -> None:
    with running_processor(kafka, catalogue, tmp_path) as processor:
        processor.publish(live(domain.session("Active")), live(domain.message("secret words", entry_id="m1")))
        path = f"/v1/conversations/{domain.CONVERSATION}"
        processor.await_records(catalogue.deliveries, records.Delivery, 1)
        shown = processor.get(path)
        assert shown["conversation_id"] == domain.CONVERSATION
        assert shown["session"]["id"] == domain.WORK_ITEM
        assert domain.END_USER not in str(shown)
        assert "secret words" not in str(shown)
        assert processor.get("/v1/conversations/unknown") is None
        assert processor.get("/ready") == {"ready": True, "partitions": [0, 1, 2, 3], "changelog_records_remaining": 0}
        assert processor.get("/live") == {"live": True}


def test_two_workers_share_the_partitions_and_any_of_them_answers(
    kafka: TestBroker, catalogue: Topics, tmp_path: Path
) -> None:
    """Whatever characters an id has: the same answer, or the same error, at both."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    with (
        running_processor(kafka, catalogue, tmp_path / "a") as first,
        running_processor(kafka, catalogue, tmp_path / "b") as second,
    ):

        def spread() -> bool | None:
            found = [worker.get("/ready") for worker in (first, second)]
            if not all(found):
                return None
            parts = [answer["partitions"] for answer in found]
            return True if all(parts) and sorted(parts[0] + parts[1]) == [0, 1, 2, 3] else None

        eventually(spread, "both workers to own partitions")
        names = [*(f"conversation-{number}" for number in range(12)), *IDS]
        for number, name in enumerate(names):
            found = live(domain.message(f"number {number}", entry_id=f"m{number}"), conversation_id=name)
            payload = json.loads(found.payload) | {"conversationIdentifier": name}
            first.publish(replace(found, payload=json.dumps(payload)))
        first.await_records(catalogue.deliveries, records.Delivery, len(names))
        for name in names:
            for worker in (first, second):
                assert asked(worker, path_of(name)) == (200, name)
                assert asked(worker, f"{path_of(name)}/deliveries/d?x=%2B&x=2") == (200, name)
                assert asked(worker, path_of(f"{name}~")) == (404, None)
        for raw, status in UNREADABLE:
            for worker in (first, second):
                assert asked(worker, f"/v1/conversations/{raw}") == (status, None)


def asked(worker: Processor, raw_path: str) -> tuple[int, str | None]:
    """Status, and the conversation that the answer is about; the path goes out as it is."""
    connection = http.client.HTTPConnection(worker.url.removeprefix("http://"), timeout=10)
    with closing(connection):
        connection.request("GET", raw_path)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read()).get("conversation_id")


def test_receipts_become_one_acknowledgement_and_show_in_the_conversation(
    kafka: TestBroker, catalogue: Topics, tmp_path: Path
) -> None:
    with running_processor(kafka, catalogue, tmp_path, "--acknowledged-channels", domain.CHANNEL) as processor:
        processor.publish(*(live(domain.message("Hello", entry_id=each)) for each in ("m1", "m2", "m3")))
        deliveries = processor.await_records(catalogue.deliveries, records.Delivery, 3)
        receipts = [
            records.DeliveryReceipt(
                delivery_id=delivery.delivery_id,
                conversation_id=delivery.conversation_id,
                entry_id=delivery.entry_id,
                status="read",
                reported_by="test",
                at_ms=delivery.created_at_ms + 500,
            )
            for delivery in deliveries
        ]
        kafka.produce(catalogue.receipts, [(each.conversation_id.encode(), encode(each)) for each in receipts])
        kafka.produce(catalogue.receipts, [(b"key", b"no avro")])
        shown = eventually(lambda: _receipts(processor), "receipts in the conversation")
        calls = processor.await_records(catalogue.salesforce_calls, records.SalesforceCall, 1)
        first = deliveries[0]
        one = processor.get(f"/v1/conversations/{first.conversation_id}/deliveries/{first.delivery_id}")
    assert one["status"] == "read"
    found = [each for call in calls for each in json.loads(call.body)["acknowledgements"]]
    assert [each["acknowledgedConversationEntryIdentifier"] for each in found] == ["m1", "m2", "m3"]
    assert (shown["read"], shown["delivered"]) == (3, 0)
    assert [letter.value for letter in kafka.read_committed(catalogue.dead_letters)] == [b"no avro"]


def _receipts(processor: Processor) -> Any:
    conversation = processor.get(f"/v1/conversations/{domain.CONVERSATION}") or {}
    receipts = conversation.get("receipts")
    return receipts if receipts and receipts["read"] == 3 else None


def test_the_result_of_a_call_shows_with_its_request(kafka: TestBroker, catalogue: Topics, tmp_path: Path) -> None:
    with running_processor(kafka, catalogue, tmp_path, "--work-calls") as processor:
        request = live(domain.requested("r1"))
        processor.publish(request)
        processor.await_records(catalogue.routing_requests, records.RoutingTask, 1)
        decided = domain.decision("accept", user_id=domain.REP)
        processor.decide(replace(decided, decided_at_ms=request.created_at_ms + 500))
        offer, answer = processor.await_records(catalogue.salesforce_calls, records.SalesforceCall, 2)
        assert (offer.api, answer.api) == ("agentWork", "routingResult")
        result = domain.answered(offer, "rejected", code=15112)
        kafka.produce(catalogue.salesforce_results, [(result.conversation_id.encode(), encode(result))])
        shown = eventually(lambda: _calls(processor), "the result with its request")
    assert [(each["kind"], each["outcome"], each["error_code"]) for each in shown] == [("agentWork", "rejected", 15112)]


def _calls(processor: Processor) -> Any:
    found = (processor.get("/v1/routing/requests") or {}).get("requests")
    return found[0]["calls"] or None if found else None


def test_a_command_becomes_one_call(kafka: TestBroker, catalogue: Topics, tmp_path: Path) -> None:
    words = ["partner", "command", "end_session", "--conversation", domain.CONVERSATION, "--command-id", "c1"]
    options = ["--on-behalf-of", "EndUser", "--prefix", catalogue.prefix]
    options += ["--bootstrap-servers", kafka.bootstrap_servers]
    with running_processor(kafka, catalogue, tmp_path, "--partner-commands") as processor:
        processor.publish(live(domain.session("Active")), live(domain.message("Hello", entry_id="m1")))
        processor.await_records(catalogue.deliveries, records.Delivery, 1)
        for _ in range(2):
            ran = CliRunner().invoke(main, [*words, *options])
            assert ran.output == "command_id=c1\n"
        processor.publish(live(domain.message("Hello", entry_id="m2")))
        processor.await_records(catalogue.deliveries, records.Delivery, 2)
        eventually(lambda: _repeated_commands(processor), "the second command to be read")
        (call,) = processor.await_records(catalogue.salesforce_calls, records.SalesforceCall, 1)
    assert (call.api, call.method) == ("messagingSession", "POST")
    assert json.loads(call.body)["operationBy"] == "EndUser"


def _repeated_commands(processor: Processor) -> bool | None:
    with urllib.request.urlopen(f"{processor.url}/metrics", timeout=5) as answer:
        return True if b'kind="repeated",reason="command"' in answer.read() else None


def test_a_declined_offer_comes_back_to_the_router_and_goes_to_another_rep(
    kafka: TestBroker, catalogue: Topics, tmp_path: Path
) -> None:
    with running_processor(kafka, catalogue, tmp_path, "--work-calls") as processor:
        request = live(domain.requested("r1"))
        processor.publish(request)
        processor.await_records(catalogue.routing_requests, records.RoutingTask, 1)
        first = domain.decision("accept", user_id=domain.REP, decision_id="d1")
        # a decline that was created before the decision would not count as its answer
        processor.decide(replace(first, decided_at_ms=request.created_at_ms + 1))
        processor.await_records(catalogue.salesforce_calls, records.SalesforceCall, 2)
        declined = domain.entry("RoutingWorkResult", {"workType": "Declined", "workTargetId": domain.WORK_ITEM})
        processor.publish(live(declined))
        again = processor.await_records(catalogue.routing_requests, records.RoutingTask, 2)[1]
        assert (again.attempt, again.declined_user_ids) == (2, [domain.REP])
        second = domain.decision("accept", user_id="005Hs00000Other", decision_id="d2")
        processor.decide(replace(second, decided_at_ms=time.time_ns() // 1_000_000))
        calls = processor.await_records(catalogue.salesforce_calls, records.SalesforceCall, 3)
    assert [call.api for call in calls] == ["agentWork", "routingResult", "agentWork"]
    assert json.loads(calls[2].body)["userId"] == "005Hs00000Other"
