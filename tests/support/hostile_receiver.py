"""A receiver of webhooks that answers in raw bytes: well, or in one of the ways in which an answer can be broken."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from connectors import clock

Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]

FINE: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
_OPEN_S = 30.0  # how long a connection that is never closed stays open; longer than any attempt
_CUT = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"


def sent(data: bytes, then: str = "keep") -> Answer:
    """An answer of these bytes; then the connection is kept, closed, aborted, or stays open in silence."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()
        if then == "abort":
            writer.transport.abort()
        elif then == "close":
            writer.close()
        elif then == "stall":
            await asyncio.sleep(_OPEN_S)

    return answer


def repeated(head: bytes, piece: bytes, every_s: float) -> Answer:
    """An answer without end: a head, and then the same piece again and again."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        for _ in range(int(_OPEN_S / max(every_s, 0.001))):
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(every_s)

    return answer


# Answers whose status arrives, 2xx: the message arrived, whatever is wrong behind the status.
BROKEN_BEHIND_THE_STATUS: Final[Mapping[str, Answer]] = {
    "204 with a body": sent(b"HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\nabc"),
    "204 chunked": sent(b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"),
    "encoding that does not fit": sent(
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd", "close"
    ),
    "body cut": sent(_CUT, "close"),
    "body aborted": sent(_CUT, "abort"),
    "chunk cut": sent(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\nabc", "close"),
    "chunk that is none": sent(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc"),
    "two lengths": sent(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"),
    "length that is none": sent(b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\nab"),
    "2,000 headers": sent(b"HTTP/1.1 200 OK\r\n" + b"X: 1\r\n" * 2000 + b"Content-Length: 0\r\n\r\n"),
    "200 headers": sent(b"HTTP/1.1 200 OK\r\n" + b"X: 1\r\n" * 200 + b"Content-Length: 0\r\n\r\n"),
    "header of 9,000 bytes": sent(b"HTTP/1.1 200 OK\r\nX: " + b"a" * 9_000 + b"\r\nContent-Length: 0\r\n\r\n"),
    "header of 90,000 bytes": sent(b"HTTP/1.1 200 OK\r\nX: " + b"a" * 90_000 + b"\r\nContent-Length: 0\r\n\r\n"),
    "header with a null": sent(b"HTTP/1.1 200 OK\r\nX: \0\r\nContent-Length: 0\r\n\r\n"),
    "no header": sent(b"HTTP/1.1 200 OK\r\nno header at all\r\n\r\n", "close"),
    "head cut": sent(b"HTTP/1.1 200 OK\r\nContent-Le", "close"),
    "interim, then a 204 with a body": sent(
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\nabc"
    ),
    "Retry-After beyond all years": sent(
        b"HTTP/1.1 200 OK\r\nRetry-After: Wed, 21 Oct 99999999999999999999 07:28:00 GMT\r\nContent-Length: 0\r\n\r\n"
    ),
    "body stalled": sent(_CUT, "stall"),
    "body drip-fed": repeated(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b"x", 0.05),
    "body without end": repeated(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 65_536, 0.01),
    "headers without end": repeated(b"HTTP/1.1 200 OK\r\n", b"X: 1\r\n" * 50, 0.01),
    "headers stalled": sent(b"HTTP/1.1 200 OK\r\nX: 1\r\n", "stall"),
}
# Answers without a status: nobody can say what became of the message.
WITHOUT_STATUS: Final[Mapping[str, Answer]] = {
    "silence": sent(b"", "stall"),
    "closed": sent(b"", "close"),
    "aborted": sent(b"", "abort"),
    "half a status line": sent(b"HTTP/1.1 20", "stall"),
    "no HTTP": sent(b"\x16\x03\x01\x02\x00 what is this\r\n\r\n", "stall"),
}


@dataclass
class HostileReceiver:
    """Answers the request on path `/<name>` by `answers[name]`, and every other one with 200."""

    answers: Mapping[str, Answer]
    url: str = ""
    arrived: dict[str, list[float]] = field(default_factory=dict)  # path: when, in seconds
    open: int = 0
    requests: int = 0
    body_path: Callable[[bytes], str] | None = None  # names the answer by the body, where all go to one URL

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        self.open += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                fields = dict(line.lower().split(b": ", 1) for line in head.splitlines()[1:] if line)
                body = await reader.readexactly(int(fields.get(b"content-length", b"0")))
                path = self.body_path(body) if self.body_path else head.split(b" ", 2)[1].decode().strip("/")
                self.requests += 1
                self.arrived.setdefault(path, []).append(clock.monotonic_s())
                await self.answers.get(path, sent(FINE))(writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the other side has gone, or the test has ended
        finally:
            self.open -= 1
            writer.close()


@asynccontextmanager
async def hostile_receiver(answers: Mapping[str, Answer]) -> AsyncIterator[HostileReceiver]:
    """Serve on a free port."""
    receiver = HostileReceiver(answers)
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0, backlog=1024)
    receiver.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield receiver
    finally:
        server.close()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(server.wait_closed(), 1)
