"""The Interaction Service sink against real Kafka, the simulator's login and routing, and a service that misbehaves."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator

import pytest

from connectors import clock
from connectors.errors import TaskFailed
from connectors.sinks.interaction.sink import APIS
from schemas.records import CallOutcome, SalesforceCall, SalesforceCallResult
from schemas.topics import Topics
from simulator.events import entries
from simulator.service.routing_desk import Conclusion
from tests.support.kafka import TestBroker
from tests.support.scripted_http import Reply, ScriptedServer, scripted_server
from tests.support.simulator import CHANNEL_ADDRESS_ID, END_USER_SUBJECT, RunningSimulator, running_simulator
from tests.support.sinks import eventually, interaction_task, produce_calls, results, running

pytestmark = pytest.mark.broker

WORK_ITEM = "0MwHs00000XyZ12"
ACCEPTED = Reply(202, b'{"success":true}')
LATER = Reply(400, b'{"code":10055,"message":"Conversation precondition failed. Please retry."}')


@pytest.fixture
async def salesforce() -> AsyncIterator[RunningSimulator]:
    async with running_simulator() as simulator:
        yield simulator


@pytest.fixture
async def service() -> AsyncIterator[ScriptedServer]:
    async with scripted_server(ACCEPTED) as server:
        yield server


def call(number: int, org_id: str, *, conversation: str = "cv-1", **fields: object) -> SalesforceCall:
    body = {
        "workItemId": WORK_ITEM,
        "conversationIdentifier": conversation,
        "routingType": "Transfer",
        "success": True,
        "externallyRouted": False,
    }
    known: dict[str, object] = {
        "call_id": f"call-{number}",
        "conversation_id": conversation,
        "org_id": org_id,
        "api": "routingResult",
        "method": "POST",
        "body": json.dumps(body),
        "request_id": f"request-{number}",
        "created_at_ms": clock.now_ms(),
    }
    return SalesforceCall(**(known | fields))  # type: ignore[arg-type]  # test data


async def one_result(kafka: TestBroker, topics: Topics) -> SalesforceCallResult:
    await eventually(lambda: len(results(kafka, topics)) == 1, "one result")
    return results(kafka, topics)[0]


async def test_a_routing_result_reaches_salesforce_in_time(
    kafka: TestBroker, catalogue: Topics, salesforce: RunningSimulator
) -> None:
    requested = entries.routing_requested(
        channel_address_id=CHANNEL_ADDRESS_ID,
        conversation_id="cv-1",
        end_user_subject=END_USER_SUBJECT,
        routing_type="Transfer",
        target={"queueId": "00GHs00000Queue1"},
        channel_data=entries.as_json({"eventId": "request-1", "conversationId": "cv-1"}),
        work_record_id=WORK_ITEM,
    )
    salesforce.publish(requested, event_type="RoutingRequested")
    produce_calls(kafka, catalogue, [call(1, salesforce.org_id, deadline_ms=clock.now_ms() + 50_000)])
    async with running(interaction_task(kafka.bootstrap_servers, catalogue, salesforce)):
        result = await one_result(kafka, catalogue)
    assert (result.outcome, result.http_status, result.attempts) == (CallOutcome.ACCEPTED, 202, 1)
    assert (result.call_id, result.request_id, result.error_code) == ("call-1", "request-1", None)
    request = salesforce.org.desk.get("request-1")
    assert request is not None
    assert request.concluded is Conclusion.ROUTED


async def test_the_headers_are_those_the_service_asks_for(
    kafka: TestBroker, catalogue: Topics, salesforce: RunningSimulator, service: ScriptedServer
) -> None:
    service.script(LATER, ACCEPTED)
    sent = call(1, salesforce.org_id)
    produce_calls(kafka, catalogue, [sent])
    async with running(interaction_task(kafka.bootstrap_servers, catalogue, salesforce, service.url + "/api/v1/")):
        result = await one_result(kafka, catalogue)
    assert (result.outcome, result.attempts) == (CallOutcome.ACCEPTED, 2)
    first, second = service.asked
    assert first.path == "/api/v1/routingResult"
    assert first.body == sent.body.encode()
    assert first.headers["OrgId"] == salesforce.org_id[:15]
    assert first.headers["AuthorizationContext"] == "Demo_Channel"
    assert first.headers["Content-Type"] == "application/json"
    scheme, token = first.headers["Authorization"].split()
    assert scheme == "Bearer"
    assert salesforce.org.tokens.is_valid(token)
    assert uuid.UUID(first.headers["RequestId"]) != uuid.UUID(second.headers["RequestId"])


async def test_every_operation_goes_to_its_path_and_the_ids_it_names_come_back(
    kafka: TestBroker, catalogue: Topics, salesforce: RunningSimulator, service: ScriptedServer
) -> None:
    service.script(Reply(202, b'{"success":true,"agentWorkId":"0Bz1","psrId":"0JR1","contextParamMap":{"a":"b"}}'))
    operations = sorted(APIS)
    calls = [call(n, salesforce.org_id, api=api, method=how) for n, (api, how) in enumerate(operations)]
    produce_calls(kafka, catalogue, calls)
    async with running(interaction_task(kafka.bootstrap_servers, catalogue, salesforce, service.url + "/api/v1/")):
        await eventually(lambda: len(results(kafka, catalogue)) == len(calls), "a result for each call")
    assert [(asked.path, asked.method) for asked in service.asked] == [
        (f"/api/v1/{api}", how) for api, how in operations
    ]
    typed = [asked.method for asked in service.asked if "AuthorizationContextType" in asked.headers]
    assert typed == ["PATCH"]
    for result in results(kafka, catalogue):
        assert json.loads(result.ids or "") == {"psrId": "0JR1", "agentWorkId": "0Bz1"}


async def test_a_revoked_token_is_renewed_once_and_at_once(
    kafka: TestBroker, catalogue: Topics, salesforce: RunningSimulator
) -> None:
    long_waits = {"retry_backoff_s": "40", "retry_backoff_max_s": "40"}  # a wait takes 20 s at least
    async with running(interaction_task(kafka.bootstrap_servers, catalogue, salesforce, **long_waits)):
        salesforce.org.tokens.revoke()
        began_s = clock.monotonic_s()
        produce_calls(kafka, catalogue, [call(1, salesforce.org_id)])
        result = await one_result(kafka, catalogue)
    # the simulator knows no such conversation (10018): so the second token was taken
    assert (result.outcome, result.error_code, result.attempts) == (CallOutcome.REJECTED, 10018, 2)
    assert clock.monotonic_s() - began_s < 20


@pytest.mark.parametrize(
    ("reply", "attempts", "code", "message"),
    [
        pytest.param(Reply(400, b'{"code":10012,"message":"bad id"}'), 1, 10012, "bad id", id="permanent"),
        pytest.param(Reply(403, b'{"code":10005,"message":"context"}'), 2, 10005, "context", id="token refused twice"),
        pytest.param(Reply(202, b'{"success":false}'), 1, None, None, id="accepted by status, refused by body"),
        pytest.param(Reply(404, b"nothing here"), 1, None, None, id="no such path"),
    ],
)
async def test_a_rejection_is_a_result(  # fixtures and cases
    kafka: TestBroker,
    catalogue: Topics,
    salesforce: RunningSimulator,
    service: ScriptedServer,
    reply: Reply,
    attempts: int,
    code: int | None,
    message: str | None,
) -> None:
    service.script(reply)
    produce_calls(kafka, catalogue, [call(1, salesforce.org_id)])
    async with running(interaction_task(kafka.bootstrap_servers, catalogue, salesforce, service.url)):
        result = await one_result(kafka, catalogue)
    assert (result.outcome, result.http_status) == (CallOutcome.REJECTED, reply.status)
    assert (result.attempts, result.error_code, result.error_message) == (attempts, code, message)
    assert kafka.read_committed(catalogue.dead_letters) == []


async def test_attempts_that_run_out_are_a_failed_result(
    kafka: TestBroker, catalogue: Topics, salesforce: RunningSimulator, service: ScriptedServer
) -> None:
    service.script(Reply(503))
    produce_calls(kafka, catalogue, [call(1, salesforce.org_id)])
    async with running(interaction_task(kafka.bootstrap_servers, catalogue, salesforce, service.url, retry_max="2")):
        result = await one_result(kafka, catalogue)
    assert (result.outcome, result.http_status, result.attempts) == (CallOutcome.FAILED, 503, 3)
    assert result.error_message == "answered 503"


@pytest.mark.parametrize("late_ms", [pytest.param(0, id="at the deadline"), pytest.param(60_000, id="long after")])
async def test_a_call_past_its_deadline_is_never_sent(
    kafka: TestBroker, catalogue: Topics, salesforce: RunningSimulator, service: ScriptedServer, late_ms: int
) -> None:
    deadline_ms = clock.now_ms() - late_ms
    produce_calls(kafka, catalogue, [call(1, salesforce.org_id, deadline_ms=deadline_ms)])
    async with running(interaction_task(kafka.bootstrap_servers, catalogue, salesforce, service.url)):
        result = await one_result(kafka, catalogue)
    assert (result.outcome, result.http_status, result.attempts) == (CallOutcome.EXPIRED, None, 0)
    assert service.asked == []


async def test_a_call_is_tried_until_its_deadline_and_not_after_it(
    kafka: TestBroker, catalogue: Topics, salesforce: RunningSimulator, service: ScriptedServer
) -> None:
    service.script(LATER)
    task = interaction_task(kafka.bootstrap_servers, catalogue, salesforce, service.url, retry_max="10000")
    async with running(task):
        deadline_ms = clock.now_ms() + 2_500
        produce_calls(kafka, catalogue, [call(1, salesforce.org_id, deadline_ms=deadline_ms)])
        result = await one_result(kafka, catalogue)
    assert (result.outcome, result.http_status, result.error_code) == (CallOutcome.EXPIRED, 400, 10055)
    assert result.attempts == len(service.asked) > 1
    assert max(asked.at_ms for asked in service.asked) <= deadline_ms
    assert deadline_ms <= result.completed_at_ms < deadline_ms + 1_000


async def test_an_answer_that_does_not_come_by_the_deadline_is_not_waited_for(
    kafka: TestBroker, catalogue: Topics, salesforce: RunningSimulator, service: ScriptedServer
) -> None:
    service.script(Reply(202, delay_s=8))
    async with running(interaction_task(kafka.bootstrap_servers, catalogue, salesforce, service.url)):
        deadline_ms = clock.now_ms() + 2_500
        produce_calls(kafka, catalogue, [call(1, salesforce.org_id, deadline_ms=deadline_ms)])
        result = await one_result(kafka, catalogue)
    assert (result.outcome, result.attempts) == (CallOutcome.EXPIRED, 1)
    assert result.completed_at_ms < deadline_ms + 1_000


async def test_a_call_for_another_org_is_not_sent(
    kafka: TestBroker, catalogue: Topics, salesforce: RunningSimulator, service: ScriptedServer
) -> None:
    produce_calls(kafka, catalogue, [call(1, "00DHs000000OtherMAC")])
    async with running(interaction_task(kafka.bootstrap_servers, catalogue, salesforce, service.url)):
        result = await one_result(kafka, catalogue)
    assert (result.outcome, result.attempts) == (CallOutcome.REJECTED, 0)
    assert "another org" in (result.error_message or "")
    assert service.asked == []


async def test_an_operation_that_is_not_on_the_list_is_not_sent(
    kafka: TestBroker, catalogue: Topics, salesforce: RunningSimulator, service: ScriptedServer
) -> None:
    produce_calls(kafka, catalogue, [call(1, salesforce.org_id, api="../oauth2/revoke")])
    async with running(interaction_task(kafka.bootstrap_servers, catalogue, salesforce, service.url)):
        result = await one_result(kafka, catalogue)
    assert (result.outcome, result.attempts) == (CallOutcome.REJECTED, 0)
    assert service.asked == []
    [letter] = kafka.read_committed(catalogue.dead_letters)
    assert dict(letter.headers)["__connect.errors.exception.class.name"] == b"UnknownApi"


async def test_calls_of_a_conversation_are_made_in_order_and_others_beside_them(
    kafka: TestBroker, catalogue: Topics, salesforce: RunningSimulator, service: ScriptedServer
) -> None:
    service.script(LATER, LATER, LATER, ACCEPTED)
    calls = [call(number, salesforce.org_id, conversation="cv-1", body=f'{{"n":{number}}}') for number in range(4)]
    produce_calls(kafka, catalogue, calls)
    async with running(interaction_task(kafka.bootstrap_servers, catalogue, salesforce, service.url)):
        await eventually(lambda: len(results(kafka, catalogue)) == 4, "four results")
    assert [json.loads(asked.body)["n"] for asked in service.asked] == [0, 0, 0, 0, 1, 2, 3]
    assert [result.call_id for result in results(kafka, catalogue)] == [f"call-{n}" for n in range(4)]


async def test_wrong_credentials_fail_the_task_with_one_clear_message(
    kafka: TestBroker, catalogue: Topics, salesforce: RunningSimulator
) -> None:
    task = interaction_task(kafka.bootstrap_servers, catalogue, salesforce, salesforce_client_secret="wrong")
    async with running(task) as run:
        with pytest.raises(TaskFailed, match=r"client_id=byoc-streams.*refused") as failed:
            await asyncio.wait_for(run, 30)
    assert "wrong" not in str(failed.value)
