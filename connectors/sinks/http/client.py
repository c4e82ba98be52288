"""One request and its attempts: how often it is sent, how long it waits between, and the bound on all of it.

An attempt waits for a slot, asks the request for its headers, sends, and reads a bounded response. The slot is held
while the attempt runs and not during the wait for the next one, so that conversations that wait for a receiver leave
the slots to the others; those that get no answers have a share of the slots only (`connectors.sinks.http.lanes`).

The status is the last word: once it has been read, nothing that is wrong with the rest of the answer makes it unknown,
neither headers that no parser takes nor a body that is cut, stalls or does not fit its encoding. Each attempt ends its
connection, unless the answer was read to its end.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

import aiohttp

from connectors import clock
from connectors.errors import RetriableError, TerminalError
from connectors.salesforce.network import NetworkSettings
from connectors.sinks.http.answer import ReadAnswer, StatusConnector, StatusResponse, read_answer, reading
from connectors.sinks.http.lanes import Lanes
from connectors.sinks.http.server import ServerName, check_certificate, never_reachable
from connectors.sinks.http.status import decoded, retry_after_s

log = logging.getLogger(__name__)

_KEEPALIVE_S = 30.0
_HEADER_BYTES = 16 * 1024  # of one header; with as many headers as below 4 MB at most
_HEADERS = 256
_MOST_DOUBLINGS = 30  # 2^30 is beyond every backoff_max_s; a larger power would only cost

ObserveAttempt = Callable[[str, float], None]  # the status of the response, or "none"; the seconds it took


class Verdict(Enum):
    """What to do after a response: end with it, send again after a wait, or send again now."""

    FINAL = "final"
    RETRY = "retry"
    RETRY_AT_ONCE = "retry at once"


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpResponse:
    """What came back. `body` is cut at 64 KiB, and what of it could be read; `complete` says whether that is all.

    `retry_after_s` is the receiver's `Retry-After`, in seconds from now.
    """

    status: int
    body: bytes
    retry_after_s: float | None = None
    complete: bool = True


class SendForbidden(Exception):
    """The request must not be sent (any more)."""

    def __init__(self, reason: str) -> None:
        """`reason` is a constant text, which the sink that raised it recognises."""
        super().__init__(reason)
        self.reason = reason


class HttpRequest(Protocol):
    """What to send for one record. It judges the responses to itself, and may remember them.

    `conversation` says whose share of the slots an attempt uses. `reads_body` says that the body of a response
    matters; if not, it is not waited for.
    """

    method: str
    url: str
    body: bytes
    conversation: str
    reads_body: bool

    async def headers(self) -> Mapping[str, str]:
        """Headers of the next attempt, made just before it is sent.

        Raises `SendForbidden` when it must not be sent (any more), `RetriableError` when it cannot be sent now,
        `TerminalError` when no attempt can ever be sent.
        """
        ...

    def time_left_s(self) -> float | None:
        """How many seconds an attempt may last before it must not have any effect; None without such a limit."""
        ...

    def judge(self, response: HttpResponse) -> Verdict:
        """What to do after this response. Called once per attempt that got one."""
        ...

    def not_connected(self) -> None:
        """The attempt ended before there was a connection: nothing of it was sent.

        An attempt that ends with neither this nor `judge` may have had its effect.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """Bounds of one exchange: attempts after the first, waits between them, the time of one attempt and of all.

    `hold_max_s` counts from the first attempt, and ends an attempt that is under way then.
    """

    retry_max: int
    backoff_s: float
    backoff_max_s: float
    timeout_s: float
    hold_max_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeResult:
    """How an exchange ended. `response` is that of the last attempt, None when it got none.

    `attempts` counts the requests that were sent. `final` says that the response ended the exchange; otherwise the
    policy did. `problem` says in a few words why the last attempt that failed did.
    """

    response: HttpResponse | None
    attempts: int
    final: bool
    problem: str | None = None


@dataclass(slots=True)
class _Progress:
    """What an exchange has come to so far."""

    sent: int = 0
    response: HttpResponse | None = None
    final: bool = False
    problem: str | None = None
    never: str | None = None  # why no attempt can reach the server as it is configured
    answer: ReadAnswer = field(default_factory=ReadAnswer)  # of the attempt under way


class HttpClient:
    """Sends requests over one session with kept connections; at most `max_inflight` attempts at once."""

    def __init__(
        self,
        *,
        policy: RetryPolicy,
        max_inflight: int,
        observe: ObserveAttempt,
        network: NetworkSettings | None = None,
        server: ServerName | None = None,
        now_ms: Callable[[], int] = clock.now_ms,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        """Must be made on the event loop that uses it.

        `observe` is called for each attempt that was sent. `network` says through which proxy the receiver is reached
        and whose certificates are trusted; without it there is no proxy, and the system's certificates are. `server`
        says by which settings a person reaches another server.
        """
        self._policy = policy
        self._observe = observe
        self._now_ms = now_ms
        self._uniform = uniform
        self._network = network
        self._server = server or ServerName()
        self._lanes = Lanes(max_inflight)
        self._session = aiohttp.ClientSession(
            # without a limit of its own: the slots are the limit, and a connection that lingers must not count
            connector=StatusConnector(
                limit=0, keepalive_timeout=_KEEPALIVE_S, ssl=network.trusted if network else True
            ),
            response_class=StatusResponse,
            auto_decompress=False,
            max_line_size=_HEADER_BYTES,
            max_field_size=_HEADER_BYTES,
            max_headers=_HEADERS,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None),  # an attempt has its own, which starts when it has a slot
            headers={"User-Agent": "byoc-streams", "Accept-Encoding": "identity"},
        )

    async def exchange(self, request: HttpRequest) -> ExchangeResult:
        """Send until a response is final or the policy's bounds are reached.

        Raises `SendForbidden` when the request forbade an attempt, `TerminalError` when its headers could not be made,
        or when none of the attempts could reach the server as it is configured.
        """
        progress = _Progress()
        hold = asyncio.timeout(None)
        try:
            async with hold:
                await self._attempts(request, progress, hold)
        except TimeoutError:  # of the hold: an attempt handles its own
            if progress.answer.status is not None:  # it came while the hold ended
                self._judge(request, progress, self._response(progress.answer))
            if not progress.final:
                progress.problem = f"held for {self._policy.hold_max_s:g} s ({progress.problem or 'no answer'})"
        if progress.never is not None and not progress.final:
            raise TerminalError(self._server.problem(request.url, progress.never))
        return ExchangeResult(
            response=progress.response, attempts=progress.sent, final=progress.final, problem=progress.problem
        )

    async def check(self, url: str) -> None:
        """See at the start whether the certificate of a server is trusted. Raises `TerminalError` when it is not.

        Through a proxy the first attempt shows it.
        """
        if self._network is None or self._network.proxy_for(url) is None:
            await check_certificate(url, self._network.trusted if self._network else True, self._server)

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()

    async def _attempts(self, request: HttpRequest, progress: _Progress, hold: asyncio.Timeout) -> None:
        for attempt in range(self._policy.retry_max + 1):
            verdict, wait_at_least_s = await self._attempt(request, progress, hold)
            if verdict is Verdict.FINAL:
                return
            if verdict is Verdict.RETRY and attempt < self._policy.retry_max:
                await asyncio.sleep(self._wait_s(attempt, wait_at_least_s, request.time_left_s()))

    async def _attempt(
        self, request: HttpRequest, progress: _Progress, hold: asyncio.Timeout
    ) -> tuple[Verdict, float | None]:
        """Send once. Returns what to do next, and the least wait that the other side asked for, in seconds."""
        async with self._lanes.slot(request.conversation):
            if progress.sent == 0:
                # waiting for a slot, or for a token before the first request, is not the receiver's fault
                hold.reschedule(asyncio.get_running_loop().time() + self._policy.hold_max_s)
            progress.response = None
            progress.answer = ReadAnswer()
            try:
                headers = await request.headers()
                progress.sent += 1
                response = await self._send(request, headers, progress.answer)
            except TimeoutError:
                return self._unanswered(request, progress, "no answer in time")
            except RetriableError as error:
                progress.problem = str(error)
                return Verdict.RETRY, error.retry_after_s
            except (aiohttp.ClientError, OSError) as error:
                if isinstance(error, aiohttp.ClientConnectorError):
                    request.not_connected()
                return self._unanswered(request, progress, _words_for(error), never_reachable(error))
        return self._judge(request, progress, response), response.retry_after_s

    def _unanswered(
        self, request: HttpRequest, progress: _Progress, problem: str, never: str | None = None
    ) -> tuple[Verdict, None]:
        progress.problem, progress.never = problem, never
        self._lanes.failed(request.conversation)
        return Verdict.RETRY, None

    def _judge(self, request: HttpRequest, progress: _Progress, response: HttpResponse) -> Verdict:
        progress.answer = ReadAnswer()
        progress.response, progress.never = response, None
        if response.complete or not request.reads_body:
            self._lanes.answered(request.conversation)
        else:
            self._lanes.failed(request.conversation)
        verdict = request.judge(response)
        progress.final = verdict is Verdict.FINAL
        if not progress.final:
            progress.problem = f"answered {response.status}"
        return verdict

    async def _send(self, request: HttpRequest, headers: Mapping[str, str], answer: ReadAnswer) -> HttpResponse:
        """Send once, and read what can be read. Raises only when there is no status."""
        left_s = request.time_left_s()
        timeout_s = self._policy.timeout_s if left_s is None else min(self._policy.timeout_s, left_s)
        began_s = clock.monotonic_s()
        try:
            async with asyncio.timeout(timeout_s):
                with reading(answer):
                    response = await self._session.request(
                        request.method,
                        request.url,
                        data=request.body,
                        headers=headers,
                        allow_redirects=False,
                        proxy=self._network.proxy_for(request.url) if self._network else None,
                    )
                await read_answer(response, answer, wait_for_body=request.reads_body)
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            if answer.status is None:
                raise
            # the status has been read, and it decides
            log.debug("answer not read to its end", extra={"status": answer.status, "error": type(error).__name__})
        finally:
            self._observe("none" if answer.status is None else str(answer.status), clock.monotonic_s() - began_s)
        return self._response(answer)

    def _response(self, answer: ReadAnswer) -> HttpResponse:
        if answer.status is None:
            raise RuntimeError("a response without a status")
        return HttpResponse(
            status=answer.status,
            body=decoded(bytes(answer.body), answer.encoding),
            retry_after_s=None if answer.retry_after is None else retry_after_s(answer.retry_after, self._now_ms()),
            complete=answer.complete,
        )

    def _wait_s(self, attempt: int, at_least_s: float | None, left_s: float | None) -> float:
        """Seconds to wait after the `attempt`-th attempt, counted from 0: doubling, half of it random."""
        policy = self._policy
        longest_s = min(policy.backoff_max_s, policy.backoff_s * 2 ** min(attempt, _MOST_DOUBLINGS))
        wait_s = max(self._uniform(longest_s / 2, longest_s), at_least_s or 0.0)
        return wait_s if left_s is None else max(0.0, min(wait_s, left_s))


def _words_for(error: aiohttp.ClientError | OSError) -> str:
    # the class and the system's words: the full text can hold a URL with a secret in it
    words = error.strerror if isinstance(error, OSError) else None
    return type(error).__name__ + (f" ({words})" if words else "")
