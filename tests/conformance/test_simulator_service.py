"""The Interaction Service API beside `routingResult`: each call is checked, answered and remembered."""

import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from simulator.events import entries
from tests.support.published import published_events
from tests.support.simulator import CHANNEL_ADDRESS_ID, END_USER_SUBJECT, RunningSimulator, running_simulator

CV, SESSION, REP, QUEUE = "cv-1", "0MwHs00000XyZ12", "005Hs00000FgHiJ", "00GHs00000Que12"
WORK = {"userId": REP, "workItemId": SESSION, "capacityWeight": 1.0}
CONTEXT = {"conversationIdentifier": CV, "routingType": "Transfer", "routingCorrelationId": "r-1"}
OFFER = {**WORK, "routingContext": CONTEXT}
ENDING = {
    "channelAddressIdentifier": CHANNEL_ADDRESS_ID,
    "endUserClientId": END_USER_SUBJECT,
    "conversationIdentifier": CV,
    "operation": "End",
    "sessionId": SESSION,
    "operationBy": "EndUser",
}
AGENT = {"appType": "agent", "subject": REP, "role": "Agent"}
REMOVAL = {"conversationIdentifier": CV, "operation": "Remove", "participants": [AGENT]}
READ = {
    "acknowledgementType": "Read",
    "acknowledgedConversationEntryIdentifier": "e1",
    "acknowledgmentCreatedConversationEntryIdentifier": "a0000000-0000-4000-8000-000000000001",
    "acknowledgementTimestamp": 1_767_225_601_000,
}
CUSTOMER = {"appType": "custom", "subject": END_USER_SUBJECT, "role": "EndUser"}
RECEIPT = {"sender": CUSTOMER, "conversationIdentifier": CV, "acknowledgements": [READ]}


class Service:
    """A simulator with one conversation in a session, and calls to it."""

    def __init__(self, sim: RunningSimulator, http: aiohttp.ClientSession) -> None:
        self.sim = sim
        self._http = http

    async def call(self, method: str, api: str, body: Any, **headers: str) -> tuple[int, Any]:
        known = {
            "Authorization": f"Bearer {self.sim.org.tokens.issue()}",
            "OrgId": self.sim.org_id[:15],
            "AuthorizationContext": "Demo_Channel",
            "AuthorizationContextType": "ConversationChannelDefinition",
            "RequestId": "f0000000-0000-4000-8000-0000000000aa",
        }
        async with self._http.request(method, f"/api/v1/{api}", json=body, headers=known | headers) as answer:
            return answer.status, await answer.json()


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    async with running_simulator() as sim, aiohttp.ClientSession(sim.http_url) as http:
        entry = entries.session_status(
            "s1",
            session_id=SESSION,
            channel_address_id=CHANNEL_ADDRESS_ID,
            conversation_id=CV,
            status="Active",
            previous=None,
            started_at_ms=1_767_225_600_000,
            ended_at_ms=None,
        )
        payload = entries.interaction(
            channel_address_id=CHANNEL_ADDRESS_ID,
            conversation_id=CV,
            end_user_subject=END_USER_SUBJECT,
            entry_id="s1",
            sender=entries.participant("conversation", "automated", "System"),
            sender_name="System",
            entry=entry,
            at_ms=1_767_225_600_000,
        )
        sim.publish(payload)
        yield Service(sim, http)


async def test_service_routing_names_its_record_and_the_work_item(service: Service) -> None:
    body = {"conversationIdentifier": CV, "routingType": "Transfer", "routingInfo": {"queueId": QUEUE}}
    status, reply = await service.call("POST", "route", body)
    assert status == 202
    assert reply["psrId"].startswith("0JR")
    assert (reply["success"], reply["workItemId"]) == (True, SESSION)
    assert reply["contextParamMap"] == {"queueId": QUEUE}
    # with service routing, rep and work item are enough; without it, they are not
    assert (await service.call("POST", "agentWork", WORK))[0] == 202
    assert (await service.call("DELETE", "route", {"conversationIdentifier": CV, "cancelReason": "Cancel"}))[0] == 202
    other = {**WORK, "userId": "005Hs00000Other"}
    assert (await service.call("POST", "agentWork", other))[1]["code"] == 10089


async def test_work_is_offered_once_and_again_after_it_was_taken_back(service: Service) -> None:
    status, reply = await service.call("POST", "agentWork", OFFER)
    assert (status, reply["success"]) == (202, True)
    assert (await service.call("POST", "agentWork", OFFER))[1]["code"] == 15109
    change = {"workId": reply["agentWorkId"], "contextType": "Agent", "status": "Cancel"}
    assert (await service.call("PATCH", "agentWork", change))[0] == 202
    assert (await service.call("PATCH", "agentWork", change))[1]["code"] == 10085
    assert (await service.call("POST", "agentWork", OFFER))[0] == 202
    async with aiohttp.ClientSession(service.sim.http_url) as http, http.get("/v1/agent-work") as answer:
        works = (await answer.json())["works"]
    assert [(work["status"], work["request_id"], work["user_id"]) for work in works] == [
        ("Cancelled", "r-1", REP),
        ("Assigned", "r-1", REP),
    ]


@pytest.mark.parametrize(("operation", "status"), [("End", "Ended"), ("Inactivate", "Inactive")])
async def test_a_session_that_is_ended_says_so_by_an_event(service: Service, operation: str, status: str) -> None:
    assert (await service.call("POST", "messagingSession", {**ENDING, "operation": operation}))[0] == 200
    told = json.loads(published_events(service.sim.org)[-1].event_payload or "")["payload"]["entryPayload"]
    assert (told["entryType"], told["sessionStatus"], told["sessionId"]) == ("SessionStatusChanged", status, SESSION)
    assert told["sessionEndedByRole"] == "EndUser"
    again = await service.call("POST", "messagingSession", ENDING)
    assert again == (200, {"success": True}) if operation == "Inactivate" else again[1]["code"] == 10071


async def test_reps_are_removed_and_entries_acknowledged(service: Service) -> None:
    assert (await service.call("POST", "participant", REMOVAL))[0] == 200
    assert service.sim.org.service.removed == [(CV, REP)]
    assert (await service.call("POST", "acknowledgement", {**RECEIPT, "acknowledgements": [READ] * 25}))[0] == 200
    assert service.sim.org.service.acknowledged == 25
    async with aiohttp.ClientSession(service.sim.http_url) as http, http.get("/v1/stats") as answer:
        counts = (await answer.json())["service_calls"]
    assert counts == {"POST participant": 1, "POST acknowledgement": 1}


ROUTE = {"conversationIdentifier": CV, "routingType": "Transfer"}
PATCH = {"workId": "0BzHs00000Nobod", "contextType": "Agent", "status": "Cancel"}
FLOW = {"flowId": "300Hs00000Flo12", "queueId": QUEUE}


@pytest.mark.parametrize(
    ("call", "body", "code"),
    [
        ("POST route", {**ROUTE, "conversationIdentifier": "cv-none"}, 10018),
        ("POST route", {**ROUTE, "routingType": "Sideways"}, 10089),
        ("POST route", {**ROUTE, "routingInfo": {"flow": FLOW, "queueId": QUEUE}}, 10030),
        ("POST route", {**ROUTE, "routingInfo": {"flow": {"flowId": "300Hs00000Flo12"}}}, 10024),
        ("POST route", {**ROUTE, "routingInfo": {"queueId": "nobody"}}, 10032),
        ("DELETE route", {"conversationIdentifier": CV, "cancelReason": "EndUserEnded"}, 10089),
        ("DELETE route", {"conversationIdentifier": "cv-none"}, 10018),
        ("POST agentWork", {**OFFER, "workItemId": SESSION + "AAA"}, 10012),
        ("POST agentWork", {**OFFER, "workItemId": "0MwHs00000Other"}, 15111),
        ("POST agentWork", {**OFFER, "capacityPercentage": 10}, 10013),
        ("POST agentWork", {**OFFER, "capacityWeight": -1}, 10014),
        ("POST agentWork", {**OFFER, "capacityWeight": None, "capacityPercentage": 101}, 10015),
        ("POST agentWork", {**OFFER, "userId": "ext-agent-9"}, 15106),
        ("POST agentWork", {**OFFER, "routingContext": {**CONTEXT, "conversationIdentifier": "cv-none"}}, 15107),
        ("PATCH agentWork", PATCH, 10082),
        ("PATCH agentWork", {**PATCH, "contextType": "Robot"}, 10083),
        ("PATCH agentWork", {**PATCH, "contextType": "Chatbot"}, 10084),
        ("PATCH agentWork", {**PATCH, "status": "Ponder"}, 10085),
        ("POST participant", {**REMOVAL, "conversationIdentifier": "cv-none"}, 10018),
        ("POST participant", {**REMOVAL, "operation": "Add"}, 10089),
        ("POST participant", {**REMOVAL, "participants": []}, 10039),
        ("POST participant", {**REMOVAL, "participants": [AGENT, AGENT]}, 10089),
        ("POST participant", {**REMOVAL, "participants": [{**AGENT, "appType": "custom"}]}, 10037),
        ("POST participant", {**REMOVAL, "participants": [{**AGENT, "role": "EndUser"}]}, 10038),
        ("POST participant", {**REMOVAL, "participants": [{**AGENT, "subject": REP + "IAV"}]}, 10036),
        ("POST messagingSession", {**ENDING, "channelAddressIdentifier": ""}, 10017),
        ("POST messagingSession", {**ENDING, "endUserClientId": None}, 10020),
        ("POST messagingSession", {**ENDING, "conversationIdentifier": "cv-none"}, 10018),
        ("POST messagingSession", {**ENDING, "operation": "Pause"}, 10102),
        ("POST messagingSession", {**ENDING, "operationBy": "Martian"}, 10103),
        ("POST messagingSession", {**ENDING, "operation": "Inactivate", "sessionId": None}, 10106),
        ("POST messagingSession", {**ENDING, "sessionId": "0MwHs00000Other"}, 10072),
        ("POST acknowledgement", {**RECEIPT, "sender": {**CUSTOMER, "role": "Agent"}}, 10038),
        ("POST acknowledgement", {**RECEIPT, "sender": {**CUSTOMER, "appType": "agent"}}, 10037),
        ("POST acknowledgement", {**RECEIPT, "conversationIdentifier": "cv-none"}, 10018),
        ("POST acknowledgement", {**RECEIPT, "acknowledgements": [READ] * 26}, 10089),
        ("POST acknowledgement", {**RECEIPT, "acknowledgements": [{**READ, "acknowledgementType": "Seen"}]}, 10089),
        ("POST acknowledgement", {**RECEIPT, "acknowledgements": [{**READ, "acknowledgementTimestamp": "now"}]}, 10089),
        ("POST acknowledgement", [], 10100),
    ],
)
async def test_what_is_wrong_is_rejected_with_the_code_of_the_service(
    service: Service, call: str, body: Any, code: int
) -> None:
    method, api = call.split()
    status, reply = await service.call(method, api, body)
    assert (status, reply["code"]) == (400, code)
    assert service.sim.org.service.rejected == {code: 1}
    assert not service.sim.org.service.calls


async def test_a_change_of_work_needs_the_type_of_its_context(service: Service) -> None:
    status, reply = await service.call("PATCH", "agentWork", PATCH, AuthorizationContextType="Fortress")
    assert (status, reply["code"]) == (400, 10016)


async def test_a_call_without_a_token_is_refused(service: Service) -> None:
    status, reply = await service.call("POST", "participant", REMOVAL, Authorization="Bearer nothing")
    assert (status, reply["code"]) == (401, 10004)
