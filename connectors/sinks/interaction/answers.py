"""What an answer of the Interaction Service API means for the call. Pure.

The HTTP status says little: the service publishes error codes and not their statuses, and a 2xx can carry
`success: false`. So the code decides, then the status. Codes are those of the service's public list of error codes.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import msgspec

from connectors.sinks.http.status import is_temporary

_RATE_LIMIT = "rate limit exceeded"


class Meaning(StrEnum):
    """What to do after an answer."""

    ACCEPTED = "accepted"
    RETRY = "retry"
    NEW_TOKEN = "new token"  # noqa: S105 - a word, no secret
    REJECTED = "rejected"


# One row per error code that is not final; every other code means that the call is rejected.
_BY_CODE = {
    500: Meaning.RETRY,  # an error of the service, as are 20002 to 20004 and 25000 to 25009
    10003: Meaning.NEW_TOKEN,  # the token lacks a scope
    10004: Meaning.NEW_TOKEN,  # the token is not valid
    10005: Meaning.NEW_TOKEN,  # the token does not fit the authorization context
    10019: Meaning.RETRY,  # read-only while the org migrates
    10055: Meaning.RETRY,  # "please retry"
    10056: Meaning.RETRY,  # "please retry"
    10094: Meaning.RETRY,  # "please retry"
    15109: Meaning.ACCEPTED,  # the same work is active already, made by an attempt whose answer was lost
    20002: Meaning.RETRY,
    20003: Meaning.RETRY,
    20004: Meaning.RETRY,
    **dict.fromkeys(range(25000, 25010), Meaning.RETRY),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceAnswer:
    """The parts of a body that decide. None where the body does not say; `code` is never 0.

    `ids` are the record ids that the body names, by the API's own words.
    """

    success: bool | None = None
    code: int | None = None
    message: str | None = None
    ids: tuple[tuple[str, str], ...] = ()


class _Error(msgspec.Struct, frozen=True):
    code: int | str | None = None
    message: str | None = None


class _Body(msgspec.Struct, frozen=True, rename="camel"):
    success: bool | None = None
    code: int | str | None = None
    message: str | None = None
    error_detail: _Error | None = None
    psr_id: Any = None
    routing_correlation_id: Any = None
    agent_work_id: Any = None


_IDS = {"psr_id": "psrId", "routing_correlation_id": "routingCorrelationId", "agent_work_id": "agentWorkId"}

_DECODER = msgspec.json.Decoder(_Body)


def parse(body: bytes) -> ServiceAnswer:
    """Read a body: `{"success", "errorDetail": {"code", "message"}}` or `{"code", "message"}`, anything else as empty.

    Codes may be numeric strings. Never raises: a body that cannot be read leaves the decision to the status.
    """
    try:
        answer = _DECODER.decode(body)
    except msgspec.DecodeError:
        return ServiceAnswer()
    detail = answer.error_detail or _Error(answer.code, answer.message)
    found = ((word, getattr(answer, name)) for name, word in _IDS.items())
    ids = tuple((word, value) for word, value in found if isinstance(value, str) and value)
    return ServiceAnswer(success=answer.success, code=_code(detail.code), message=detail.message, ids=ids)


def meaning(status: int, answer: ServiceAnswer) -> Meaning:
    """What an answer means. A code decides over the status; without one the rate limit's words do, then the status."""
    if answer.code is not None:
        return _BY_CODE.get(answer.code, Meaning.REJECTED)
    if _RATE_LIMIT in (answer.message or "").lower() or is_temporary(status):
        return Meaning.RETRY
    if status == 401:
        return Meaning.NEW_TOKEN
    accepted = 200 <= status < 300 and answer.success is not False
    return Meaning.ACCEPTED if accepted else Meaning.REJECTED


def _code(value: int | str | None) -> int | None:
    if isinstance(value, str):
        value = int(value) if value.isdecimal() else None
    return value or None
