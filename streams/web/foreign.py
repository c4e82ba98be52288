"""What the query API uses of Faust's web server, as protocols: Faust comes without types that mypy can follow."""

from collections.abc import Mapping
from typing import Protocol


class Url(Protocol):
    """`yarl.URL`. The raw parts are as they were sent, percent-encoded."""

    raw_path: str
    raw_query_string: str


class Request(Protocol):
    """`aiohttp.web.Request`: `query` holds the parameters of the query string."""

    query: Mapping[str, str]
    rel_url: Url


class Response(Protocol):
    """What Faust sends."""


class Page(Protocol):
    """`faust.web.View`, the `self` of a page's handler."""

    def json(self, value: object, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
        """A JSON answer."""

    def bytes(self, value: bytes, *, content_type: str) -> Response:
        """An answer of bytes."""
