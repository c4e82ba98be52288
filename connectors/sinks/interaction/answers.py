"""What an answer of the Interaction Service API means for the call. Pure.

A body is foreign text: it is read for what it says, field by field, and what cannot be read says nothing.

The HTTP status says little: the service publishes error codes and not their statuses, and a 2xx can carry
`success: false`. So the code decides, then the status. Codes are those of the service's public list of error codes.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

import msgspec

from connectors.sinks.http.status import is_temporary

_RATE_LIMIT = "rate limit exceeded"
_BYTE_ORDER_MARK = "\ufeff"
_CODE = re.compile(r"[0-9]{1,10}(?:\.0*)?")
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")
_MOST_CODE = 2**31 - 1  # the result record has an int for it
_MESSAGE_CHARACTERS = 2000
_ID_CHARACTERS = 255  # a record id has 18


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

    `ids` are the record ids that the body names, by the API's own words. `page` says that the body is a page for
    people: something in front of the service has answered in its place.
    """

    success: bool | None = None
    code: int | None = None
    message: str | None = None
    ids: tuple[tuple[str, str], ...] = ()
    page: bool = False


_NOTHING = msgspec.Raw(b"null")


class _Error(msgspec.Struct, frozen=True):
    code: msgspec.Raw = _NOTHING
    message: msgspec.Raw = _NOTHING


class _Body(msgspec.Struct, frozen=True, rename="camel"):
    success: msgspec.Raw = _NOTHING
    code: msgspec.Raw = _NOTHING
    message: msgspec.Raw = _NOTHING
    error_detail: msgspec.Raw = _NOTHING
    psr_id: msgspec.Raw = _NOTHING
    routing_correlation_id: msgspec.Raw = _NOTHING
    agent_work_id: msgspec.Raw = _NOTHING


_IDS = {"psr_id": "psrId", "routing_correlation_id": "routingCorrelationId", "agent_work_id": "agentWorkId"}

# what msgspec raises for foreign text: its own errors, too deep, a number longer than Python converts
_UNREADABLE = (msgspec.MsgspecError, RecursionError, ValueError)


def parse(body: bytes) -> ServiceAnswer:
    """Read a body: `{"success", "errorDetail": {"code", "message"}}` or `{"code", "message"}`, anything else as empty.

    Codes may be text or 10014.0, `success` may be "false", a message may be an object: what can be read of a body is
    read, though other parts of it cannot. Never raises: a body that cannot be read leaves the decision to the status.
    """
    text = body.decode("utf-8", "replace").removeprefix(_BYTE_ORDER_MARK).lstrip()
    if text.startswith("<"):
        return ServiceAnswer(page=True)
    try:
        answer = _fields(text)
    except _UNREADABLE:
        return ServiceAnswer()
    try:
        detail = msgspec.json.decode(answer.error_detail, type=_Error)
    except _UNREADABLE:
        detail = _Error(answer.code, answer.message)
    success = _flag(answer.success)
    code = _code(detail.code)
    if code is None and success is None and _is_unknown_code(detail.code):
        success = False  # an error that has no code of ours is an error
    found = ((word, _text(getattr(answer, name))) for name, word in _IDS.items())
    ids = tuple((word, value) for word, value in found if value and len(value) <= _ID_CHARACTERS)
    return ServiceAnswer(success=success, code=code, message=_message(detail.message), ids=ids)


def _fields(text: str) -> _Body:
    try:
        return msgspec.json.decode(text, type=_Body)
    except msgspec.DecodeError:
        # half a character makes all of the text unreadable: tried once more without
        return msgspec.json.decode(_SURROGATE.sub(r"\\ufffd", text), type=_Body)


def _value(raw: msgspec.Raw) -> object:
    """A field; None for one that cannot be read."""
    try:
        return msgspec.json.decode(raw)
    except _UNREADABLE:
        return None


def _text(raw: msgspec.Raw) -> str | None:
    """The text of a field; None for anything else. It can be written: msgspec refuses half a character."""
    value = _value(raw)
    return value if isinstance(value, str) else None


def _flag(raw: msgspec.Raw) -> bool | None:
    value = _value(raw)
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value.strip().lower())
    return value if isinstance(value, bool) else None


def _message(raw: msgspec.Raw) -> str | None:
    """The words of an error; those of an object as its JSON."""
    text, written = _text(raw), bytes(raw)
    if text is None and written[:1] in (b"{", b"["):
        text = written.decode("utf-8", "replace")
    return None if text is None else text[:_MESSAGE_CHARACTERS]


def _written_code(raw: msgspec.Raw) -> str:
    text = bytes(raw).decode("utf-8", "replace")
    return text.strip('"').strip() if text[:1] not in ("{", "[") else ""


def _code(raw: msgspec.Raw) -> int | None:
    """The code as a number; None for none, for 0 and for what no code can be."""
    written = _written_code(raw)
    code = int(written.partition(".")[0]) if _CODE.fullmatch(written) else 0
    return code if 0 < code <= _MOST_CODE else None


def _is_unknown_code(raw: msgspec.Raw) -> bool:
    """Whether there is a number for a code, though none that a code can be; 0 is no code."""
    digits = _written_code(raw).lstrip("-")
    return digits[:1].isdecimal() and digits.strip("0.") != ""


def meaning(status: int, answer: ServiceAnswer) -> Meaning:
    """What an answer means. A code decides over the status; without one the rate limit's words do, then the status."""
    if answer.code is not None:
        return _BY_CODE.get(answer.code, Meaning.REJECTED)
    if _RATE_LIMIT in (answer.message or "").lower() or is_temporary(status):
        return Meaning.RETRY
    if status == 401:
        return Meaning.NEW_TOKEN
    if answer.page and 200 <= status < 300:
        return Meaning.RETRY  # a page is not the service's word, and its 2xx is no acceptance
    accepted = 200 <= status < 300 and answer.success is not False
    return Meaning.ACCEPTED if accepted else Meaning.REJECTED
