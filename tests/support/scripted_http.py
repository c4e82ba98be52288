"""An HTTP server that answers by a script and remembers what it was asked."""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

from byoc.partner.serving import serving
from connectors import clock


@dataclass(frozen=True, slots=True)
class Reply:
    """One scripted answer, given after `delay_s`; `disconnect` cuts the connection instead, `endless` never ends."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    disconnect: bool = False
    endless: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """One request that arrived."""

    path: str
    headers: Mapping[str, str]
    body: bytes
    at_ms: int
    at_s: float
    method: str


@dataclass
class ScriptedServer:
    """`replies` are given in turn, the last one for ever."""

    url: str = ""
    replies: deque[Reply] = field(default_factory=deque)
    asked: list[Asked] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0

    def script(self, *replies: Reply) -> None:
        """What to answer from now on."""
        self.replies = deque(replies)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer the next request."""
        body = await request.read()
        self.asked.append(
            Asked(request.path, dict(request.headers), body, clock.now_ms(), clock.monotonic_s(), request.method)
        )
        reply = self.replies.popleft() if len(self.replies) > 1 else self.replies[0]
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await asyncio.sleep(reply.delay_s)
        finally:
            self.at_once -= 1
        if reply.disconnect and request.transport is not None:
            request.transport.abort()
        if reply.endless:
            return await _endless(request, reply.status)
        return web.Response(status=reply.status, body=reply.body, headers=reply.headers)


async def _endless(request: web.Request, status: int) -> web.StreamResponse:
    response = web.StreamResponse(status=status)
    await response.prepare(request)
    with contextlib.suppress(ConnectionError):
        while True:
            await response.write(b"x" * 65_536)
    return response


@asynccontextmanager
async def scripted_server(*replies: Reply) -> AsyncIterator[ScriptedServer]:
    """Serve on a free port."""
    server = ScriptedServer(replies=deque(replies))
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.handle)
    async with serving(app, "127.0.0.1", 0) as port:
        server.url = f"http://127.0.0.1:{port}"
        yield server
