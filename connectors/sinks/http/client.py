"""One request and its attempts: how often it is sent, how long it waits between, and the bound on all of it.

An attempt waits for a slot, asks the request for its headers, sends, and reads a bounded response. The slot is held
while the attempt runs and not during the wait for the next one, so that conversations that wait for a receiver leave
the slots to the others.
"""

import asyncio
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

import aiohttp

from connectors import clock
from connectors.errors import RetriableError
from connectors.salesforce.network import NetworkSettings
from connectors.sinks.http.status import retry_after_s

_BODY_BYTES = 64 * 1024  # a response is a status and a few words; more is not read
_KEEPALIVE_S = 30.0
_MOST_DOUBLINGS = 30  # 2^30 is beyond every backoff_max_s; a larger power would only cost

ObserveAttempt = Callable[[str, float], None]  # the status of the response, or "none"; the seconds it took


class Verdict(Enum):
    """What to do after a response: end with it, send again after a wait, or send again now."""

    FINAL = "final"
    RETRY = "retry"
    RETRY_AT_ONCE = "retry at once"


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpResponse:
    """What came back. `body` is cut at 64 KiB; `retry_after_s` is the receiver's `Retry-After`, in seconds from now."""

    status: int
    body: bytes
    retry_after_s: float | None = None


class SendForbidden(Exception):
    """The request must not be sent (any more)."""

    def __init__(self, reason: str) -> None:
        """`reason` is a constant text, which the sink that raised it recognises."""
        super().__init__(reason)
        self.reason = reason


class HttpRequest(Protocol):
    """What to send for one record. It judges the responses to itself, and may remember them."""

    method: str
    url: str
    body: bytes

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


class HttpClient:
    """Sends requests over one session with kept connections; at most `max_inflight` attempts at once."""

    def __init__(
        self,
        *,
        policy: RetryPolicy,
        max_inflight: int,
        observe: ObserveAttempt,
        network: NetworkSettings | None = None,
        now_ms: Callable[[], int] = clock.now_ms,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        """Must be made on the event loop that uses it.

        `observe` is called for each attempt that was sent. `network` says through which proxy the receiver is reached
        and whose certificates are trusted; without it there is no proxy, and the system's certificates are.
        """
        self._policy = policy
        self._observe = observe
        self._now_ms = now_ms
        self._uniform = uniform
        self._slots = asyncio.Semaphore(max_inflight)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=max_inflight, keepalive_timeout=_KEEPALIVE_S, ssl=network.trusted if network else True
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None),  # an attempt has its own, which starts when it has a slot
            headers={"User-Agent": "byoc-streams"},
            **(network.session_options if network else {}),
        )

    async def exchange(self, request: HttpRequest) -> ExchangeResult:
        """Send until a response is final or the policy's bounds are reached.

        Raises `SendForbidden` when the request forbade an attempt, `TerminalError` when its headers could not be made.
        """
        progress = _Progress()
        hold = asyncio.timeout(None)
        try:
            async with hold:
                await self._attempts(request, progress, hold)
        except TimeoutError:  # of the hold: an attempt handles its own
            progress.problem = f"held for {self._policy.hold_max_s:g} s ({progress.problem or 'no answer'})"
        return ExchangeResult(
            response=progress.response, attempts=progress.sent, final=progress.final, problem=progress.problem
        )

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()

    async def _attempts(self, request: HttpRequest, progress: _Progress, hold: asyncio.Timeout) -> None:
        for attempt in range(self._policy.retry_max + 1):
            verdict, wait_at_least_s = await self._attempt(request, progress, hold)
            if verdict is Verdict.FINAL:
                progress.final = True
                return
            if verdict is Verdict.RETRY and attempt < self._policy.retry_max:
                await asyncio.sleep(self._wait_s(attempt, wait_at_least_s, request.time_left_s()))

    async def _attempt(
        self, request: HttpRequest, progress: _Progress, hold: asyncio.Timeout
    ) -> tuple[Verdict, float | None]:
        """Send once. Returns what to do next, and the least wait that the other side asked for, in seconds."""
        async with self._slots:
            if progress.sent == 0:
                # waiting for a slot, or for a token before the first request, is not the receiver's fault
                hold.reschedule(asyncio.get_running_loop().time() + self._policy.hold_max_s)
            progress.response = None
            try:
                headers = await request.headers()
                progress.sent += 1
                response = progress.response = await self._send(request, headers)
            except TimeoutError:
                progress.problem = "no answer in time"
                return Verdict.RETRY, None
            except RetriableError as error:
                progress.problem = str(error)
                return Verdict.RETRY, error.retry_after_s
            except (aiohttp.ClientError, OSError) as error:
                if isinstance(error, aiohttp.ClientConnectorError):
                    request.not_connected()
                progress.problem = _words_for(error)
                return Verdict.RETRY, None
        verdict = request.judge(response)
        if verdict is not Verdict.FINAL:
            progress.problem = f"answered {response.status}"
        return verdict, response.retry_after_s

    async def _send(self, request: HttpRequest, headers: Mapping[str, str]) -> HttpResponse:
        left_s = request.time_left_s()
        timeout_s = self._policy.timeout_s if left_s is None else min(self._policy.timeout_s, left_s)
        began_s = clock.monotonic_s()
        result = "none"
        try:
            async with (
                asyncio.timeout(timeout_s),
                self._session.request(
                    request.method, request.url, data=request.body, headers=headers, allow_redirects=False
                ) as response,
            ):
                read = await self._read(response)
            result = str(read.status)
            return read
        finally:
            self._observe(result, clock.monotonic_s() - began_s)

    async def _read(self, response: aiohttp.ClientResponse) -> HttpResponse:
        body = bytearray()
        async for chunk in response.content.iter_any():
            body += chunk
            if len(body) >= _BODY_BYTES:
                response.close()
                break
        retry_after = response.headers.get("Retry-After")
        return HttpResponse(
            status=response.status,
            body=bytes(body[:_BODY_BYTES]),
            retry_after_s=None if retry_after is None else retry_after_s(retry_after, self._now_ms()),
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
