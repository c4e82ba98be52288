"""The ways to log in that clients use, what a token tells about itself, and logins that go wrong."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from xml.etree import ElementTree

import aiohttp
import pytest

from simulator.web.soap import SoapError, read_login
from tests.support.faulty_org import Org, faulty

TOKEN = "/services/oauth2/token"
USERINFO = "/services/oauth2/userinfo"
SOAP = "/services/Soap/u/59.0/"
PASSWORD = "correct horse"
SECURITY_TOKEN = "t0ken"


@asynccontextmanager
async def serving() -> AsyncIterator[tuple[Org, aiohttp.ClientSession]]:
    async with (
        faulty(password=PASSWORD, security_token=SECURITY_TOKEN) as org,
        aiohttp.ClientSession(org.sim.http_url) as http,
    ):
        yield org, http


def password_grant(org: Org, **change: str) -> dict[str, str]:
    return {
        "grant_type": "password",
        "client_id": org.sim.client_id,
        "client_secret": org.sim.client_secret,
        "username": org.sim.settings.username,
        "password": PASSWORD + SECURITY_TOKEN,
    } | change


def envelope(username: str, password: str) -> str:
    return (
        "<soapenv:Envelope xmlns:soapenv='http://schemas.xmlsoap.org/soap/envelope/'"
        " xmlns:urn='urn:partner.soap.sforce.com'><soapenv:Body><urn:login>"
        f"<urn:username><![CDATA[{username}]]></urn:username><urn:password><![CDATA[{password}]]></urn:password>"
        "</urn:login></soapenv:Body></soapenv:Envelope>"
    )


async def soap_login(http: aiohttp.ClientSession, body: str, path: str = SOAP) -> tuple[int, ElementTree.Element]:
    headers = {"content-type": "text/xml", "SOAPAction": "Login"}
    async with http.post(path, data=body, headers=headers) as response:
        return response.status, ElementTree.fromstring(await response.text())


async def test_a_user_name_and_password_get_a_token() -> None:
    async with serving() as (org, _):
        status, token = await org.call("POST", TOKEN, data=password_grant(org))
        assert status == 200
        assert org.sim.org.tokens.owner(token["access_token"]) == org.sim.settings.username
    assert "refresh_token" not in token
    assert "expires_in" not in token


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param({"password": PASSWORD}, (400, "invalid_grant"), id="no security token"),
        pytest.param({"password": "wrong" + SECURITY_TOKEN}, (400, "invalid_grant"), id="wrong password"),
        pytest.param({"username": "other@x.example"}, (400, "invalid_grant"), id="other user"),
        pytest.param({"client_secret": "wrong"}, (401, "invalid_client"), id="wrong secret"),
        pytest.param({"password": ""}, (400, "invalid_request"), id="no password"),
    ],
)
async def test_a_wrong_password_login_is_refused(change: dict[str, str], expected: tuple[int, str]) -> None:
    async with serving() as (org, _):
        status, reply = await org.call("POST", TOKEN, data=password_grant(org, **change))
        assert org.sim.org.tokens.issued == 0
    assert (status, reply["error"]) == expected


@pytest.mark.parametrize("path", [SOAP, "/services/Soap/u/59.0", "/services/Soap/c/61.0/0DF"])
async def test_soap_login_answers_in_the_order_of_the_wsdl(path: str) -> None:
    async with serving() as (org, http):
        body = envelope(org.sim.settings.username, PASSWORD + SECURITY_TOKEN)
        status, root = await soap_login(http, body, path)
        result = root[0][0][0]
        assert status == 200
        assert str(result[3].text).startswith(org.sim.http_url + "/services/Soap/")
        assert org.sim.org.tokens.is_valid(str(result[4].text))
        assert result[6][8].text == org.sim.org_id
    assert [field.tag.rpartition("}")[2] for field in result][3:5] == ["serverUrl", "sessionId"]
    assert result[6][8].tag.endswith("organizationId")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        pytest.param(envelope("integration@byoc.example", "wrong"), "sf:INVALID_LOGIN", id="wrong password"),
        pytest.param(envelope("other", PASSWORD + SECURITY_TOKEN), "sf:INVALID_LOGIN", id="other user"),
        pytest.param("<a/>", "soapenv:Client", id="no login"),
        pytest.param("no xml", "soapenv:Client", id="no xml"),
    ],
)
async def test_a_wrong_soap_login_is_a_fault(body: str, code: str) -> None:
    async with serving() as (org, http):
        status, root = await soap_login(http, body)
        assert org.sim.org.tokens.issued == 0
    assert status == 500
    assert root.findtext(".//faultcode", namespaces={}) == code or code in "".join(root.itertext())


def test_xml_that_declares_entities_is_refused() -> None:
    bomb = f'<!DOCTYPE a [<!ENTITY x "y">]>{envelope("&x;", "p")}'.encode()
    with pytest.raises(SoapError, match="entities"):
        read_login(bomb)


def test_a_user_name_may_need_escaping() -> None:
    assert read_login(envelope("a&b", "p<w>").encode()) == ("a&b", "p<w>")


async def test_userinfo_and_the_identity_url_tell_the_org_of_a_token() -> None:
    async with serving() as (org, http):
        _, token = await org.call("POST", TOKEN, data=password_grant(org))
        bearer = {"Authorization": f"Bearer {token['access_token']}"}
        _, info = await org.call("GET", USERINFO, headers=bearer)
        _, identity = await org.call("GET", token["id"].removeprefix(org.sim.http_url), headers=bearer)
        assert info["organization_id"] == identity["organization_id"] == org.sim.org_id
        assert info["user_id"] == identity["user_id"] == token["id"].rpartition("/")[2]
        async with http.get(USERINFO, headers={"Authorization": "Bearer stale"}) as response:
            assert (response.status, await response.text()) == (403, "Bad_OAuth_Token")


async def test_limits_tell_what_is_left_of_the_allocations() -> None:
    async with serving() as (org, _):
        await org.order("delivery_allocation", events=10)
        org.sim.org.deliveries.spend(4, org.sim.org.clock.now_ms())
        bearer = {"Authorization": f"Bearer {org.sim.org.tokens.issue()}"}
        _, limits = await org.call("GET", "/services/data/v61.0/limits", headers=bearer)
        assert (await org.call("GET", "/services/data/v61.0/limits"))[0] == 401
    assert limits["DailyDeliveredPlatformEvents"] == {"Max": 10, "Remaining": 6}


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        pytest.param({"http_status": 503}, 503, id="an error"),
        pytest.param({"null_token": True}, 200, id="a token that is null"),
        pytest.param({"seconds": 0.1}, 200, id="slow"),
    ],
)
async def test_a_login_goes_wrong_as_often_as_ordered(fault: dict[str, Any], status: int) -> None:
    async with serving() as (org, _):
        order = await org.order("login", times=2, **fault)
        started = time.monotonic()
        replies = [await org.call("POST", TOKEN, data=password_grant(org)) for _ in range(3)]
        assert await org.happened(order) == 2
        assert time.monotonic() - started >= 2 * fault.get("seconds", 0.0)
        assert (await org.call("GET", "/live"))[0] == 200
    assert [reply[0] for reply in replies] == [status, status, 200]
    has_token = [bool(reply[1].get("access_token")) for reply in replies]
    assert has_token == ([True] * 3 if "seconds" in fault else [False, False, True])
