"""A TCP server that joins each of its connections to one of its own to another server."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import TypeAlias

from byoc.ports import LOOPBACK

Way: TypeAlias = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
"""Carries what it reads to the writer; the connection ends when it returns."""


class Forwarder:
    """Listens on a free port of the loopback address.

    `ways` is called once for each connection: what carries bytes to the target, and what carries them back.
    """

    def __init__(self, target: str, ways: Callable[[], tuple[Way, Way]]) -> None:
        """`target` is host:port."""
        host, _, port = target.rpartition(":")
        self._target = (host, int(port))
        self._ways = ways
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self.accepted = 0

    @property
    def port(self) -> int:
        """The port to connect to."""
        if self._server is None:
            raise RuntimeError("the forwarder does not listen yet")
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    @property
    def address(self) -> str:
        """host:port to connect to."""
        return f"{LOOPBACK}:{self.port}"

    async def cut(self) -> None:
        """Close every open connection; new ones are accepted."""
        connections, self._connections = self._connections, set()
        for connection in connections:
            connection.cancel()
        await asyncio.gather(*connections, return_exceptions=True)

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Forward for the length of the block; then close everything."""
        self._server = await asyncio.start_server(self._accept, LOOPBACK, 0)
        try:
            yield
        finally:
            self._server.close()
            await self.cut()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        connection = asyncio.create_task(self._forward(reader, writer))
        self._connections.add(connection)
        connection.add_done_callback(self._connections.discard)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = self._ways()
        with suppress(OSError, asyncio.CancelledError):
            far_reader, far_writer = await asyncio.open_connection(*self._target)
            ways = [
                asyncio.ensure_future(there(reader, far_writer)),
                asyncio.ensure_future(back(far_reader, writer)),
            ]
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)
                far_writer.close()
        writer.close()
