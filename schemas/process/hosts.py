"""Which `Host` headers a web server of ours answers to: the guard against DNS rebinding.

A web page of anybody can have a browser ask a server that only the browser can reach: the page's own name is made to
point there. The browser then sends that name as `Host`, so a server that knows its names can refuse. An address cannot
be made to point elsewhere, so where all addresses are served, every address is ours. Pure.
"""

import ipaddress
from collections.abc import Iterable
from typing import Final

STATUS: Final = 421  # Misdirected Request, RFC 9110 section 15.5.20

_LOOPBACK_NAMES: Final = frozenset({"localhost", "localhost.localdomain", "ip6-localhost"})


class OwnHosts:
    """The names and addresses of one server."""

    def __init__(self, bound: str, allowed: Iterable[str] = (), *, setting: str) -> None:
        """`bound` is the host that is bound, `allowed` further names; `setting` is where these are set, for messages.

        Of `allowed`, `.example.com` stands for all names that end so, and `*` for any.
        """
        self._bound = _plain(bound) or "0.0.0.0"  # noqa: S104 - an empty host binds all addresses
        self._address = _address(self._bound)
        self._allowed = {_plain(name) for name in allowed if name.strip()}
        self._setting = setting

    def refusal(self, hosts: Iterable[str]) -> str | None:
        """What is wrong with the `Host` headers of a request, for its sender; None when it may be answered.

        No header is right: that is HTTP/1.0, which load balancers speak for health checks and no browser does.
        """
        given = list(hosts)
        if len(given) > 1:
            return f"{len(given)} Host headers; send one"
        if not given or self._is_ours(_plain(_without_port(given[0]))):
            return None
        return (
            f"Host {given[0][:255]!r} is not a name of this server; ask it by its address, or add the name to"
            f" {self._setting}"
        )

    def _is_ours(self, host: str) -> bool:
        if host in self._allowed or "*" in self._allowed:
            return True
        if any(name.startswith(".") and host.endswith(name) for name in self._allowed):
            return True
        address = _address(host)
        if self._address is not None and self._address.is_unspecified:
            return address is not None or host in _LOOPBACK_NAMES
        if self._bound in _LOOPBACK_NAMES or (self._address is not None and self._address.is_loopback):
            return host in _LOOPBACK_NAMES or (address is not None and address.is_loopback)
        return host == self._bound or (address is not None and address == self._address)


def _plain(host: str) -> str:
    """Lower case, without brackets and the dot of a full name."""
    name = host.strip().lower().removesuffix(".")
    return name[1:-1] if name.startswith("[") and name.endswith("]") else name


def _without_port(host: str) -> str:
    name, colon, port = host.strip().rpartition(":")
    return name if colon and port.isascii() and port.isdigit() and not name.endswith(":") else host


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
