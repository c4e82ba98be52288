"""Stands between a Kafka client and a broker, reads whose answer is whose, and loses the answers it is told to lose."""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import IntEnum
from functools import partial
from typing import Final

from byoc.ports import LOOPBACK
from tests.support.forwarder import Forwarder, Way

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
        """`port`: where the broker listens."""
        self._broker_port = port
        self.forwarder = Forwarder(f"{LOOPBACK}:{port}", self._ways)
        self._to_lose: dict[int, int] = {}
        self.lost = 0

    @property
    def bootstrap_servers(self) -> str:
        """Where clients connect to."""
        return self.forwarder.address

    def lose(self, api: Api, times: int = 1) -> None:
        """Lose the answers to the next `times` requests of this kind."""
        self._to_lose[api] = times

    def _ways(self) -> tuple[Way, Way]:
        asked: dict[int, int] = {}  # of one connection: correlation id -> api key
        return partial(self._requests, asked), partial(self._answers, asked)

    async def _requests(
        self, asked: dict[int, int], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while (frame := await _frame(reader)) is not None:
            api, _, correlation_id = _HEADER.unpack_from(frame)
            asked[correlation_id] = api
            await _send(writer, frame)

    async def _answers(self, asked: dict[int, int], reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (frame := await _frame(reader)) is not None:
            (correlation_id,) = struct.unpack_from(">i", frame)
            api = asked.pop(correlation_id, -1)
            if self._to_lose.get(api, 0):
                self._to_lose[api] -= 1
                self.lost += 1
                return
            if api in (Api.METADATA, Api.FIND_COORDINATOR):
                frame = frame.replace(_place(self._broker_port), _place(self.forwarder.port))
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
    async with proxy.forwarder.listening():
        yield proxy
