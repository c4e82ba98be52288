"""What strangers ask our servers: the REST API of the worker, the query API of the processor. Byte for byte."""

import asyncio
import re
import tempfile
from typing import Any
from urllib.parse import unquote

import msgspec
from aiohttp import web

from connectors.connector import WorkerConfig
from connectors.runtime.rest import RestServer
from connectors.runtime.worker import Worker
from streams.app import create_app
from streams.settings import StreamsSettings
from tests.fuzz.mutators import of_lines
from tests.fuzz.peers import Loop
from tests.fuzz.target import Broken, Target

_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3}) ")
_PATIENCE_S = 4.0


async def ask(host: str, port: int, request: bytes) -> bytes:
    """Send the bytes and end our side; everything that came back. Raises `Broken` when the server keeps the line."""
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(request)
        writer.write_eof()
        async with asyncio.timeout(_PATIENCE_S):
            return await reader.read(2**20)
    except OSError as error:
        if isinstance(error, TimeoutError):
            raise Broken("neither an answer nor an end of the connection") from error
        return b""
    finally:
        writer.close()


def _status(answer: bytes) -> int:
    found = _STATUS.match(answer)
    return 0 if found is None else int(found[1])


# -- the worker's REST API
class _Rest:
    """A worker with one connector, whose tasks do not run."""

    def __init__(self) -> None:
        self.loop = Loop()
        self.address = self.loop.run(self._start())

    async def _start(self) -> tuple[str, int]:
        config = WorkerConfig(
            bootstrap_servers="127.0.0.1:1", group_id="g", topic_prefix="byoc", offset_storage_topic="offsets"
        )
        worker = Worker(config)
        settings = {
            "name": "sink",
            "connector.class": "connectors.sinks.WebhookSink",
            "webhook.url": "https://partner.example/v1",
            "webhook.secret": "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
        }
        worker.add("sink", settings)
        server = RestServer(worker, host="127.0.0.1", port=0, kafka_cluster_id="x", has_started=lambda: True)
        return await server.start()


_REST: list[_Rest] = []


def rest(data: bytes) -> None:
    """A request, or several. Offsets are left out: they are asked of Kafka."""
    if b"offsets" in unquote(data.decode("latin-1")).encode():
        return
    if not _REST:
        _REST.append(_Rest())
    server = _REST[0]
    answer = server.loop.run(ask(*server.address, data))
    if 500 <= _status(answer) < 600 and _status(answer) not in (501, 505):
        raise Broken(f"answered {answer[:300]!r}")
    if b"whsec_" in answer:
        raise Broken("a secret stands in the answer")


def _get(path: str, *headers: str, host: str = "127.0.0.1") -> bytes:
    return "\r\n".join((f"GET {path} HTTP/1.1", f"Host: {host}", "Connection: close", *headers, "", "")).encode()


def rest_seeds() -> list[bytes]:
    """Every path, and what is no path."""
    paths = ("", "health", "metrics", "connectors", "connectors?expand=info&expand=status", "connectors/sink")
    more = (
        "connectors/sink/status",
        "connectors/sink/config",
        "connectors/sink/tasks",
        "connectors/sink/tasks/0/status",
    )
    return [
        *(_get(f"/{path}") for path in (*paths, *more, "no", "connectors/none", "connectors/sink/tasks/x/status")),
        b"POST /connectors HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2\r\n\r\n{}",
        b"PUT /connectors/sink/config HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    ]


_WORDS = (
    *(b"/", b"//", b"/..", b"%2F", b"%00", b"%", b"%zz", b"%25", b"?", b"#", b"?expand=", b"&expand=status", b";a=b"),
    *(b"connectors", b"sink", b"\r\n", b"HTTP/1.0", b"HTTP/2", b"GET ", b"HEAD ", b"OPTIONS ", b"*", b"http://x/"),
    *(b"Host: a\r\n", b"Content-Length: 9\r\n", b"Transfer-Encoding: chunked\r\n", b"Expect: 100-continue\r\n"),
    *(b"\xff", b"\xc3\xa9", b"\x00", b"a" * 9_000, b"Accept: */*\r\n", b"Range: bytes=0-\r\n", b"[::1]", b"@", b"-1"),
)


# -- the query API of the processor
class _Queries:
    """The pages of a processor that has recovered and owns no partition."""

    def __init__(self) -> None:
        self.loop = Loop()
        self.address = self.loop.run(self._start())

    async def _start(self) -> tuple[str, int]:
        folder = tempfile.mkdtemp(prefix="fuzz-queries-")
        given: dict[str, Any] = {"bootstrap_servers": "127.0.0.1:1", "data_dir": folder, "web_port": 0}
        settings = StreamsSettings(**given)
        app = create_app(settings, 1)
        app.finalize()
        app.web.init_server()
        app.tables.recovery.completed.set()
        runner = web.AppRunner(app.web.web_app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        return str(host), int(port)


_QUERIES: list[_Queries] = []


def queries(data: bytes) -> None:
    """A path with its query string. What is answered about a conversation is about the one that was asked for."""
    if not _QUERIES:
        _QUERIES.append(_Queries())
    server = _QUERIES[0]
    path = data.replace(b"\r", b"").replace(b"\n", b"").replace(b" ", b"")
    request = b"GET /" + path + b" HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    answer = server.loop.run(ask(*server.address, request))
    status = _status(answer)
    if status == 500 or (500 < status < 600 and status != 503):
        raise Broken(f"answered {answer[:300]!r}")
    head, _, body = answer.partition(b"\r\n\r\n")
    if status == 200 and b"application/json" in head and path.startswith(b"v1/conversations/"):
        named = msgspec.json.decode(body).get("conversation_id")
        asked = path.removeprefix(b"v1/conversations/").partition(b"?")[0].partition(b"#")[0].partition(b"/")[0]
        if named is not None and named != unquote(asked.decode("utf-8", "surrogateescape")):
            raise Broken(f"answered about {named!r}")


def query_seeds() -> list[bytes]:
    """Every page."""
    return [
        b"v1/conversations/c0ffee00-0000-4000-8000-0000000000a1?local=1",
        b"v1/conversations/c1:who%3F/deliveries/d1?local=1",
        b"v1/conversations/c1:50%2525?local",
        b"v1/conversations/c1:a%2Fb",
        b"v1/routing/requests?state=open&local=1",
        b"v1/routing/requests?state=never&limit=5",
        b"live",
        b"ready",
        b"metrics",
    ]


_PATH_WORDS = (
    *_WORDS[:13],
    b"\xc3\xa9",
    b"%C3%A9",
    b"%ff",
    b"local=",
    b"state=",
    b"=",
    b"&",
    b"+",
    b"a" * 9_000,
    b"%0a",
)
TARGETS = (
    Target(name="rest", one_input=rest, seeds=rest_seeds, mutate=of_lines(_WORDS)),
    Target(name="queries", one_input=queries, seeds=query_seeds, mutate=of_lines(_PATH_WORDS)),
)
