"""Checks of the addresses in a configuration. Pure."""

import re
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

_UNFIT_IN_URL: Final = re.compile(r"[\x00-\x20\x7f\\]")
_HOST: Final = re.compile(r"[^\s/?#@:\[\]<>^|%]+|[0-9a-f:.]+(?:%25[0-9a-z]+)?", re.IGNORECASE)
_MOST_PORT: Final = 65_535


def http_url(value: Any) -> str | None:
    """A check: the string is an http or https address that can be called: a host, and a port that there is."""
    text = str(value)
    if not text.startswith(("http://", "https://")):
        return "must start with http:// or https://"
    if _UNFIT_IN_URL.search(text):
        return "must not hold spaces or control characters"
    try:
        parts = urlsplit(text)
        host = parts.hostname or ""
        host.encode("idna")
    except ValueError:  # UnicodeError is one
        return "must name a host, as in https://host:port/path"
    return _host_problem(host) or _port_problem(parts)


def http_url_without_credentials(value: Any) -> str | None:
    """As `http_url`, and without user and password: these have keys of their own, whose values are not shown."""
    if problem := http_url(value):
        return problem
    return "must not hold user and password; they have keys of their own" if "@" in str(value) else None


def host_and_port(value: Any) -> str | None:
    """A check: the string is host:port, as gRPC takes it."""
    text = str(value)
    try:
        parts = urlsplit(f"//{text}")
        host = parts.hostname or ""
    except ValueError:
        return "must be host:port"
    if "@" in text or parts.netloc != text or _UNFIT_IN_URL.search(text):
        return "must be host:port, and nothing else"
    return _host_problem(host) or _port_problem(parts) or (None if parts.port else "must be host:port")


def _host_problem(host: str) -> str | None:
    return None if _HOST.fullmatch(host) else "must name a host, as in https://host:port/path"


def _port_problem(parts: SplitResult) -> str | None:
    try:
        port = parts.port
    except ValueError:
        port = 0
    if port is None and not parts.netloc.endswith(":"):
        return None
    return None if port else f"must have a port between 1 and {_MOST_PORT}, or none"
