"""An HTTP proxy that tunnels by CONNECT, as companies have them; it can ask who one is, and see nothing of the rest."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

_ASKS = b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=p\r\nContent-Length: 0\r\n\r\n"


class ConnectProxy:
    """Listens on a free port. `credentials`: user and password that it asks for, None for nobody's.

    `tunnels`: the targets of all tunnels so far; `refused`: how often somebody was not let through.
    """

    def __init__(self, credentials: tuple[str, str] | None = None) -> None:
        self._expected = base64.b64encode(":".join(credentials).encode()).decode() if credentials else None
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()
        self.tunnels: list[str] = []
        self.refused = 0

    @property
    def url(self) -> str:
        """http://host:port."""
        if self._server is None:
            raise RuntimeError("the proxy does not listen yet")
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        for connection in self._open:
            connection.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = asyncio.create_task(self._serve(reader, writer))
        self._open.add(connection)
        connection.add_done_callback(self._open.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(OSError, asyncio.IncompleteReadError):
                await self._answer((await reader.readuntil(b"\r\n\r\n")).decode("latin-1"), reader, writer)
        finally:
            writer.close()

    async def _answer(self, request: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first, *headers = request.split("\r\n")
        method, target, _ = first.split(" ")
        said = {line.partition(":")[0].lower(): line.partition(":")[2].strip() for line in headers}
        if method != "CONNECT":
            writer.write(b"HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\n\r\n")
        elif self._expected is not None and said.get("proxy-authorization") != f"Basic {self._expected}":
            self.refused += 1
            writer.write(_ASKS)
        else:
            self.tunnels.append(target)
            await _tunnel(target, reader, writer)


async def _tunnel(target: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    host, _, port = target.rpartition(":")
    far_reader, far_writer = await asyncio.open_connection(host, int(port))
    ways = []
    try:
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        ways = [asyncio.create_task(_pump(reader, far_writer)), asyncio.create_task(_pump(far_reader, writer))]
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        far_writer.close()
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()


@asynccontextmanager
async def connect_proxy(credentials: tuple[str, str] | None = None) -> AsyncIterator[ConnectProxy]:
    """A proxy for the length of the block."""
    proxy = ConnectProxy(credentials)
    await proxy.start()
    try:
        yield proxy
    finally:
        await proxy.close()
