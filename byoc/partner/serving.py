"""An aiohttp application on a port, for as long as a block lasts."""

import errno
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from byoc.errors import ByocError

_SHUTDOWN_S = 3.0


@asynccontextmanager
async def serving(app: web.Application, host: str, port: int) -> AsyncIterator[int]:
    """Serve on `host:port`, port 0 for a free one; yields the bound port. Requests under way end before it closes.

    Raises `ByocError` when the port is taken or the host is not of this machine.
    """
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_SHUTDOWN_S)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        await runner.cleanup()
        taken = error.errno == errno.EADDRINUSE
        remedy = "choose another with --port, or 0 for a free one" if taken else "correct --host and --port"
        reason = "the port is in use" if taken else (error.strerror or type(error).__name__)
        raise ByocError(f"listening on {host}:{port}: {reason}; {remedy}") from None
    try:
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()
