"""One record, one HTTP exchange: attempts, waits between them, and the bound on all of it.

`aiohttp-retry` repeats; this module tells it when, and makes each attempt: it waits for a slot, asks the call for the
headers of this attempt, sends, and reads a bounded answer. A slot is held while an attempt runs and not while it waits
for the next, so that conversations that wait for a receiver leave the slots to the others.
"""

import asyncio
import contextlib
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

import aiohttp
from aiohttp_retry import RetryClient
from aiohttp_retry.retry_options import RetryOptionsBase

from connectors import clock
from connectors.errors import RetriableError
from connectors.salesforce.network import NetworkSettings
from connectors.sinks.http.status import retry_after_s

_BODY_BYTES = 64 * 1024  # an answer is a status and a few words; more is not read
_KEEPALIVE_S = 30.0


Observe = Callable[[str, float], None]  # what came of an attempt (a status, or "none"), and its seconds


class Verdict(Enum):
    """What to do with an answer."""

    FINAL = "final"
    RETRY = "retry"
    RETRY_AT_ONCE = "retry at once"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the other side said. `retry_after_s` is its own wish, when it named one."""

    status: int
    body: bytes
    retry_after_s: float | None = None


class Refused(Exception):
    """The call itself forbids another attempt; `reason` is a constant text."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Call(Protocol):
    """One record as a request."""

    method: str
    url: str
    body: bytes

    async def headers(self) -> Mapping[str, str]:
        """Headers of the next attempt, made just before it is sent.

        Raises `Refused` when it must not be sent (any more), `RetriableError` when it cannot be sent now.
        """
        ...

    def time_left_s(self) -> float | None:
        """How long the attempt may last before it must not have any effect; None when there is no such end."""
        ...

    def judge(self, answer: Answer) -> Verdict:
        """Whether the answer ends the exchange. Called once per attempt that was answered."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """Bounds of one exchange: attempts, waits, and `hold_max_s` from the first attempt to the end of the last."""

    retry_max: int
    backoff_s: float
    backoff_max_s: float
    timeout_s: float
    hold_max_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchanged:
    """How an exchange ended. `answer` is the last one, None when the last attempt had none.

    `final` says that the answer ended it; otherwise `problem` says in a few words what did, and the attempts ran out.
    """

    answer: Answer | None
    attempts: int
    final: bool
    problem: str | None = None


class HttpClient:
    """Makes exchanges over one session with kept connections; at most `max_inflight` attempts at once."""

    def __init__(
        self,
        *,
        policy: RetryPolicy,
        max_inflight: int,
        observe: Observe,
        route: NetworkSettings | None = None,
        now_ms: Callable[[], int] = clock.now_ms,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self.policy = policy
        self.observe = observe
        self.now_ms = now_ms
        self.uniform = uniform
        self.slots = asyncio.Semaphore(max_inflight)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=max_inflight, keepalive_timeout=_KEEPALIVE_S, ssl=route.trusted if route else True
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None),  # an attempt has its own, which starts when it has a slot
            headers={"User-Agent": "byoc-streams"},
            **(route.session_options if route else {}),
        )
        self._client = RetryClient(client_session=self._session)

    async def exchange(self, call: Call) -> Exchanged:
        """Send until an answer is final or the policy's bounds are reached.

        Raises `Refused` when the call forbade a further attempt, `TerminalError` when its headers did.
        """
        attempts = _Attempts(call, self)
        try:
            async with (
                asyncio.timeout(None) as attempts.hold,
                self._client.request(
                    call.method,
                    call.url,
                    data=call.body,
                    allow_redirects=False,
                    middlewares=(attempts,),
                    retry_options=attempts,
                ),
            ):
                return attempts.ended()
        except TimeoutError:
            if attempts.hold.expired():
                attempts.problem = f"held for {self.policy.hold_max_s:g} s ({attempts.problem or 'no answer'})"
            return attempts.ended()
        except (aiohttp.ClientError, OSError, RetriableError):
            return attempts.ended()

    async def close(self) -> None:
        """Close all connections."""
        await self._client.close()


class _Attempts(RetryOptionsBase):
    """The attempts of one exchange: the retry policy that `aiohttp-retry` asks, and the middleware of each request."""

    hold: asyncio.Timeout

    def __init__(self, call: Call, client: HttpClient) -> None:
        super().__init__(
            attempts=client.policy.retry_max + 1,
            exceptions=(aiohttp.ClientError, TimeoutError, OSError, RetriableError),
            retry_all_server_errors=False,
            evaluate_response_callback=self._is_final,
        )
        self._call = call
        self._client = client
        self._made = 0
        self._answer: Answer | None = None
        self._final = False
        self._at_once = False
        self._wait_at_least_s: float | None = None
        self.problem: str | None = None

    async def __call__(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """One attempt."""
        async with self._client.slots:
            if self._made == 0:
                # from the first attempt on: waiting for a slot is not the receiver's fault
                self.hold.reschedule(asyncio.get_running_loop().time() + self._client.policy.hold_max_s)
            self._answer, self._wait_at_least_s = None, None
            with self._noting_problems():
                request.headers.update(await self._call.headers())
                self._made += 1
                return await self._send(request, handler)

    async def _send(self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        began_s = clock.monotonic_s()
        result = "none"
        try:
            async with asyncio.timeout(self._timeout_s()):
                response = await handler(request)
                self._answer = await self._read(response)
            result = str(response.status)
            return response
        finally:
            self._client.observe(result, clock.monotonic_s() - began_s)

    def ended(self) -> Exchanged:
        """What to report."""
        return Exchanged(answer=self._answer, attempts=self._made, final=self._final, problem=self.problem)

    def get_timeout(self, attempt: int, response: aiohttp.ClientResponse | None = None) -> float:  # noqa: ARG002
        """Seconds to wait after an attempt: doubling with half of it random, the receiver's own wish at the least."""
        if self._at_once:
            return 0.0
        policy = self._client.policy
        longest = min(policy.backoff_max_s, policy.backoff_s * 2 ** min(attempt - 1, 30))
        wait_s = max(self._client.uniform(longest / 2, longest), self._wait_at_least_s or 0.0)
        left_s = self._call.time_left_s()
        return wait_s if left_s is None else max(0.0, min(wait_s, left_s))

    async def _is_final(self, response: aiohttp.ClientResponse) -> bool:
        answer = self._answer
        if answer is None:
            raise RuntimeError("an answer that no attempt has read")
        verdict = self._call.judge(answer)
        self._final = verdict is Verdict.FINAL
        self._at_once = verdict is Verdict.RETRY_AT_ONCE
        if not self._final:
            self.problem = f"answered {answer.status}"
            self._wait_at_least_s = answer.retry_after_s
            response.release()
        return self._final

    def _timeout_s(self) -> float:
        left_s = self._call.time_left_s()
        return self._client.policy.timeout_s if left_s is None else min(self._client.policy.timeout_s, left_s)

    async def _read(self, response: aiohttp.ClientResponse) -> Answer:
        body = bytearray()
        async for chunk in response.content.iter_any():
            body += chunk
            if len(body) >= _BODY_BYTES:
                response.close()
                break
        wish = response.headers.get("Retry-After")
        return Answer(
            status=response.status,
            body=bytes(body[:_BODY_BYTES]),
            retry_after_s=None if wish is None else retry_after_s(wish, self._client.now_ms()),
        )

    @contextlib.contextmanager
    def _noting_problems(self) -> Iterator[None]:
        try:
            yield
        except TimeoutError:
            self.problem = "no answer in time"
            raise
        except RetriableError as error:
            self.problem, self._wait_at_least_s = str(error), error.retry_after_s
            raise
        except (aiohttp.ClientError, OSError) as error:
            # the class and the system's words: the full text can hold a URL with a secret in it
            words = error.strerror if isinstance(error, OSError) else None
            self.problem = type(error).__name__ + (f" ({words})" if words else "")
            raise
