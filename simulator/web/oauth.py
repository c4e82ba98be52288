"""The OAuth token endpoint: client credentials, JWT bearer, username-password; its reply has the keys of Salesforce.

oauthlib checks the messages and writes the error replies; what is ours is who may have a token and what it looks like.
"""

import base64
import hashlib
import hmac
import json
from typing import Any

import jwt
from aiohttp import web
from oauthlib.common import Request
from oauthlib.oauth2 import (
    ClientCredentialsGrant,
    OAuth2Error,
    RequestValidator,
    ResourceOwnerPasswordCredentialsGrant,
    TokenEndpoint,
)
from oauthlib.oauth2.rfc6749 import errors
from oauthlib.oauth2.rfc6749.grant_types.base import GrantTypeBase
from oauthlib.oauth2.rfc6749.tokens import OAuth2Token, TokenBase

from simulator.org.org import Org
from simulator.org.tokens import same_secret
from simulator.settings import Settings

TOKEN_PATH = "/services/oauth2/token"  # noqa: S105  # a path
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
SCOPE = "api interaction_api"
USER_ID = "005Hs00000SimABIA0"  # 18-character id of the integration user
_LOGIN_URLS = ("https://login.salesforce.com", "https://test.salesforce.com")


class _Token(TokenBase):
    """Issues the access token. The reply has no `expires_in`: a session lasts as long as the org lets it."""

    __slots__ = ("_org",)

    def __init__(self, org: Org) -> None:
        self._org = org

    def create_token(self, request: Request, refresh_token: bool = False) -> OAuth2Token:  # noqa: ARG002  # oauthlib's
        org = self._org
        issued_at = str(org.clock.now_ms())
        identity = f"{org.instance_url}/id/{org.settings.org_id}/{USER_ID}"
        digest = hmac.digest(org.settings.client_secret.encode(), (identity + issued_at).encode(), hashlib.sha256)
        return OAuth2Token(
            {
                "access_token": org.tokens.issue(request.user or org.settings.client_id),
                "signature": base64.b64encode(digest).decode(),
                "scope": SCOPE,
                "instance_url": org.instance_url,
                "id": identity,
                "token_type": "Bearer",
                "issued_at": issued_at,
            }
        )


class _Clients(RequestValidator):
    """The one connected app of the org."""

    def __init__(self, org: Org) -> None:
        self._org = org

    def authenticate_client(self, request: Request, *_args: Any, **_kwargs: Any) -> bool:
        client_id, secret = _basic_credentials(request) or (request.client_id, request.client_secret)
        settings = self._org.settings
        if client_id != settings.client_id or not same_secret(secret or "", settings.client_secret):
            return False
        request.client = _Client(settings.client_id)
        return True

    def validate_grant_type(self, *_args: Any, **_kwargs: Any) -> bool:
        return True

    def get_default_scopes(self, *_args: Any, **_kwargs: Any) -> list[str]:
        return SCOPE.split()

    def validate_scopes(self, *_args: Any, **_kwargs: Any) -> bool:
        return True

    def validate_user(self, username: str, password: str, _client: Any, request: Request) -> bool:
        settings = self._org.settings
        if not same_secret(username, settings.username) or not password_is_right(settings, password):
            return False
        request.user = username
        return True

    def save_token(self, *_args: Any, **_kwargs: Any) -> None:
        """Nothing to do: the token is valid from its creation."""


class _Client:
    """An authenticated client, in the form that oauthlib expects."""

    def __init__(self, client_id: str) -> None:
        self.client_id = client_id


class _JwtBearerGrant(GrantTypeBase):
    """RFC 7523: a signed assertion instead of a secret."""

    def __init__(self, org: Org) -> None:
        super().__init__(_Clients(org))
        self._org = org

    def create_token_response(self, request: Request, token_handler: TokenBase) -> tuple[dict[str, str], str, int]:
        headers = {"Content-Type": "application/json", "Cache-Control": "no-store", "Pragma": "no-cache"}
        try:
            # oauthlib: absent parameters are no attributes
            request.user = self._subject(getattr(request, "assertion", None))
        except OAuth2Error as error:
            return headers, error.json, error.status_code
        assert isinstance(token_handler, _Token)  # noqa: S101  # for the type checker: the endpoint has one handler
        return headers, json.dumps(token_handler.create_token(request)), 200

    def _subject(self, assertion: str | None) -> str:
        settings = self._org.settings
        if not assertion:
            raise errors.InvalidRequestError("assertion is missing")
        if settings.public_key_pem is None:
            raise errors.InvalidGrantError("no certificate is registered for this connected app")
        try:
            claims = jwt.decode(
                assertion,
                settings.public_key_pem,
                algorithms=["RS256"],
                audience=[*_LOGIN_URLS, self._org.instance_url],
                issuer=settings.client_id,
                # The simulator's clock decides about the expiry, not the machine's.
                options={"require": ["exp", "iss", "sub", "aud"], "verify_exp": False, "verify_iat": False},
            )
        except jwt.InvalidAudienceError as error:
            raise errors.InvalidGrantError("audience is invalid") from error
        except jwt.InvalidTokenError as error:
            raise errors.InvalidGrantError("invalid assertion") from error
        if claims["sub"] != settings.username:
            raise errors.InvalidGrantError("user hasn't approved this consumer")
        if not isinstance(claims["exp"], int | float) or claims["exp"] * 1000 <= self._org.clock.now_ms():
            raise errors.InvalidGrantError("expired assertion")
        return settings.username


def password_is_right(settings: Settings, password: str) -> bool:
    """Say whether it is the user's password followed by the security token, as untrusted addresses must send it."""
    return same_secret(password, settings.password + settings.security_token)


def _basic_credentials(request: Request) -> tuple[str, str] | None:
    """Client id and secret of an HTTP Basic header, the other place where a client may put them."""
    scheme, _, value = (request.headers.get("Authorization") or "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        client_id, _, secret = base64.b64decode(value, validate=True).decode().partition(":")
    except ValueError:
        return None
    return client_id, secret


def routes(org: Org) -> list[web.RouteDef]:
    """The token endpoint of one org."""
    grants = {
        "client_credentials": ClientCredentialsGrant(_Clients(org)),
        "password": ResourceOwnerPasswordCredentialsGrant(_Clients(org), refresh_token=False),
        JWT_BEARER: _JwtBearerGrant(org),
    }
    endpoint = TokenEndpoint("client_credentials", _Token(org), grants)  # type: ignore[arg-type]  # stub says str

    async def token(request: web.Request) -> web.Response:
        body = await request.text()
        try:
            headers, text, status = endpoint.create_token_response(
                str(request.url), "POST", body, dict(request.headers)
            )
        except OAuth2Error as error:
            headers, text, status = {"Content-Type": "application/json"}, error.json, error.status_code
        return web.Response(text=text, status=status, headers=headers)

    return [web.post(TOKEN_PATH, token)]
