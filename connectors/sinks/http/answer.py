"""Reading an answer so that its status is never lost, whatever is wrong with the rest of it.

aiohttp gives a response only when its parser has taken all headers, and drops it when the first bytes of a body that
must not be there stand in the same packet (204 with a body). So the connection remembers the status line itself, and
an attempt that fails behind it still has its status.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection

from connectors.sinks.http.status import BODY_BYTES, status_of

_HEAD_BYTES = 16 * 1024  # in which the status line of the final response is looked for, behind interim ones
_DRAIN_S = 0.2  # for a body that nobody needs: waiting longer than a new connection takes is no gain


@dataclass(slots=True)
class ReadAnswer:
    """What of an answer has been read so far. `complete` says that it was read to its end."""

    status: int | None = None
    body: bytearray = field(default_factory=bytearray)
    encoding: str = ""
    retry_after: str | None = None
    complete: bool = False


_reading: ContextVar[ReadAnswer | None] = ContextVar("_reading", default=None)


@contextmanager
def reading(answer: ReadAnswer) -> Iterator[None]:
    """While it lasts, the status of a response that this task waits for is noted in `answer` if the response fails."""
    token = _reading.set(answer)
    try:
        yield
    finally:
        _reading.reset(token)


class _StatusProtocol(ResponseHandler):
    """A connection that remembers the status line of the answer that it receives."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self._head = bytearray()
        self.final_status: int | None = None

    def set_response_params(self, **params: Any) -> None:
        """A new request is sent on this connection."""
        self._head.clear()
        self.final_status = None
        super().set_response_params(**params)

    def data_received(self, data: bytes) -> None:
        """Bytes have come."""
        if self.final_status is None and len(self._head) < _HEAD_BYTES:
            self._head += data[:_HEAD_BYTES]
            self.final_status = status_of(bytes(self._head))
        super().data_received(data)


class StatusConnector(aiohttp.TCPConnector):
    """Connections for `StatusResponse`."""

    def __init__(self, **options: Any) -> None:
        """`options` are those of `aiohttp.TCPConnector`."""
        super().__init__(**options)
        protocol: type[ResponseHandler] = _StatusProtocol
        self._factory = partial(protocol, loop=asyncio.get_running_loop())


class StatusResponse(aiohttp.ClientResponse):
    """A response that leaves its status behind when the rest of its head cannot be read."""

    async def start(self, connection: Connection) -> aiohttp.ClientResponse:
        """Wait for the head of the response. Raises what aiohttp raises."""
        protocol = connection.protocol
        try:
            return await super().start(connection)
        except BaseException:
            answer = _reading.get()
            if answer is not None and isinstance(protocol, _StatusProtocol):
                answer.status = protocol.final_status
            raise


async def read_answer(response: aiohttp.ClientResponse, answer: ReadAnswer, *, wait_for_body: bool) -> None:
    """Read status, the headers that count, and at most 64 KiB of the body; ends the connection unless all was read.

    `wait_for_body` says that the body matters: it is then read until the caller's timeout ends it. Raises what aiohttp
    raises for a body; what came before is in `answer`.
    """
    answer.status = response.status
    answer.encoding = response.headers.get("Content-Encoding", "")
    answer.retry_after = response.headers.get("Retry-After")
    try:
        async with asyncio.timeout(None if wait_for_body else _DRAIN_S):
            async for chunk in response.content.iter_any():
                answer.body += chunk[: BODY_BYTES - len(answer.body)]
                if len(answer.body) == BODY_BYTES:
                    return
        answer.complete = True
    finally:
        if not answer.complete:
            response.close()
        response.release()
