"""Tokens: one request however many ask, exact invalidation, no bad reply kept, clear errors, no secrets in them."""

import asyncio
import json
import logging
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import jwt
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from connectors.config.definition import Password
from connectors.errors import RetriableError, TerminalError
from connectors.salesforce.auth import TOKEN_PATH, ClientCredentials, JwtBearer, TokenSource
from connectors.salesforce.network import NetworkSettings
from connectors.salesforce.token_reply import Token, long_id, org_id_of, token_of
from tests.support.simulator import running_simulator

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


def pem_of(key, **encryption):
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        encryption.get("encryption", serialization.NoEncryption()),
    ).decode()


def assertion_of(flow):
    return dict(pair.split("=", 1) for pair in flow.request_body(now_s=1_767_225_600).split("&"))["assertion"]


@pytest.mark.parametrize(
    ("audience", "expected"),
    [(None, "https://org.my.salesforce.com"), ("https://test.salesforce.com", "https://test.salesforce.com")],
)
def test_the_audience_is_the_login_url_or_as_configured(audience, expected, private_key):
    key = Password(pem_of(private_key))
    flow = JwtBearer(
        login_url="https://org.my.salesforce.com/", client_id="c", username="u", private_key=key, audience=audience
    )
    assert jwt.decode(assertion_of(flow), options={"verify_signature": False})["aud"] == expected


def other_keys(private_key):
    public = private_key.public_key()
    own = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "app")])
    began = datetime(2026, 1, 1, tzinfo=UTC)
    certificate = (
        x509.CertificateBuilder(own, own, public, 1, began, began + timedelta(days=1))
        .sign(private_key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
        .decode()
    )
    form = serialization.PublicFormat
    return {
        "a public key": public.public_bytes(serialization.Encoding.PEM, form.SubjectPublicKeyInfo).decode(),
        "it is a public key": public.public_bytes(serialization.Encoding.OpenSSH, form.OpenSSH).decode(),
        "a certificate": certificate,
        "encrypted": pem_of(private_key, encryption=serialization.BestAvailableEncryption(b"word")),
        "no RSA key": ec.generate_private_key(ec.SECP256R1())
        .private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
        .decode(),
    }


@pytest.mark.parametrize("words", ["a public key", "it is a public key", "a certificate", "encrypted", "no RSA key"])
def test_what_stands_in_the_place_of_a_private_key_is_named(words, private_key):
    key = Password(other_keys(private_key)[words])
    flow = JwtBearer(login_url="https://x", client_id="client-1", username="u", private_key=key)
    with pytest.raises(TerminalError, match=rf"{words}.*set salesforce\.private\.key") as caught:
        flow.request_body(now_s=0)
    assert "BEGIN" not in str(caught.value)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed_and_no_secret_goes_elsewhere(status):
    elsewhere = LoginServer()
    app, other = web.Application(), web.Application()
    other.router.add_route("*", "/{path:.*}", elsewhere.handle)
    async with TestServer(other) as there:

        async def move(_request):
            return web.Response(status=status, headers={"Location": str(there.make_url("/moved"))})

        app.router.add_post(TOKEN_PATH, move)
        async with TestServer(app) as here:
            source = TokenSource(credentials(str(here.make_url("/"))))
            with pytest.raises(TerminalError, match=r"another address.*salesforce\.login\.url"):
                await source.token()
            await source.close()
    assert elsewhere.requests == []


async def test_no_user_of_a_netrc_file_is_sent(monkeypatch, tmp_path):
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password stolen\n")
    (tmp_path / "netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    seen = []

    async def answer(request):
        seen.append(dict(request.headers))
        return web.json_response(REPLY)

    app = web.Application()
    app.router.add_post(TOKEN_PATH, answer)
    async with TestServer(app) as here:
        source = TokenSource(credentials(str(here.make_url("/"))))
        await source.token()
        await source.close()
    assert [headers.get("Authorization") for headers in seen] == [None]


async def test_the_proxy_of_the_environment_still_counts(monkeypatch):
    network = NetworkSettings()
    monkeypatch.setenv("https_proxy", "http://proxy:3128")
    monkeypatch.setenv("no_proxy", "inside.example")
    assert network.proxy_for("https://org.my.salesforce.com/x") == "http://proxy:3128"
    assert network.proxy_for("https://inside.example/x") is None


async def test_a_reply_without_end_is_read_to_its_bound():
    async def answer(request):
        response = web.StreamResponse()
        await response.prepare(request)
        with suppress(ConnectionError):
            while True:
                await response.write(b" " * 8_192)
                await asyncio.sleep(0.001)
        return response

    app = web.Application()
    app.router.add_post(TOKEN_PATH, answer)
    async with TestServer(app) as here:
        source = TokenSource(credentials(str(here.make_url("/"))), timeout_s=5.0)
        with pytest.raises(TerminalError, match="is no token reply"):
            await source.token()
        await source.close()


async def test_no_error_shows_a_password_in_the_login_url(unused_tcp_port):
    source = TokenSource(credentials(f"http://us3r:w0rd@127.0.0.1:{unused_tcp_port}"))
    with pytest.raises(RetriableError) as caught:
        await source.token()
    await source.close()
    assert "w0rd" not in str(caught.value)


@pytest.mark.parametrize("status", [400, 503])
async def test_a_page_in_latin_1_raises_no_error_of_a_codec(status):
    async def answer(_request):
        return web.Response(
            status=status, body="ungültig".encode("latin-1"), headers={"Content-Type": "text/html; charset=nonsense"}
        )

    app = web.Application()
    app.router.add_post(TOKEN_PATH, answer)
    async with TestServer(app) as here:
        source = TokenSource(credentials(str(here.make_url("/"))))
        with pytest.raises(TerminalError if status == 400 else RetriableError):
            await source.token()
        await source.close()


async def test_a_login_server_whose_certificate_is_refused_is_named(tmp_path):
    async with running_simulator(tls_dir=tmp_path) as sim:
        source = TokenSource(credentials(sim.http_url))
        with pytest.raises(TerminalError, match=r"certificate is refused.*salesforce\.ca\.file"):
            await source.token()
        await source.close()
