"""Stands between a Kafka client and a broker, reads whose answer is whose, and loses the answers it is told to lose."""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from enum import IntEnum
from typing import Final

from byoc.ports import LOOPBACK

_HEADER: Final = struct.Struct(">hhi")  # api key, version, correlation id


class Api(IntEnum):
    """Requests of the Kafka protocol, by their numbers."""

    PRODUCE = 0
    METADATA = 3
    FIND_COORDINATOR = 10
    INIT_PRODUCER_ID = 22
    ADD_PARTITIONS_TO_TXN = 24
    END_TXN = 26


class KafkaProxy:
    """Forwards to a broker on the loopback address, and tells clients that it is that broker.

    `lose(api, times)`: the next answers to such requests are thrown away and their connections closed: the broker has
    done what it was asked for, and the client cannot know.
    """

    def __init__(self, port: int) -> None:
        self._broker_port = port
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._to_lose: dict[int, int] = {}
        self.lost = 0

    @property
    def bootstrap_servers(self) -> str:
        """Where clients connect to."""
        return f"{LOOPBACK}:{self._port}"

    @property
    def _port(self) -> int:
        if self._server is None:
            raise RuntimeError("the proxy does not listen yet")
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def lose(self, api: Api, times: int = 1) -> None:
        """Lose the answers to the next `times` requests of this kind."""
        self._to_lose[api] = times

    async def start(self) -> None:
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._accept, LOOPBACK, 0)

    async def close(self) -> None:
        """Stop listening and close everything."""
        if self._server is not None:
            self._server.close()
        connections, self._connections = self._connections, set()
        for connection in connections:
            connection.cancel()
        await asyncio.gather(*connections, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = asyncio.create_task(self._forward(reader, writer))
        self._connections.add(connection)
        connection.add_done_callback(self._connections.discard)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked: dict[int, int] = {}  # correlation id -> api key
        with suppress(OSError, asyncio.CancelledError):
            far_reader, far_writer = await asyncio.open_connection(LOOPBACK, self._broker_port)
            ways = [
                asyncio.create_task(self._requests(reader, far_writer, asked)),
                asyncio.create_task(self._answers(far_reader, writer, asked)),
            ]
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)
                far_writer.close()
        writer.close()

    async def _requests(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, asked: dict[int, int]
    ) -> None:
        while (frame := await _frame(reader)) is not None:
            api, _, correlation_id = _HEADER.unpack_from(frame)
            asked[correlation_id] = api
            await _send(writer, frame)

    async def _answers(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, asked: dict[int, int]) -> None:
        while (frame := await _frame(reader)) is not None:
            (correlation_id,) = struct.unpack_from(">i", frame)
            api = asked.pop(correlation_id, -1)
            if self._to_lose.get(api, 0):
                self._to_lose[api] -= 1
                self.lost += 1
                return
            if api in (Api.METADATA, Api.FIND_COORDINATOR):
                frame = frame.replace(_place(self._broker_port), _place(self._port))
            await _send(writer, frame)


async def _frame(reader: asyncio.StreamReader) -> bytes | None:
    """The next size-delimited message, None at the end of the connection."""
    try:
        (size,) = struct.unpack(">i", await reader.readexactly(4))
        return await reader.readexactly(size)
    except asyncio.IncompleteReadError:
        return None


async def _send(writer: asyncio.StreamWriter, frame: bytes) -> None:
    writer.write(struct.pack(">i", len(frame)) + frame)
    await writer.drain()


def _place(port: int) -> bytes:
    """Host and port as an answer has them: the port stands right behind the host."""
    return LOOPBACK.encode() + struct.pack(">i", port)


@asynccontextmanager
async def kafka_proxy(port: int) -> AsyncIterator[KafkaProxy]:
    """A proxy to the broker at this port of the loopback address, for the length of the block."""
    proxy = KafkaProxy(port)
    await proxy.start()
    try:
        yield proxy
    finally:
        await proxy.close()
