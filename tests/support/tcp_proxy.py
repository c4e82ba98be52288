"""A TCP forwarder between a client and a server, to cut connections or to swallow what goes through them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.support.forwarder import Forwarder


class TcpProxy:
    """Forwards bytes both ways. `cut` breaks what is open; while `swallowing`, bytes vanish and nothing is closed."""

    def __init__(self, target: str) -> None:
        """`target` is host:port."""
        self.forwarder = Forwarder(target, lambda: (self._carry, self._carry))
        self.swallowing = False

    @property
    def address(self) -> str:
        """host:port to connect to."""
        return self.forwarder.address

    @property
    def accepted(self) -> int:
        """How many connections there were so far."""
        return self.forwarder.accepted

    async def cut(self) -> None:
        """Close every open connection; new ones are accepted."""
        await self.forwarder.cut()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            if not self.swallowing:
                writer.write(data)
                await writer.drain()


@asynccontextmanager
async def tcp_proxy(target: str) -> AsyncIterator[TcpProxy]:
    """A proxy to `host:port` for the length of the block."""
    proxy = TcpProxy(target)
    async with proxy.forwarder.listening():
        yield proxy
