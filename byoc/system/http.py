"""JSON over HTTP to the parts on this machine."""

import urllib.error
import urllib.request
from typing import Any

import msgspec

from byoc.errors import ByocError

TIMEOUT_S = 30.0


def get_json(url: str) -> Any:
    """Return the decoded answer of a GET. Raises `ByocError` naming the URL when there is none."""
    return _ask(urllib.request.Request(url))  # noqa: S310  our own parts on loopback


def post_json(url: str, body: Any) -> Any:
    """Post `body` as JSON; return the decoded answer. Raises `ByocError` naming the URL."""
    data = msgspec.json.encode(body)
    return _ask(urllib.request.Request(url, data, {"content-type": "application/json"}))  # noqa: S310


def _ask(request: urllib.request.Request) -> Any:
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:  # noqa: S310
            return msgspec.json.decode(response.read())
    except urllib.error.HTTPError as error:
        raise ByocError(
            f"asking {request.full_url}: {error.code} {error.read(300).decode(errors='replace')}"
        ) from error
    except (OSError, msgspec.DecodeError) as error:
        raise ByocError(f"asking {request.full_url}: {error}; is the part that serves it still running?") from error
