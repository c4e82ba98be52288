"""JSON responses, encoded by msgspec: a ledger page of 10,000 entries takes milliseconds."""

from typing import Any

import msgspec
from aiohttp import web


class ErrorReply(msgspec.Struct, frozen=True, kw_only=True):
    """The error shape of the Interaction Service API, used for all of our own calls too."""

    code: int
    message: str


def json_reply(value: Any, *, status: int = 200) -> web.Response:
    """Return a JSON response of structs, lists and dictionaries; bytes become base64 text."""
    return web.Response(body=msgspec.json.encode(value), status=status, content_type="application/json")


def error_reply(status: int, code: int, message: str) -> web.Response:
    """Return the response to a refused call."""
    return json_reply(ErrorReply(code=code, message=message), status=status)
