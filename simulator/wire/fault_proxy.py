"""A proxy in front of the gRPC server that breaks streams and connections as no gRPC server can.

It passes HTTP/2 frames on, looks for marks in the data that comes from the server, and does what they say. TLS ends
here. One pair of connections per client connection.
"""

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from simulator.wire.fault_marks import FaultMark, MarkKind, find_mark
from simulator.wire.http2 import CANCEL, PREFACE, Frame, FrameReader, FrameType, data_before, goaway, rst_stream

_READ_BYTES = 256 * 1024
_MESSAGE_PREFIX = 5  # of every gRPC message: one byte of flags and its length
_TLS_GOODBYE_S = 0.2  # clients that are cut off do not say goodbye
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # linger for 0 s: closing sends RST instead of FIN


@dataclass(eq=False)
class _Pair:
    """The connection of a client, and the one to the server."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    serving: "asyncio.Task[None] | None"
    reset: set[int] = field(default_factory=set)  # streams that are over for the client
    is_dark: bool = False
    forgotten: asyncio.Event = field(default_factory=asyncio.Event)  # nobody needs a dark connection any more
    tasks: "list[asyncio.Task[None]]" = field(default_factory=list)


class FaultProxy:
    """Listens for clients; `upstream_port` is the gRPC server's on this machine."""

    def __init__(self, upstream_port: int, secret: bytes) -> None:
        """`secret` begins every mark of the gRPC server."""
        self._upstream_port = upstream_port
        self._secret = secret
        self._server: asyncio.Server | None = None
        self._pairs: set[_Pair] = set()

    async def start(self, host: str, port: int, tls: ssl.SSLContext | None) -> int:
        """Return the bound port. Raises `OSError`."""
        self._server = await asyncio.start_server(
            self._serve, host, port, ssl=tls, ssl_shutdown_timeout=_TLS_GOODBYE_S if tls is not None else None
        )
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Close the listener and every connection."""
        if self._server is not None:
            self._server.close()
        serving = [pair.serving for pair in self._pairs if pair.serving is not None]
        for pair in self._pairs:
            pair.forgotten.set()
            for task in pair.tasks:
                task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        try:
            upstream, server = await asyncio.open_connection("127.0.0.1", self._upstream_port)
        except OSError:  # the server is in maintenance
            client.transport.abort()
            return
        pair = _Pair(client, server, serving=asyncio.current_task())
        pair.tasks = [
            asyncio.create_task(self._from_client(reader, pair)),
            asyncio.create_task(self._from_server(upstream, pair)),
        ]
        self._pairs.add(pair)
        try:
            await asyncio.wait(pair.tasks, return_when=asyncio.FIRST_COMPLETED)
            if pair.is_dark:  # the client has given up, and the server does not learn of it
                await pair.forgotten.wait()
        finally:
            for task in pair.tasks:
                task.cancel()
            await asyncio.gather(*pair.tasks, return_exceptions=True)
            self._pairs.discard(pair)
            client.close()
            server.close()
            await asyncio.gather(client.wait_closed(), server.wait_closed(), return_exceptions=True)

    async def _from_client(self, reader: asyncio.StreamReader, pair: _Pair) -> None:
        async for piece in _pieces(reader, FrameReader(len(PREFACE)), pair):
            pair.server.write(piece.raw if isinstance(piece, Frame) else piece)
            await pair.server.drain()

    async def _from_server(self, reader: asyncio.StreamReader, pair: _Pair) -> None:
        async for piece in _pieces(reader, FrameReader(), pair):
            if isinstance(piece, Frame) and piece.type == FrameType.DATA:
                if piece.stream in pair.reset:
                    continue
                found = find_mark(piece.raw, self._secret)
                if found is not None:
                    at, mark = found
                    pair.client.write(data_before(piece, at - _MESSAGE_PREFIX))
                    await pair.client.drain()
                    if await self._obey(mark, piece.stream, pair):
                        return
                    continue
            # Headers of a stream that was reset pass: the client ignores them, and must see them to decode the next.
            pair.client.write(piece.raw if isinstance(piece, Frame) else piece)
            await pair.client.drain()

    async def _obey(self, mark: FaultMark, stream: int, pair: _Pair) -> bool:
        """Do what the mark says; True when the connection is over."""
        match mark.kind:
            case MarkKind.RESET:
                pair.reset.add(stream)
                pair.client.write(rst_stream(stream, mark.http2_error))
                pair.server.write(rst_stream(stream, CANCEL))
                return False
            case MarkKind.BLACK_HOLE:
                pair.is_dark = True
                await asyncio.Event().wait()
            case MarkKind.GOAWAY:
                pair.client.write(goaway(stream, mark.http2_error))
                await pair.client.drain()
            case MarkKind.CUT:
                raw: socket.socket = pair.client.get_extra_info("socket")
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
                pair.client.transport.abort()
        return True


async def _pieces(reader: asyncio.StreamReader, frames: FrameReader, pair: _Pair) -> AsyncIterator[Frame | bytes]:
    """Yield whole frames, and the preface before them; nothing once the connection is a black hole."""
    while data := await reader.read(_READ_BYTES):
        if pair.is_dark:
            continue
        head, complete = frames.feed(data)
        if head:
            yield head
        for frame in complete:
            yield frame
