"""What other servers answer: Salesforce's login, the partner's webhook, the Interaction Service.

A server on this machine answers with the input, byte for byte; the real client reads it.
"""

import asyncio
import itertools
from collections.abc import Coroutine, Mapping
from typing import Any, TypeVar

import aiohttp

from connectors.config.definition import Password
from connectors.errors import RetriableError, TerminalError
from connectors.salesforce.auth import ClientCredentials, TokenSource
from connectors.sinks.http.client import HttpClient, HttpRequest, HttpResponse, RetryPolicy, Verdict
from connectors.sinks.http.status import is_success, is_temporary, retry_after_s
from connectors.sinks.interaction.answers import meaning, parse
from tests.fuzz.mutators import of_json, of_lines
from tests.fuzz.target import Broken, Target

T = TypeVar("T")
NOW_MS = 1_767_225_600_000
_GOOD = b"HTTP/1.1 204 No Content\r\n\r\n"
_PATIENCE_S = 8.0  # of one input; a machine with other work is slow


class Loop:
    """One event loop for all inputs of a process; what its tasks and callbacks raise unseen is a finding."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner()
        self._unseen: list[str] = []
        self._runner.get_loop().set_exception_handler(self._note)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of `work`. Raises `Broken` for what nobody awaited, and after 8 s."""

        async def bounded() -> T:
            try:
                async with asyncio.timeout(_PATIENCE_S):
                    return await work
            except TimeoutError as error:
                raise Broken(f"not done in {_PATIENCE_S:g} s") from error

        found = self._runner.run(bounded())
        if self._unseen:
            seen, self._unseen = self._unseen, []
            raise Broken("; ".join(seen))
        return found

    def _note(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        # the end of a connection that broke off: its reader has been told
        if not isinstance(error, OSError | aiohttp.ClientError):
            self._unseen.append(f"{context.get('message')}: {error!r}")


class Answering:
    """A server that answers every request with the same bytes, and closes the connection."""

    def __init__(self, loop: Loop) -> None:
        self.answer = _GOOD
        self._server = loop.run(asyncio.start_server(self._serve, "0.0.0.0", 0, limit=2**20))
        # one address has 28,000 ports, which a closed connection keeps for a minute
        self._hosts = itertools.cycle(f"127.0.0.{last}" for last in range(1, 250))

    def url(self) -> str:
        """Where the server is, by another of its addresses each time."""
        return f"http://{next(self._hosts)}:{self._server.sockets[0].getsockname()[1]}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(self.answer)
            await writer.drain()
            writer.write_eof()
            while await reader.read(65_536):
                pass
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


_LOOP: Loop | None = None
_SERVER: Answering | None = None


def serving(answer: bytes) -> tuple[Loop, Answering]:
    """The loop and the server of this process, made at the first call."""
    global _LOOP, _SERVER  # noqa: PLW0603  one per process
    if _LOOP is None or _SERVER is None:
        _LOOP = Loop()
        _SERVER = Answering(_LOOP)
    _SERVER.answer = answer
    return _LOOP, _SERVER


# -- the login
def token_reply(data: bytes) -> None:
    """The status, then the body of the reply to a login."""
    status, _, body = data.partition(b"\n")
    shown = int(status) if status.isdigit() and len(status) == 3 else 200
    head = f"HTTP/1.1 {shown} x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    loop, server = serving(head.encode() + body)
    loop.run(_login(server.url()))


async def _login(url: str) -> None:
    login = ClientCredentials(login_url=url, client_id="client", client_secret=Password("secret"))
    tokens = TokenSource(login, timeout_s=4.0)
    try:
        token = await tokens.token()
        if not (token.access_token and token.instance_url and len(token.org_id) == 18):
            raise Broken(f"a token without its parts: {token!r}")
    except (RetriableError, TerminalError):
        pass
    finally:
        await tokens.close()


def token_seeds() -> list[bytes]:
    """Replies of Salesforce's token endpoint."""
    given = (
        b'{"access_token": "00D!x", "signature": "s", "scope": "api", "instance_url": "https://o.my.salesforce.com",'
        b' "id": "https://login.salesforce.com/id/00DHs000000AbCdEAF/005Hs00000FgHiJ", "token_type": "Bearer",'
        b' "issued_at": "1767225600000"}'
    )
    return [
        b"200\n" + given,
        b"200\n" + given.replace(b'"token_type"', b'"expires_in": 7200, "token_type"'),
        b'400\n{"error": "invalid_client", "error_description": "invalid client credentials"}',
        b'400\n{"error": "unknown_error", "error_description": "retry your request"}',
        b'200\n{"access_token": null}',
        b"503\n<html>maintenance</html>",
        b"400\n" + '{"error": "invalid_grant", "error_description": "abgelaufen für"}'.encode("latin-1"),
    ]


# -- the webhook
class _Post(HttpRequest):
    """A request as a sink judges it. The webhook leaves the body of an answer, the other sink reads it."""

    method = "POST"
    body = b"{}"
    conversation = "c1"

    def __init__(self, url: str, *, reads_body: bool) -> None:
        self.url = url
        self.reads_body = reads_body

    async def headers(self) -> Mapping[str, str]:
        return {"webhook-id": "1", "Content-Type": "application/json"}

    def time_left_s(self) -> float | None:
        return None

    def judge(self, response: HttpResponse) -> Verdict:
        return Verdict.RETRY if is_temporary(response.status) else Verdict.FINAL

    def not_connected(self) -> None:
        pass


_POLICY = RetryPolicy(retry_max=0, backoff_s=0.001, backoff_max_s=0.002, timeout_s=2.0, hold_max_s=4.0)


def webhook_answer(data: bytes) -> None:
    """The bytes of an answer, read in both ways; after it, a good answer is read as one: nothing was left of it."""
    loop, server = serving(data)
    loop.run(_posts(server))


async def _posts(server: Answering) -> None:
    client = HttpClient(policy=_POLICY, max_inflight=1, observe=lambda _status, _seconds: None)
    try:
        for reads_body in (False, True):
            await client.exchange(_Post(server.url(), reads_body=reads_body))
        server.answer = _GOOD
        found = await client.exchange(_Post(server.url(), reads_body=True))
        if found.response is None or not is_success(found.response.status):
            raise Broken(f"a good answer after it: {found.problem}")
    finally:
        await client.close()


def webhook_seeds() -> list[bytes]:
    """Answers of receivers."""
    return [
        _GOOD,
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        b"HTTP/1.1 503 Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 429 Slow\r\nRetry-After: Wed, 21 Oct 2026 07:28:00 GMT\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nwords",
        b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nSet-Cookie: a=b\r\n\r\nhello",
        b"HTTP/1.1 302 Found\r\nLocation: https://elsewhere.example/\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\n" + b"X-H: 1\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX-Long: " + b"a" * 9_000 + b"\r\n\r\n",
    ]


_HTTP_WORDS = (
    *(b"HTTP/1.1 ", b"200", b"503", b"\r\n", b"\r\n\r\n", b"Retry-After: ", b"Content-Length: ", b"chunked", b"gzip"),
    *(b"Transfer-Encoding: ", b"Content-Encoding: deflate\r\n", b"Connection: close\r\n", b"Content-Type: text/html;"),
    *(b"charset=nope", b"0\r\n\r\n", b"ffffffffffffffff\r\n", b"-1", b"9" * 30, b"\x00", b"\xff", b" ", b"\t", b":"),
    *(b"HTTP/2 200\r\n", b"HTTP/1.1 999 x\r\n", b"101 Switching Protocols\r\nUpgrade: websocket\r\n", b"a" * 9_000),
)


def retry_after(data: bytes) -> None:
    """The text of a `Retry-After` header."""
    found = retry_after_s(data.decode("latin-1"), NOW_MS)
    if found is not None and not found >= 0:
        raise Broken(f"a wait of {found} s")


def retry_after_seeds() -> list[bytes]:
    """Seconds, and the three forms of an HTTP date (RFC 9110, 5.6.7)."""
    return [
        b"120",
        b" 0 ",
        b"Wed, 21 Oct 2026 07:28:00 GMT",
        b"Wednesday, 21-Oct-26 07:28:00 GMT",
        b"Wed Oct 21 07:28:00 2026",
        b"Wed, 21 Oct 99999999999999999999 07:28:00 GMT",
    ]


_DATE_WORDS = (b"GMT", b"+9999", b"-0000", b"Oct ", b"9" * 20, b"0", b":", b"-", b", ", b"\xb2", b"e5", b"nan", b"inf")


# -- the Interaction Service
def interaction_answer(data: bytes) -> None:
    """The status, then the body of an answer."""
    status, _, body = data.partition(b"\n")
    shown = int(status) if status.isdigit() and len(status) < 4 else 200
    meaning(shown, parse(body))


def interaction_seeds() -> list[bytes]:
    """Answers in the forms that the API publishes."""
    return [
        b'202\n{"success": true, "psrId": "0Jz1", "routingCorrelationId": "r", "agentWorkId": "0Bz1", "id": "x"}',
        b'400\n{"code": 10055, "message": "Conversation precondition failed. Please retry."}',
        b'200\n{"success": false, "errorDetail": {"code": "10094", "message": "timeout"}}',
        b'429\n{"message": "Rate limit exceeded"}',
        b"503\n<html></html>",
        b'200\n{"success": "false", "errorDetail": {"code": 10014.0, "message": {"text": "x"}}}',
    ]


TARGETS = (
    Target(name="token-reply", one_input=token_reply, seeds=token_seeds, mutate=of_json(head_lines=1)),
    Target(name="webhook-answer", one_input=webhook_answer, seeds=webhook_seeds, mutate=of_lines(_HTTP_WORDS)),
    Target(name="retry-after", one_input=retry_after, seeds=retry_after_seeds, mutate=of_lines(_DATE_WORDS)),
    Target(name="interaction-answer", one_input=interaction_answer, seeds=interaction_seeds, mutate=of_json(1)),
)
