"""OAuth tokens of a Salesforce org: fetched when needed, shared by all callers, dropped when Salesforce refuses them.

A reply does not say how long its token lives (there is no `expires_in`): a token ends with the session of the connected
app, after two idle hours by default, or when an administrator revokes it. So a token is used until a call with it
fails. Then `invalidate` drops exactly that token, and the next `token` fetches a new one. However many callers ask at
once, one request is made. An incomplete reply is an error and is never kept.

oauthlib builds and parses the messages, PyJWT signs them, this module sends them. It retries nothing: how often to try
again is for its callers to decide. One more flow is a class like `JwtBearer` here, and its keys in `login_config.py`.
"""

import asyncio
import json
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, Self
from urllib.parse import urlsplit

import aiohttp
import jwt
from oauthlib.oauth2 import BackendApplicationClient, MissingTokenError, OAuth2Error, ServiceApplicationClient

from connectors import clock
from connectors.config.definition import Password
from connectors.errors import RetriableError, TerminalError
from connectors.salesforce.network import DIRECT, NetworkSettings

TOKEN_PATH = "/services/oauth2/token"  # noqa: S105 - a path
_ASSERTION_LIFE_S = 180  # Salesforce accepts assertions that expire within five minutes
_ORG_ID = re.compile(r"00D[A-Za-z0-9]{12}(?:[A-Z0-5]{3})?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A session of an org. `org_id` has 18 characters, `instance_url` no slash at its end. Its text hides the token."""

    access_token: str = field(repr=False)
    instance_url: str
    org_id: str


class LoginFlow(Protocol):
    """How a token is asked for. One class per OAuth flow; `login_config.FLOWS` names them in the configuration."""

    @property
    def login_url(self) -> str:
        """My Domain URL of the org."""
        ...

    @property
    def client_id(self) -> str:
        """Consumer key of the connected app."""
        ...

    def request_body(self, *, now_s: int) -> str:
        """The form of the token request, at `now_s` (epoch seconds). Raises `TerminalError` if it cannot be made."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientCredentials:
    """OAuth client-credentials flow: the connected app's own user."""

    login_url: str
    client_id: str
    client_secret: Password

    def request_body(self, *, now_s: int) -> str:  # noqa: ARG002 - nothing in this form has a time
        """As `LoginFlow.request_body`."""
        client = BackendApplicationClient(client_id=self.client_id)
        secret = self.client_secret.reveal()
        return str(client.prepare_request_body(include_client_id=True, client_secret=secret))


@dataclass(frozen=True, slots=True, kw_only=True)
class JwtBearer:
    """OAuth JWT-bearer flow: an assertion signed with the connected app's private key (RS256, PEM).

    `private_key` is the key itself, or its file, which is read for each request so that a renewed key is taken.
    """

    login_url: str
    client_id: str
    username: str
    private_key: Password | Path

    def request_body(self, *, now_s: int) -> str:
        """As `LoginFlow.request_body`. Raises `TerminalError` when the private key cannot be used."""
        try:
            service = ServiceApplicationClient(client_id=self.client_id)
            return str(
                service.prepare_request_body(
                    private_key=_key_text(self.private_key),
                    issuer=self.client_id,
                    subject=self.username,
                    audience=self.login_url.rstrip("/"),
                    issued_at=now_s,
                    expires_at=now_s + _ASSERTION_LIFE_S,
                )
            )
        except (OSError, ValueError, TypeError, jwt.PyJWTError) as error:
            raise TerminalError(
                f"{_asking(self)}: the private key {self.private_key} cannot be used"
                f" ({type(error).__name__}); set salesforce.private.key.file or salesforce.private.key to an RSA key in"
                " PEM form"
            ) from error


class TokenSource:
    """The tokens that one login gets, for all tasks of a connector. Belongs to one event loop.

    A task uses it inside `async with tokens:`; when the last task leaves that block, the connections are released.
    """

    def __init__(
        self,
        login: LoginFlow,
        network: NetworkSettings = DIRECT,
        *,
        timeout_s: float = 15.0,
        now_ms: Callable[[], int] = clock.now_ms,
    ) -> None:
        """`timeout_s` is for one request; `now_ms` tells the wall clock."""
        self._login = login
        self._network = network
        self._timeout_s = timeout_s
        self._now_ms = now_ms
        self._token: Token | None = None
        self._fetching: asyncio.Task[Token] | None = None
        self._session: aiohttp.ClientSession | None = None
        self._users = 0

    async def __aenter__(self) -> Self:
        """One more task uses the tokens."""
        self._users += 1
        return self

    async def __aexit__(self, *_error: object) -> None:
        """One task fewer uses the tokens; the last one releases the connections."""
        self._users -= 1
        if self._users == 0:
            await self.close()

    async def token(self) -> Token:
        """The current token, fetched when there is none.

        Callers that arrive while a fetch runs get its result; a cancelled caller does not cancel it for the others.
        Raises `RetriableError` when the login URL does not answer or is overloaded, `TerminalError` when it refuses
        the credentials; both name the login URL and the client id.
        """
        if self._token is not None:
            return self._token
        if self._fetching is None:
            self._fetching = asyncio.create_task(self._fetch())
            self._fetching.add_done_callback(self._fetched)
        return await asyncio.shield(self._fetching)

    def invalidate(self, token: Token) -> None:
        """Salesforce refused `token`: forget it. A newer one that has taken its place meanwhile is kept."""
        if self._token == token:
            self._token = None

    async def close(self) -> None:
        """Release the connections. The source can be used again."""
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.gather(self._fetching, return_exceptions=True)
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _fetched(self, task: asyncio.Task[Token]) -> None:
        self._fetching = None
        if not task.cancelled() and task.exception() is None:
            self._token = task.result()

    async def _fetch(self) -> Token:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=self._timeout_s),
                connector=aiohttp.TCPConnector(ssl=self._network.trusted),
                **self._network.session_options,
            )
        url = self._login.login_url.rstrip("/") + TOKEN_PATH
        body = self._login.request_body(now_s=self._now_ms() // 1000)
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        try:
            async with self._session.post(url, data=body, headers=headers) as response:
                return token_of(self._login, response.status, await response.text())
        except (aiohttp.ClientError, TimeoutError) as error:
            raise RetriableError(
                f"{_asking(self._login)}: no answer ({type(error).__name__}: {_said(error)}); check"
                " salesforce.login.url and salesforce.proxy.url"
            ) from error


def _said(error: Exception) -> str:
    """The text of a library error; without the URL, which holds the password of a proxy that refused us."""
    return f"{error.status} {error.message}" if isinstance(error, aiohttp.ClientResponseError) else str(error)


def _key_text(key: Password | Path) -> str:
    return key.read_text() if isinstance(key, Path) else key.reveal()


def token_of(login: LoginFlow, status: int, body: str) -> Token:
    """The token in a reply of the token endpoint.

    Raises `RetriableError` when asking again may help, `TerminalError` for refused credentials and for a reply without
    one of the fields that a token needs: none of them is guessed.
    """
    asking = _asking(login)
    if status == 429 or status >= 500:
        raise RetriableError(f"{asking}: the login server answered {status}; trying again")
    client = BackendApplicationClient(client_id=login.client_id)
    if status == 200 and _holds_no_token(body):
        raise RetriableError(f"{asking}: the reply holds no token; trying again")
    try:
        client.parse_request_body_response(body)
        reply = json.loads(body)
        access_token, instance_url, identity = (_filled(reply[key]) for key in ("access_token", "instance_url", "id"))
    except (MissingTokenError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise TerminalError(
            f"{asking}: answer {status} is no token reply with access_token, instance_url and id; check"
            " salesforce.login.url (it must be the org's My Domain URL)"
        ) from error
    except OAuth2Error as error:
        reason = ": ".join(part for part in (error.error, error.description) if part)
        raise TerminalError(
            f"{asking}: refused ({reason}); check salesforce.client.id, its secret or key, and salesforce.login.url"
        ) from error
    return Token(access_token=access_token, instance_url=instance_url.rstrip("/"), org_id=org_id_of(identity, asking))


def _holds_no_token(body: str) -> bool:
    """Whether this is a token reply whose token is null or empty; an overloaded login server was seen to send such."""
    with suppress(ValueError):
        reply = json.loads(body)
        return isinstance(reply, dict) and "access_token" in reply and not reply["access_token"]
    return False


def _filled(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("empty, or no text")
    return value


def org_id_of(identity_url: str, asking: str = "reading the org id") -> str:
    """The 18-character org id in an identity URL, `https://…/id/<org id>/<user id>`. Raises `TerminalError`."""
    parts = urlsplit(identity_url).path.strip("/").split("/")
    org_id = parts[-2] if len(parts) >= 2 else ""
    if not _ORG_ID.fullmatch(org_id):
        raise TerminalError(f"{asking}: the reply's id URL holds no org id; check salesforce.login.url")
    return long_id(org_id)


def long_id(record_id: str) -> str:
    """The 18-character form of a Salesforce id: three check characters tell which of the first 15 are capitals."""
    if len(record_id) == 18:
        return record_id
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
    suffix = ""
    for block in (record_id[0:5], record_id[5:10], record_id[10:15]):
        suffix += alphabet[sum(1 << place for place, letter in enumerate(block) if "A" <= letter <= "Z")]
    return record_id + suffix


def _asking(login: LoginFlow) -> str:
    return f"asking for a Salesforce token (login_url={login.login_url}, client_id={login.client_id})"
