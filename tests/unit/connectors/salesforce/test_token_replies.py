"""What a reply of the token endpoint means: a token, try again, or an error with its remedy; and no other exception."""

import contextlib
import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from connectors.errors import RetriableError, TerminalError
from connectors.salesforce.token_reply import LOGIN_ERRORS, Token, org_id_of, token_of

ORG_ID = "00DHs000000DemoMAC"
REPLY = {
    "access_token": "the-token",
    "instance_url": "https://org.my.salesforce.com/",
    "id": f"https://login.salesforce.com/id/{ORG_ID}/005Hs00000AbCdEIAV",
    "token_type": "Bearer",
}
TOKEN = Token(access_token="the-token", instance_url="https://org.my.salesforce.com", org_id=ORG_ID)


def text_of(**fields: str) -> bytes:
    """The reply, with fields whose values are JSON as it stands."""
    further = "".join(f',"{name}":{value}' for name, value in fields.items())
    return (json.dumps(REPLY)[:-1] + further + "}").encode()


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(text_of(), id="as it should be"),
        pytest.param(b"\xef\xbb\xbf" + text_of(), id="behind a byte order mark"),
        pytest.param(text_of(expires_in="1e400"), id="expires in infinity"),
        pytest.param(text_of(expires_in="NaN"), id="expires in no number"),
        pytest.param(text_of(expires_in="-1"), id="expires in the past"),
        pytest.param(text_of(expires_in='"soon"'), id="expires in a word"),
        pytest.param(text_of(expires_in="9" * 5000), id="expires in a number of 5,000 digits"),
        pytest.param(text_of(scope="5"), id="a scope that is a number"),
        pytest.param(text_of(issued_at='"\\ud800"'), id="half a character"),
        pytest.param(text_of(note='"\u00e9"').decode().encode("latin-1"), id="no UTF-8 beside what counts"),
    ],
)
def test_a_token_is_read_whatever_stands_beside_it(body: bytes) -> None:
    assert token_of("asking", 200, body) == TOKEN


def error(code: object, description: object = None) -> bytes:
    return json.dumps({"error": code, "error_description": description}).encode()


@pytest.mark.parametrize(
    ("status", "body"),
    [
        pytest.param(400, error("unknown_error", "retry your request"), id="Salesforce does not know itself"),
        pytest.param(400, error("invalid_grant", "login rate exceeded"), id="too many logins"),
        pytest.param(400, error("invalid_grant", "Login Rate Exceeded"), id="in capitals"),
        pytest.param(403, error("login_rate_exceeded"), id="too many logins as a code"),
        pytest.param(400, error("rate_limit_exceeded", "x"), id="rate limit"),
        pytest.param(400, error("temporarily_unavailable"), id="temporarily unavailable"),
        pytest.param(400, error("server_error"), id="server error"),
        *(pytest.param(status, b"", id=str(status)) for status in (408, 425, 429, 500, 502, 503, 504, 599)),
        pytest.param(503, "<h1>Wartung läuft</h1>".encode("latin-1"), id="503 page that is no UTF-8"),
        pytest.param(200, b'{"access_token":null}', id="no token"),
    ],
)
def test_what_passes_is_asked_again(status: int, body: bytes) -> None:
    with pytest.raises(RetriableError, match="trying again"):
        token_of("asking", status, body)


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        pytest.param(400, error("invalid_client_id", "client identifier invalid"), "salesforce.client.id", id="client"),
        pytest.param(400, error("invalid_client"), "salesforce.client.secret", id="secret"),
        pytest.param(400, error("invalid_grant", "audience is invalid"), "salesforce.jwt.audience", id="audience"),
        pytest.param(400, error("inactive_user"), "activate the integration user", id="user"),
        pytest.param(400, error("inactive_org"), "salesforce.login.url", id="org"),
        pytest.param(400, error("unsupported_grant_type"), "salesforce.auth.flow", id="flow"),
        pytest.param(400, error("new_error", "x" * 5000), "refused (new_error: xxx", id="unknown, and long"),
        pytest.param(400, error(5, {"a": 1}), 'refused (5.0: {"a": 1.0})', id="an error that is a number"),
        pytest.param(400, error(None), "no reason given", id="an error that is null"),
        pytest.param(400, error("\ud800", "a\nb"), "refused (?: a b)", id="half a character and a line"),
        pytest.param(
            400, '{"error":"invalid_grant","error_description":"ungültig"}'.encode("latin-1"), "ung", id="latin-1"
        ),
        pytest.param(307, text_of(), "another address", id="redirect"),
        pytest.param(404, b"<html>", "My Domain", id="no such page"),
        pytest.param(200, b"[]", "My Domain", id="a list"),
        pytest.param(200, b"[" * 60_000, "My Domain", id="deep"),
        pytest.param(200, text_of(id='"https://["'), "no org id", id="an address that is none"),
        pytest.param(200, text_of(id="5"), "My Domain", id="an id that is a number"),
        pytest.param(200, text_of(instance_url='"ftp://x"'), "My Domain", id="an instance that is no address"),
        pytest.param(200, text_of(access_token='"a\\nb"'), "no header value", id="a token with a line break"),
    ],
)
def test_what_does_not_pass_is_told_with_its_remedy(status: int, body: bytes, words: str) -> None:
    with pytest.raises(TerminalError) as caught:
        token_of("asking", status, body)
    assert words in str(caught.value)
    assert str(caught.value).startswith("asking: ")
    assert len(str(caught.value).encode()) < 1500
    assert "the-token" not in str(caught.value)


def test_every_error_that_is_not_asked_again_has_a_remedy() -> None:
    assert all(row.remedy for row in LOGIN_ERRORS.values() if not row.retried)


_VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.text(), max_size=2)
_REPLIES = st.fixed_dictionaries(
    {}, optional={name: _VALUES | st.just(value) for name, value in [*REPLY.items(), ("error", "invalid_grant")]}
).map(lambda reply: json.dumps(reply).encode())


# A reply is a token whose parts fit headers, or one of the two errors.
@example(200, b'{"access_token":"a","instance_url":"https://x","id":"https://["}')
@given(st.sampled_from([200, 400]) | st.integers(100, 599), st.binary() | _REPLIES)
def test_every_reply_is_a_token_or_one_of_two_errors(status: int, body: bytes) -> None:
    try:
        token = token_of("asking", status, body)
    except (RetriableError, TerminalError) as error:
        said = str(error)
    else:
        assert token.access_token.isascii()
        said = token.instance_url
    assert said.encode()


@given(st.text() | st.text().map("https://".__add__))
def test_every_identity_has_an_org_id_or_an_error(identity: str) -> None:
    with contextlib.suppress(TerminalError):
        assert len(org_id_of(identity)) == 18
