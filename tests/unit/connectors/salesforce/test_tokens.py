"""Tokens: one request however many ask, exact invalidation, no bad reply kept, clear errors, no secrets in them."""

import asyncio
import json
import logging

import jwt
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from connectors.config.definition import Password
from connectors.errors import RetriableError, TerminalError
from connectors.salesforce.auth import TOKEN_PATH, ClientCredentials, JwtBearer, TokenSource
from connectors.salesforce.token_reply import Token, long_id, org_id_of, token_of

ORG_ID = "00DHs000000DemoMAC"
REPLY = {
    "access_token": "the-token",
    "instance_url": "https://org.my.salesforce.com/",
    "id": f"https://login.salesforce.com/id/{ORG_ID}/005Hs00000AbCdEIAV",
    "token_type": "Bearer",
    "issued_at": "1767225600000",
}


def credentials(login_url="https://org.my.salesforce.com"):
    return ClientCredentials(login_url=login_url, client_id="client-1", client_secret=Password("s3cret"))


class LoginServer:
    """Counts requests and answers with what it is told to."""

    def __init__(self):
        self.requests = []
        self.answers = [(200, REPLY)]
        self.asked = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()

    async def handle(self, request):
        self.requests.append(dict(await request.post()))
        self.asked.set()
        await self.gate.wait()
        status, body = self.answers[min(len(self.requests), len(self.answers)) - 1]
        return web.json_response(body, status=status)


@pytest.fixture
async def login():
    server = LoginServer()
    app = web.Application()
    app.router.add_post(TOKEN_PATH, server.handle)
    async with TestServer(app) as running:
        server.url = str(running.make_url("/"))
        yield server


@pytest.fixture
async def tokens(login):
    source = TokenSource(credentials(login.url))
    yield source
    await source.close()


async def test_however_many_ask_one_request_is_made(login, tokens):
    login.gate.clear()
    asking = [asyncio.create_task(tokens.token()) for _ in range(20)]
    await asyncio.wait_for(login.asked.wait(), 10)
    login.gate.set()
    answers = set(await asyncio.gather(*asking))
    assert answers == {Token(access_token="the-token", instance_url="https://org.my.salesforce.com", org_id=ORG_ID)}
    assert await tokens.token() in answers
    assert login.requests == [{"grant_type": "client_credentials", "client_id": "client-1", "client_secret": "s3cret"}]


async def test_a_refused_token_is_replaced_once_and_a_newer_one_is_kept(login, tokens):
    login.answers = [(200, {**REPLY, "access_token": name}) for name in ("first", "second", "third")]
    first = await tokens.token()
    tokens.invalidate(first)
    second = await tokens.token()
    assert second.access_token == "second"
    tokens.invalidate(first)  # told again by another caller, too late
    assert await tokens.token() == second
    assert len(login.requests) == 2


async def test_a_caller_that_gives_up_does_not_take_the_token_from_the_others(login, tokens):
    login.gate.clear()
    first, second = asyncio.create_task(tokens.token()), asyncio.create_task(tokens.token())
    await asyncio.sleep(0)
    first.cancel()
    login.gate.set()
    assert (await second).access_token == "the-token"
    assert len(login.requests) == 1


async def test_a_user_that_leaves_does_not_take_the_login_from_the_others(login, tokens):
    login.gate.clear()
    async with tokens:
        async with tokens:
            asking = asyncio.create_task(tokens.token())
            await asyncio.wait_for(login.asked.wait(), 10)
        login.gate.set()
        assert (await asking).access_token == "the-token"
    assert len(login.requests) == 1


async def test_a_reply_that_cannot_be_used_is_not_kept(login, tokens):
    login.answers = [(200, {"access_token": "x"}), (200, REPLY)]
    with pytest.raises(TerminalError):
        await tokens.token()
    assert (await tokens.token()).access_token == "the-token"


@pytest.mark.parametrize("nothing", [None, ""])
async def test_a_reply_with_an_empty_token_is_not_kept_and_can_be_asked_for_again(login, tokens, nothing):
    login.answers = [(200, {**REPLY, "access_token": nothing}), (200, REPLY)]
    with pytest.raises(RetriableError, match="holds no token"):
        await tokens.token()
    assert (await tokens.token()).access_token == "the-token"


async def test_wrong_credentials_are_one_clear_error_without_the_secret(login, tokens, caplog):
    login.answers = [(400, {"error": "invalid_client", "error_description": "invalid client credentials"})]
    with caplog.at_level(logging.DEBUG), pytest.raises(TerminalError) as caught:
        await tokens.token()
    message = str(caught.value)
    assert login.url in message
    assert "client_id=client-1" in message
    assert "invalid_client" in message
    assert "s3cret" not in message + caplog.text


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_an_overloaded_login_server_can_be_asked_again(login, tokens, status):
    login.answers = [(status, {}), (200, REPLY)]
    with pytest.raises(RetriableError, match=str(status)):
        await tokens.token()
    assert (await tokens.token()).access_token == "the-token"


async def test_a_login_server_that_is_not_there_is_named(unused_tcp_port):
    source = TokenSource(credentials(f"http://127.0.0.1:{unused_tcp_port}"))
    try:
        with pytest.raises(RetriableError, match=f"login_url=http://127.0.0.1:{unused_tcp_port}"):
            await source.token()
    finally:
        await source.close()


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("<html>", id="a page"),
        pytest.param("[]", id="a list"),
        pytest.param(json.dumps({**REPLY, "id": "https://x/id/nonsense/005"}), id="no org id"),
        pytest.param(json.dumps({"access_token": "the-token"}), id="no instance"),
    ],
)
def test_a_reply_without_what_is_needed_names_the_login_url_and_not_the_token(body):
    with pytest.raises(TerminalError, match=r"salesforce\.login\.url") as caught:
        token_of("asking", 200, body.encode())
    assert "the-token" not in str(caught.value)


def test_a_token_does_not_show_itself():
    assert "the-token" not in repr(token_of("asking", 200, json.dumps(REPLY).encode()))


@pytest.mark.parametrize(
    ("url", "org_id"),
    [
        pytest.param(f"https://login.salesforce.com/id/{ORG_ID}/005", ORG_ID, id="18 characters"),
        pytest.param("https://login.salesforce.com/id/00DHs000000Demo/005", "00DHs000000DemoMAC", id="15 characters"),
    ],
)
def test_the_org_id_has_18_characters(url, org_id):
    assert org_id_of(url) == org_id


def test_the_three_check_characters_tell_the_capitals():
    assert long_id("001A0000006Vm9r") == "001A0000006Vm9rIAC"
    assert long_id("001A0000006Vm9rIAC") == "001A0000006Vm9rIAC"


@pytest.fixture(scope="module")
def private_key():
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def test_the_jwt_assertion_names_client_user_and_audience_and_lives_for_minutes(private_key, tmp_path):
    file = tmp_path / "key.pem"
    file.write_bytes(
        private_key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    flow = JwtBearer(login_url="https://org.my.salesforce.com/", client_id="client-1", username="u@x", private_key=file)
    form = dict(pair.split("=", 1) for pair in flow.request_body(now_s=1_767_225_600).split("&"))
    assert form["grant_type"] == "urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer"
    claims = jwt.decode(
        form["assertion"],
        private_key.public_key(),
        algorithms=["RS256"],
        audience="https://org.my.salesforce.com",
        options={"verify_exp": False, "verify_iat": False},
    )
    assert (claims["iss"], claims["sub"]) == ("client-1", "u@x")
    assert 0 < claims["exp"] - 1_767_225_600 <= 300


@pytest.mark.parametrize("content", [None, "no key"], ids=["missing", "damaged"])
def test_a_private_key_that_cannot_be_used_is_named(content, tmp_path):
    file = tmp_path / "key.pem"
    if content is not None:
        file.write_text(content)
    flow = JwtBearer(login_url="https://x", client_id="client-1", username="u", private_key=file)
    with pytest.raises(TerminalError, match=r"key\.pem.*salesforce\.private\.key\.file"):
        flow.request_body(now_s=0)
