"""OAuth tokens of a Salesforce org: fetched when needed, shared by all callers, dropped when Salesforce refuses them.

A reply does not say how long its token lives (there is no `expires_in`): a token ends with the session of the connected
app, after two idle hours by default, or when an administrator revokes it. So a token is used until a call with it
fails. Then `invalidate` drops exactly that token, and the next `token` fetches a new one. However many callers ask at
once, one request is made. An incomplete reply is an error and is never kept.

oauthlib builds the requests, PyJWT signs them, this module sends them, `token_reply.py` reads the replies. It
retries nothing: how often to try again is for its callers to decide. One more flow is a class like `JwtBearer` here,
and its keys in `login_config.py`.
"""

import asyncio
import re
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, Self

import aiohttp
import jwt
from oauthlib.oauth2 import BackendApplicationClient, ServiceApplicationClient

from connectors import clock
from connectors.config.definition import Password
from connectors.errors import RetriableError, TerminalError
from connectors.salesforce.network import DIRECT, NetworkSettings
from connectors.salesforce.token_reply import Token, token_of
from schemas.process.text import without_userinfo

TOKEN_PATH = "/services/oauth2/token"  # noqa: S105 - a path
_ASSERTION_LIFE_S = 180  # Salesforce accepts assertions that expire within five minutes
_REPLY_BYTES = 64 * 1024  # a token reply has about 2 KB

# What stands where a private key should: the first line of a PEM file says it. In this order.
_NOT_PRIVATE_KEYS: Final = (
    (re.compile(r"-----BEGIN (?:RSA )?PUBLIC KEY-----|^\s*ssh-rsa "), "it is a public key; take the private one"),
    (
        re.compile(r"-----BEGIN ENCRYPTED PRIVATE[ ]KEY-----|Proc-Type: 4,ENCRYPTED"),
        "it is encrypted; store it decrypted",
    ),
    (re.compile(r"-----BEGIN (?:EC|DSA) PRIVATE[ ]KEY-----"), "it is no RSA key"),
    (re.compile(r"-----BEGIN OPENSSH PRIVATE[ ]KEY-----"), "it is in OpenSSH's form; convert it to PEM"),
    (re.compile(r"-----BEGIN (?:RSA )?PRIVATE[ ]KEY-----"), ""),
    (re.compile(r"-----BEGIN CERTIFICATE-----"), "it is a certificate; take the key that belongs to it"),
)


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
    `audience` is who the assertion is for (`aud`), the login URL when it is None.
    """

    login_url: str
    client_id: str
    username: str
    private_key: Password | Path
    audience: str | None = None

    def request_body(self, *, now_s: int) -> str:
        """As `LoginFlow.request_body`. Raises `TerminalError` when the private key cannot be used."""
        key = ""
        try:
            key = _key_text(self.private_key)
            service = ServiceApplicationClient(client_id=self.client_id)
            return str(
                service.prepare_request_body(
                    private_key=key,
                    issuer=self.client_id,
                    subject=self.username,
                    audience=self.audience or self.login_url.rstrip("/"),
                    issued_at=now_s,
                    expires_at=now_s + _ASSERTION_LIFE_S,
                )
            )
        # a public key has no `sign`: an AttributeError of the library
        except (OSError, ValueError, TypeError, AttributeError, jwt.PyJWTError) as error:
            why = type(error).__name__ + (f": {said}" if (said := _said_of_key(key)) else "")
            raise TerminalError(
                f"{_asking(self)}: the private key {self.private_key} cannot be used"
                f" ({why}); set salesforce.private.key.file or salesforce.private.key to an RSA key in"
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
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        url = self._login.login_url.rstrip("/") + TOKEN_PATH
        body = self._login.request_body(now_s=self._now_ms() // 1000)
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        proxy = self._network.proxy_for(url)
        try:
            # a redirect is not followed: it would send the secret on, to whatever host it names
            async with self._session.post(
                url, data=body, headers=headers, allow_redirects=False, proxy=proxy
            ) as response:
                reply = bytearray()
                status = response.status
                async for chunk in response.content.iter_any():
                    reply += chunk[: _REPLY_BYTES - len(reply)]
                    if len(reply) == _REPLY_BYTES:
                        response.close()
                        break
        except aiohttp.ClientConnectorCertificateError as error:
            raise TerminalError(
                f"{_asking(self._login)}: its certificate is refused ({_certificate_words(error)}); check"
                " salesforce.login.url, and set salesforce.ca.file to the authority's PEM file"
            ) from error
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise self._no_answer(error) from error
        return token_of(_asking(self._login), status, bytes(reply))

    def _no_answer(self, error: Exception) -> RetriableError:
        return RetriableError(
            f"{_asking(self._login)}: no answer ({type(error).__name__}: {_said(error)}); check"
            " salesforce.login.url and salesforce.proxy.url"
        )


def _certificate_words(error: aiohttp.ClientConnectorCertificateError) -> str:
    inner = error.certificate_error
    return inner.verify_message if isinstance(inner, ssl.SSLCertVerificationError) else type(inner).__name__


def _said(error: Exception) -> str:
    """The text of a library error; without the URL, which holds the password of a proxy that refused us."""
    if isinstance(error, aiohttp.ClientResponseError):
        return f"{error.status} {error.message}"
    return without_userinfo(str(error))


def _said_of_key(key: str) -> str:
    """What stands where a private key should, and what to do; empty when it looks like one, or like nothing known."""
    return next((said for pattern, said in _NOT_PRIVATE_KEYS if pattern.search(key)), "")


def _key_text(key: Password | Path) -> str:
    return key.read_text() if isinstance(key, Path) else key.reveal()


def _asking(login: LoginFlow) -> str:
    return f"asking for a Salesforce token (login_url={without_userinfo(login.login_url)}, client_id={login.client_id})"
