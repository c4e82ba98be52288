"""The simulator's HTTP side over a real socket: OAuth, the Interaction Service API and the calls of a verifier."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from simulator.events import entries
from tests.support.published import published_events
from tests.support.simulator import CHANNEL_ADDRESS_ID, END_USER_SUBJECT, RunningSimulator, running_simulator

TOKEN = "/services/oauth2/token"
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
REQUEST_ID = "f0000000-0000-4000-8000-0000000000aa"
WORK_ITEM = "0MwHs00000XyZ12"
CV = "cv-1"
DEADLINE_S = 10.0


@asynccontextmanager
async def serving(**knobs: Any) -> AsyncIterator[tuple[RunningSimulator, aiohttp.ClientSession]]:
    async with running_simulator(**knobs) as sim, aiohttp.ClientSession(sim.http_url) as http:
        yield sim, http


async def call(http: aiohttp.ClientSession, method: str, path: str, **options: Any) -> tuple[int, Any]:
    async with asyncio.timeout(DEADLINE_S), http.request(method, path, **options) as response:
        return response.status, await response.json()


async def until(condition: Any) -> None:
    """Wait for a condition; fail after a deadline."""
    async with asyncio.timeout(DEADLINE_S):
        while not condition():  # noqa: ASYNC110  # the condition is another object's state, it has no event to wait for
            await asyncio.sleep(0.005)


def credentials(sim: RunningSimulator) -> dict[str, str]:
    return {
        "grant_type": "client_credentials",
        "client_id": sim.client_id,
        "client_secret": sim.client_secret,
    }


async def test_client_credentials_get_a_token_with_the_keys_of_salesforce_and_no_expiry() -> None:
    async with serving() as (sim, http):
        status, token = await call(http, "POST", TOKEN, data=credentials(sim))
        assert status == 200
        assert set(token) == {"access_token", "instance_url", "id", "token_type", "issued_at", "signature", "scope"}
        assert token["instance_url"] == sim.http_url
        assert token["id"].split("/")[-2] == sim.org_id
        assert token["token_type"] == "Bearer"
        assert token["access_token"].startswith(sim.org_id[:15] + "!")
        assert sim.org.tokens.is_valid(token["access_token"])


async def test_credentials_may_come_by_http_basic() -> None:
    async with serving() as (sim, http):
        basic = base64.b64encode(f"{sim.client_id}:{sim.client_secret}".encode()).decode()
        data = {"grant_type": "client_credentials"}
        status, token = await call(http, "POST", TOKEN, data=data, headers={"Authorization": f"Basic {basic}"})
    assert status == 200
    assert token["access_token"]


@pytest.mark.parametrize(
    ("change", "status", "error"),
    [
        pytest.param({"client_secret": "wrong"}, 401, "invalid_client", id="wrong secret"),
        pytest.param({"client_secret": ""}, 401, "invalid_client", id="no secret"),
        pytest.param({"client_id": "other"}, 401, "invalid_client", id="wrong client"),
        pytest.param({"grant_type": "dance"}, 400, "unsupported_grant_type", id="unknown grant"),
        pytest.param({"grant_type": ""}, 400, "invalid_request", id="no grant"),
        pytest.param({"grant_type": JWT_BEARER}, 400, "invalid_request", id="no assertion"),
        pytest.param({"grant_type": JWT_BEARER, "assertion": "x.y.z"}, 400, "invalid_grant", id="no key registered"),
    ],
)
async def test_a_wrong_token_request_is_refused_without_a_token(
    change: dict[str, str], status: int, error: str
) -> None:
    async with serving() as (sim, http):
        got, reply = await call(http, "POST", TOKEN, data=credentials(sim) | change)
        assert sim.org.tokens.issued == 0
    assert (got, reply["error"]) == (status, error)


async def test_form_data_must_not_stand_in_the_url() -> None:
    async with serving() as (sim, http):
        status, reply = await call(http, "POST", TOKEN, params=credentials(sim))
    assert (status, reply["error"]) == (400, "invalid_request")


@pytest.fixture(scope="module")
def private_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def public_pem(key: rsa.RSAPrivateKey) -> str:
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(serialization.Encoding.PEM, form).decode()


@pytest.mark.parametrize(
    ("change", "description"),
    [
        pytest.param({}, None, id="right"),
        pytest.param({"aud": None}, None, id="own url as audience"),
        pytest.param({"iss": "other"}, "invalid assertion", id="other client"),
        pytest.param({"sub": "other@x.example"}, "user hasn't approved this consumer", id="other user"),
        pytest.param({"aud": "https://elsewhere.example"}, "audience is invalid", id="other audience"),
        pytest.param({"exp": 1_000_000_000}, "expired assertion", id="expired"),
    ],
)
async def test_a_signed_assertion_gets_a_token_when_its_claims_are_right(
    private_key: rsa.RSAPrivateKey, change: dict[str, Any], description: str | None
) -> None:
    async with serving(public_key_pem=public_pem(private_key)) as (sim, http):
        claims = {
            "iss": sim.client_id,
            "sub": sim.settings.username,
            "aud": "https://login.salesforce.com",
            "exp": sim.org.clock.now_ms() // 1000 + 300,
        } | change
        claims["aud"] = claims["aud"] or sim.http_url
        assertion = jwt.encode(claims, private_key, algorithm="RS256")
        status, reply = await call(http, "POST", TOKEN, data={"grant_type": JWT_BEARER, "assertion": assertion})
    if description is None:
        assert status == 200
        assert reply["access_token"]
    else:
        assert (status, reply["error"], reply["error_description"]) == (400, "invalid_grant", description)


async def test_an_assertion_signed_with_another_key_is_refused(private_key: rsa.RSAPrivateKey) -> None:
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    async with serving(public_key_pem=public_pem(private_key)) as (sim, http):
        claims = {
            "iss": sim.client_id,
            "sub": sim.settings.username,
            "aud": "https://login.salesforce.com",
            "exp": sim.org.clock.now_ms() // 1000 + 300,
        }
        data = {"grant_type": JWT_BEARER, "assertion": jwt.encode(claims, other, algorithm="RS256")}
        status, reply = await call(http, "POST", TOKEN, data=data)
    assert (status, reply["error"]) == (400, "invalid_grant")


def headers(sim: RunningSimulator, **change: str | None) -> dict[str, str]:
    complete: dict[str, str | None] = {
        "Authorization": f"Bearer {sim.org.tokens.issue()}",
        "OrgId": sim.org_id[:15],
        "AuthorizationContext": "Partner_Channel",
        "RequestId": REQUEST_ID,
    }
    return {name: value for name, value in (complete | change).items() if value is not None}


def answer_body(**change: Any) -> dict[str, Any]:
    body = {
        "workItemId": WORK_ITEM,
        "conversationIdentifier": CV,
        "routingType": "Transfer",
        "success": True,
        "externallyRouted": False,
    }
    return body | change


def ask_for_routing(sim: RunningSimulator, event_id: str = "r1") -> None:
    payload = entries.routing_requested(
        channel_address_id=CHANNEL_ADDRESS_ID,
        conversation_id=CV,
        end_user_subject=END_USER_SUBJECT,
        routing_type="Transfer",
        target={"queueId": "00GHs00000Que12"},
        channel_data=json.dumps({"eventId": event_id, "routerParticipantSubject": "router-1"}),
        work_record_id=WORK_ITEM,
    )
    sim.publish(payload, event_type="RoutingRequested")


def routing_results(sim: RunningSimulator) -> list[dict[str, Any]]:
    return [
        json.loads(event.event_payload or "")
        for event in published_events(sim.org)
        if event.entry.entry_type == "RoutingResult"
    ]


@pytest.mark.parametrize(
    ("change", "failure_type", "concluded"),
    [
        pytest.param({}, "None", "routed", id="accepted"),
        pytest.param({"externallyRouted": True}, "None", "routed", id="accepted outside"),
        pytest.param({"success": False, "errorMessage": "no rep free"}, "RoutingError", "refused", id="refused"),
    ],
)
async def test_an_answer_in_time_is_accepted_and_published_as_a_result(
    change: dict[str, Any], failure_type: str, concluded: str
) -> None:
    async with serving() as (sim, http):
        ask_for_routing(sim)
        reply = await call(http, "POST", "/api/v1/routingResult", json=answer_body(**change), headers=headers(sim))
        assert reply == (202, {"success": True})
        [result] = routing_results(sim)
        _, routing = await call(http, "GET", "/v1/routing")
    entry = result["payload"]["entryPayload"]
    assert result["conversationIdentifier"] == CV
    assert result["recipient"]["subject"] == END_USER_SUBJECT
    assert result["payload"]["sender"] == {"appType": "conversation", "subject": "router-1", "role": "Router"}
    assert entry["failureType"] == failure_type
    assert entry["recordId"] == WORK_ITEM
    assert entry["isExternallyRouted"] is change.get("externallyRouted", False)
    assert entry["errorMessages"] == ([change["errorMessage"]] if "errorMessage" in change else [])
    assert entry["routingConfigurationDetails"]["queueId"] == "00GHs00000Que12"
    [request] = routing["requests"]
    assert (request["request_id"], request["concluded"]) == ("r1", concluded)
    assert request["answers"][0]["accepted"] is True


async def test_silence_ends_in_a_result_when_the_time_is_over_and_a_late_answer_is_refused() -> None:
    async with serving(routing_timeout_s=0.15) as (sim, http):
        ask_for_routing(sim)
        assert routing_results(sim) == []
        await until(lambda: routing_results(sim))
        late = await call(http, "POST", "/api/v1/routingResult", json=answer_body(), headers=headers(sim))
        [result] = routing_results(sim)
        [request] = sim.org.desk.requests()
    assert result["payload"]["entryPayload"]["failureType"] == "RoutingError"
    assert result["payload"]["entryPayload"]["failureReason"] == "timeout"
    assert request.concluded_at_ms is not None
    assert 150 <= request.concluded_at_ms - request.created_at_ms < 5000
    assert late[0] == 400
    assert late[1]["code"] == 10089


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        pytest.param({"Authorization": None}, 401, 10004, id="no token"),
        pytest.param({"Authorization": "Bearer stale"}, 401, 10004, id="token not valid"),
        pytest.param({"OrgId": None}, 400, 10016, id="no org"),
        pytest.param({"OrgId": "00DHs000000Othe"}, 400, 10016, id="other org"),
        pytest.param({"AuthorizationContext": None}, 400, 10016, id="no context"),
        pytest.param({"RequestId": None}, 400, 10016, id="no request id"),
        pytest.param({"RequestId": "123"}, 400, 10016, id="request id is no uuid"),
    ],
)
async def test_a_call_without_its_headers_is_refused(change: dict[str, str | None], status: int, code: int) -> None:
    async with serving() as (sim, http):
        ask_for_routing(sim)
        reply = await call(http, "POST", "/api/v1/routingResult", json=answer_body(), headers=headers(sim, **change))
        assert sim.org.desk.open_count == 1
    assert (reply[0], reply[1]["code"]) == (status, code)
    assert reply[1]["message"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        pytest.param({"workItemId": "0MwHs00000Other"}, 15111, id="unknown work item"),
        pytest.param({"conversationIdentifier": "cv-9"}, 10018, id="unknown conversation"),
        pytest.param({"routingType": "Conference"}, 10089, id="nothing open of this type"),
        pytest.param({"success": False}, 10034, id="no error message"),
    ],
)
async def test_an_answer_that_means_no_open_request_is_refused(change: dict[str, Any], code: int) -> None:
    async with serving() as (sim, http):
        ask_for_routing(sim)
        reply = await call(http, "POST", "/api/v1/routingResult", json=answer_body(**change), headers=headers(sim))
        assert sim.org.desk.open_count == 1
        assert routing_results(sim) == []
    assert (reply[0], reply[1]["code"]) == (400, code)


async def test_the_ledger_is_read_in_pages_and_says_when_it_is_complete() -> None:
    async with serving(routing_timeout_s=0.05) as (_, http):
        _, before = await call(http, "GET", "/v1/ledger")
        assert before == {"events": [], "next": 0, "finished": False}
        status, progress = await call(http, "POST", "/v1/scenario", json={"events": 120, "rate": 0})
        assert (status, progress["running"], progress["planned"]) == (202, True, 120)
        entries_read: list[dict[str, Any]] = []
        finished = False
        async with asyncio.timeout(DEADLINE_S):
            while not finished:
                after = entries_read[-1]["index"] if entries_read else 0
                _, page = await call(http, "GET", "/v1/ledger", params={"after": after, "limit": 50})
                assert len(page["events"]) <= 50
                entries_read += page["events"]
                assert page["next"] == (entries_read[-1]["index"] if entries_read else 0)
                finished = page["finished"]
                await asyncio.sleep(0.01)
        _, first_page = await call(http, "GET", "/v1/ledger", params={"limit": 50})
        _, progress = await call(http, "GET", "/v1/scenario")
        _, stats = await call(http, "GET", "/v1/stats")
    assert [entry["index"] for entry in entries_read] == list(range(1, len(entries_read) + 1))
    assert len(base64.b64decode(entries_read[0]["replay_id"])) == 10
    assert (progress["running"], progress["plays"]) == (False, 1)
    assert stats["published"] == len(entries_read)
    assert first_page["finished"] is False
    assert stats["routing"]["open"] == 0


@pytest.mark.parametrize(
    "params",
    [
        pytest.param({"after": "x"}, id="no number"),
        pytest.param({"after": "-1"}, id="below zero"),
        pytest.param({"limit": "0"}, id="no entries"),
        pytest.param({"limit": "10001"}, id="too many"),
    ],
)
async def test_a_wrong_page_of_the_ledger_is_refused(params: dict[str, str]) -> None:
    async with serving() as (_, http):
        status, reply = await call(http, "GET", "/v1/ledger", params=params)
    assert (status, reply["code"]) == (400, 400)


async def test_one_scenario_plays_at_a_time_and_another_after_it() -> None:
    async with serving(routing_timeout_s=0.05) as (sim, http):
        first = await call(http, "POST", "/v1/scenario", json={"events": 50, "rate": 200})
        second = await call(http, "POST", "/v1/scenario", json={"events": 50})
        await until(lambda: sim.simulator.scenarios.finished)
        of_first = {entry.event_uuid for entry in sim.org.ledger.page(0, 10_000)}
        third = await call(http, "POST", "/v1/scenario", json={"events": 50, "rate": 0})
        await until(lambda: sim.simulator.scenarios.finished)
        of_all = {entry.event_uuid for entry in sim.org.ledger.page(0, 10_000)}
    assert (first[0], second[0], third[0]) == (202, 409, 202)
    assert len(of_first) >= 50
    assert len(of_all - of_first) >= 50


@pytest.mark.parametrize(
    ("body", "status"),
    [
        pytest.param({"events": 0}, 400, id="no events"),
        pytest.param({"speed": 1}, 400, id="unknown option"),
        pytest.param({"topic": "/event/No__e"}, 404, id="unknown topic"),
    ],
)
async def test_a_scenario_that_cannot_be_played_is_refused(body: dict[str, Any], status: int) -> None:
    async with serving() as (_, http):
        got, reply = await call(http, "POST", "/v1/scenario", json=body)
        _, progress = await call(http, "GET", "/v1/scenario")
    assert got == status
    assert reply["message"]
    assert progress["plays"] == 0


async def test_events_can_be_published_as_json_as_text_and_as_any_bytes() -> None:
    path = "/v1/topics/event/ByocOutbound__e/events"
    async with serving() as (sim, http):
        as_object = await call(http, "POST", path, json={"payload": {"conversationIdentifier": "cv-7"}})
        as_text = await call(http, "POST", path, json={"payload": "no json", "event_type": None, "event_uuid": "mine"})
        poison = base64.b64encode(b"\xff\xff").decode()
        as_bytes = await call(http, "POST", path, json={"payload_base64": poison})
        assert len(sim.org.ledger) == 3
        batch = sim.org.log.read(sim.topic, 2, 1)
    assert [reply[0] for reply in (as_object, as_text, as_bytes)] == [201, 201, 201]
    assert as_object[1]["conversation_id"] == "cv-7"
    assert as_text[1]["event_uuid"] == "mine"
    assert (as_bytes[1]["conversation_id"], as_bytes[1]["expect"]) == ("", "withhold")
    assert batch is not None
    assert b"\x1a\x02\xff\xff" in batch.events[0][0]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        pytest.param("/v1/topics/event/No__e/events", {"payload": {}}, 404, id="unknown topic"),
        pytest.param("/v1/topics/event/ByocOutbound__e/events", {"payload_base64": "*"}, 400, id="no base64"),
        pytest.param("/v1/topics/event/ByocOutbound__e/events", {"pay": {}}, 400, id="unknown field"),
        pytest.param("/v1/tokens/revoke", {"tok": "x"}, 400, id="unknown field of revoke"),
    ],
)
async def test_wrong_admin_input_is_refused_with_a_message(path: str, body: dict[str, Any], status: int) -> None:
    async with serving() as (sim, http):
        got, reply = await call(http, "POST", path, json=body)
        assert len(sim.org.ledger) == 0
    assert (got, bool(reply["message"])) == (status, True)


async def test_tokens_are_revoked_one_by_one_or_all() -> None:
    async with serving() as (sim, http):
        kept, gone = sim.org.tokens.issue(), sim.org.tokens.issue()
        assert await call(http, "POST", "/v1/tokens/revoke", json={"token": gone}) == (200, {"revoked": 1})
        assert (sim.org.tokens.is_valid(kept), sim.org.tokens.is_valid(gone)) == (True, False)
        assert await call(http, "POST", "/v1/tokens/revoke") == (200, {"revoked": 1})
        assert not sim.org.tokens.is_valid(kept)
        assert await call(http, "GET", "/live") == (200, {"status": "up"})
