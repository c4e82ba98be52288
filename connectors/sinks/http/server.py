"""Whether a server can be reached as it is configured: what is permanent about a connection is told, and not retried.

A certificate that is not trusted and a host name that does not exist do not get better by repeating a delivery; a
server that is away does.
"""

import asyncio
import logging
import socket
import ssl
from dataclasses import dataclass
from urllib.parse import urlsplit

import aiohttp

from connectors.errors import TerminalError
from schemas.process.text import without_userinfo

log = logging.getLogger(__name__)

_CHECK_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerName:
    """How people name a server: the `setting` that holds its address, and the `remedy` for its certificate."""

    setting: str = "the address"
    remedy: str = "have the server show a certificate for this host from an authority that this machine trusts"

    def problem(self, url: str, why: str) -> str:
        """The text of the error: setting, value, reason, remedy."""
        remedy = "check the host name" if why == NO_SUCH_HOST else self.remedy
        return f"reaching {without_userinfo(url)} ({self.setting}): {why}; {remedy}, then restart the task"


NO_SUCH_HOST = "there is no such host"


def never_reachable(error: BaseException) -> str | None:
    """Why repeating cannot help after this error of a connection; None when it may."""
    cause: BaseException | None = error
    while cause is not None:
        # aiohttp's error is an SSLCertVerificationError too, one without the words
        inner = cause.certificate_error if isinstance(cause, aiohttp.ClientConnectorCertificateError) else cause
        if isinstance(inner, ssl.CertificateError):
            return f"its certificate is refused ({getattr(inner, 'verify_message', type(inner).__name__)})"
        if isinstance(cause, socket.gaierror) and cause.errno == socket.EAI_NONAME:
            return NO_SUCH_HOST
        if isinstance(cause, aiohttp.InvalidURL):
            return "this is no address of a server"
        cause = cause.os_error if isinstance(cause, aiohttp.ClientConnectorError) else cause.__cause__
    return None


async def check_certificate(url: str, trusted: ssl.SSLContext | bool, server: ServerName) -> None:
    """Open a connection to the server of `url` and close it again.

    Raises `TerminalError` when its certificate is refused. A server that does not answer, or whose name is not known
    (yet), is no reason not to start: that is logged.
    """
    parts = urlsplit(url)
    if parts.scheme != "https":
        return
    context = trusted if isinstance(trusted, ssl.SSLContext) else ssl.create_default_context()
    try:
        async with asyncio.timeout(_CHECK_S):
            _, writer = await asyncio.open_connection(parts.hostname, parts.port or 443, ssl=context)
        writer.transport.abort()
    except (OSError, TimeoutError) as error:
        why = never_reachable(error)
        if why is not None and why != NO_SUCH_HOST:
            raise TerminalError(server.problem(url, why)) from error
        extra = {"setting": server.setting, "url": without_userinfo(url), "error": why or type(error).__name__}
        log.warning("server did not answer at the start", extra=extra)
