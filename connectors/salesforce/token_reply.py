"""What a reply of the token endpoint means: a token, a login to try again, or an error to be put right. Pure.

A reply is foreign text. Only the fields that are needed are read, and nothing that else stands in it is looked at:
`expires_in` may be anything, Salesforce sends none. Which errors pass by themselves is one table, `LOGIN_ERRORS`.
"""

import json
import re
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from connectors.errors import RetriableError, TerminalError

_ORG_ID: Final = re.compile(r"00D[A-Za-z0-9]{12}(?:[A-Z0-5]{3})?")
_HEADER_WORD: Final = re.compile(r"[\x21-\x7e]+")
_INSTANCE: Final = re.compile(r"https?://[\x21-\x7e]+")
_REASON_CHARACTERS: Final = 300
_TEMPORARY_STATUSES: Final = frozenset({408, 425, 429})
_BYTE_ORDER_MARK: Final = "\ufeff"

# Words of `error` or `error_description` that say that it passes; the codes beside them do not.
_PASSING_WORDS: Final = ("rate exceeded", "rate limit", "retry your request", "try again", "temporarily")


@dataclass(frozen=True, slots=True)
class LoginError:
    """One `error` of OAuth: whether asking again may help, and what a person does about it if not."""

    retried: bool
    remedy: str = ""


_APP: Final = "check salesforce.client.id, its secret or key, and salesforce.login.url"

# One row per `error` with a rule of its own; every other one is final, with `_APP` as its remedy.
LOGIN_ERRORS: Final = {
    "unknown_error": LoginError(retried=True),  # what Salesforce says when it does not know itself
    "server_error": LoginError(retried=True),
    "temporarily_unavailable": LoginError(retried=True),
    "rate_limit_exceeded": LoginError(retried=True),
    "login_rate_exceeded": LoginError(retried=True),
    "slow_down": LoginError(retried=True),
    "inactive_user": LoginError(
        retried=False, remedy="activate the integration user, salesforce.username or the app's run-as user"
    ),
    "inactive_org": LoginError(retried=False, remedy="the org is locked or closed; check salesforce.login.url"),
    "invalid_client_id": LoginError(retried=False, remedy="check salesforce.client.id and salesforce.login.url"),
    "invalid_client": LoginError(
        retried=False, remedy="check salesforce.client.id, salesforce.client.secret and salesforce.login.url"
    ),
    "invalid_grant": LoginError(
        retried=False,
        remedy="check salesforce.client.id, salesforce.username, salesforce.login.url and salesforce.jwt.audience, that"
        " the key is that of the connected app's certificate, and that the app allows this user and this flow",
    ),
    "unsupported_grant_type": LoginError(
        retried=False, remedy="allow the flow of salesforce.auth.flow in the connected app, and check the login URL"
    ),
    "unauthorized_client": LoginError(
        retried=False, remedy="allow the flow of salesforce.auth.flow in the connected app"
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A session of an org. `org_id` has 18 characters, `instance_url` no slash at its end. Its text hides the token."""

    access_token: str = field(repr=False)
    instance_url: str
    org_id: str


def token_of(asking: str, status: int, body: bytes) -> Token:
    """The token in a reply of the token endpoint; `asking` says in errors what was done.

    Raises `RetriableError` when asking again may help, `TerminalError` for refused credentials and for a reply without
    one of the fields that a token needs, and nothing else, whatever stands in the reply.
    """
    if status in _TEMPORARY_STATUSES or status >= 500:
        raise RetriableError(f"{asking}: the login server answered {status}; trying again")
    if 300 <= status < 400:
        raise TerminalError(
            f"{asking}: answer {status} sends us to another address, and no secret is sent after it; set"
            " salesforce.login.url to the org's My Domain URL"
        )
    reply = _object(body)
    if "error" in reply:
        raise _refusal(asking, reply)
    if status == 200 and "access_token" in reply and not reply["access_token"]:
        raise RetriableError(f"{asking}: the reply holds no token; trying again")
    access_token, instance_url, identity = (
        value if isinstance(value := reply.get(key), str) else "" for key in ("access_token", "instance_url", "id")
    )
    if not (status == 200 and access_token and _INSTANCE.fullmatch(instance_url) and identity):
        raise TerminalError(
            f"{asking}: answer {status} is no token reply with access_token, instance_url and id; check"
            " salesforce.login.url (it must be the org's My Domain URL)"
        )
    if not _HEADER_WORD.fullmatch(access_token):
        raise TerminalError(f"{asking}: the access token is no header value; check salesforce.login.url")
    return Token(access_token=access_token, instance_url=instance_url.rstrip("/"), org_id=org_id_of(identity, asking))


def _object(body: bytes) -> dict[str, Any]:
    """The JSON object in a body; empty when there is none."""
    text = body.decode("utf-8", "replace").removeprefix(_BYTE_ORDER_MARK)
    try:
        # numbers are of no use here, and a whole number of more than 4,300 digits would be an error
        found = json.loads(text, parse_int=float)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _refusal(asking: str, reply: dict[str, Any]) -> RetriableError | TerminalError:
    code, description = _words(reply["error"]), _words(reply.get("error_description"))
    reason = ": ".join(part for part in (code, description) if part) or "no reason given"
    row = LOGIN_ERRORS.get(code, LoginError(retried=False, remedy=_APP))
    if row.retried or any(words in reason.lower().replace("_", " ") for words in _PASSING_WORDS):
        return RetriableError(f"{asking}: not now ({reason}); trying again")
    return TerminalError(f"{asking}: refused ({reason}); {row.remedy}")


def _words(value: object) -> str:
    """A value of the reply for an error text: one line, bounded; empty for none."""
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value)
    return " ".join(text[:_REASON_CHARACTERS].encode("utf-8", "replace").decode().split())


def org_id_of(identity_url: str, asking: str = "reading the org id") -> str:
    """The 18-character org id in an identity URL, `https://…/id/<org id>/<user id>`. Raises `TerminalError`."""
    try:
        parts = urlsplit(identity_url).path.strip("/").split("/")
    except ValueError:
        parts = []
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
