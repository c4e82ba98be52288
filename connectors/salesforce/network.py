"""How Salesforce is reached: through which HTTP proxy, and which certificates are trusted.

Without a configured proxy the environment's `https_proxy` and `no_proxy` count, for HTTP as for gRPC.
"""

import ssl
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlsplit, urlunsplit
from urllib.request import getproxies_environment, proxy_bypass

from connectors.config.definition import Password


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """An HTTP proxy at `url`, `http://host:port`. `user` and `password` are for one that asks (Basic)."""

    url: str
    user: str | None = None
    password: Password | None = None

    @property
    def url_with_credentials(self) -> str:
        """The URL with user and password in it, as the client libraries take them. It must never be shown."""
        if self.user is None:
            return self.url
        parts = urlsplit(self.url)
        secret = self.password.reveal() if self.password is not None else ""
        credentials = f"{quote(self.user, safe='')}:{quote(secret, safe='')}"
        return urlunsplit(parts._replace(netloc=f"{credentials}@{parts.netloc}"))


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkSettings:
    """The way to Salesforce. `ca` holds PEM certificates to trust instead of the system's."""

    proxy: Proxy | None = None
    ca: bytes | None = None

    @property
    def trusted(self) -> ssl.SSLContext | bool:
        """The certificates, as an aiohttp connector takes them (`ssl`)."""
        return ssl.create_default_context(cadata=self.ca.decode("ascii")) if self.ca is not None else True

    def proxy_for(self, url: str) -> str | None:
        """The proxy through which a URL is reached, None without one. It can hold a password and must not be shown.

        The environment is asked for proxies alone: the client library, told to trust it, would also take a user and a
        password out of `.netrc` and send them along.
        """
        if self.proxy is not None:
            return self.proxy.url_with_credentials
        parts = urlsplit(url)
        if proxy_bypass(parts.netloc.rpartition("@")[2]):
            return None
        return getproxies_environment().get(parts.scheme)


DIRECT: Final = NetworkSettings()
