"""One record, one exchange: attempts, waits and bounds, against a real HTTP server."""

import asyncio
import itertools
import random
import socket
import zlib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import aiohttp
import pytest

from connectors.errors import RetriableError, TerminalError
from connectors.sinks.http.client import ExchangeResult, HttpClient, HttpResponse, RetryPolicy, SendForbidden, Verdict
from connectors.sinks.http.server import never_reachable
from connectors.sinks.http.status import is_temporary
from tests.support.hostile_receiver import BROKEN_BEHIND_THE_STATUS, WITHOUT_STATUS, hostile_receiver
from tests.support.scripted_http import Reply, ScriptedServer, scripted_server
from tests.support.simulator import running_simulator
from tests.support.sinks import eventually

POLICY = RetryPolicy(retry_max=5, backoff_s=0.02, backoff_max_s=0.1, timeout_s=5, hold_max_s=20)
BUSY = Reply(503)
FINE = Reply(200, b"fine")


@dataclass
class Post:
    """A request whose permission and headers a test decides."""

    url: str
    method: str = "POST"
    body: bytes = b"{}"
    conversation: str = "c"
    reads_body: bool = True
    left_s: float | None = None
    problems: list[Exception] = field(default_factory=list)
    made: int = 0
    unsent: int = 0
    verdicts: Mapping[int, Verdict] = field(default_factory=dict)

    async def headers(self) -> Mapping[str, str]:
        if self.problems:
            raise self.problems.pop(0)
        self.made += 1
        return {"x-attempt": str(self.made)}

    def time_left_s(self) -> float | None:
        return self.left_s

    def not_connected(self) -> None:
        self.unsent += 1

    def judge(self, response: HttpResponse) -> Verdict:
        usual = Verdict.RETRY if is_temporary(response.status) else Verdict.FINAL
        return self.verdicts.get(response.status, usual)


@asynccontextmanager
async def client_of(
    policy: RetryPolicy = POLICY, max_inflight: int = 8, uniform: Callable[[float, float], float] = random.uniform
) -> AsyncIterator[HttpClient]:
    client = HttpClient(
        policy=policy, max_inflight=max_inflight, observe=lambda _result, _seconds: None, uniform=uniform
    )
    try:
        yield client
    finally:
        await client.close()


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    async with scripted_server(FINE) as server:
        yield server


async def test_the_first_answer_that_is_final_ends_it(server: ScriptedServer) -> None:
    server.script(BUSY, BUSY, FINE)
    async with client_of() as client:
        result = await client.exchange(Post(server.url, body=b"the body"))
    assert result == ExchangeResult(
        response=HttpResponse(status=200, body=b"fine"), attempts=3, final=True, problem="answered 503"
    )
    assert [asked.headers["x-attempt"] for asked in server.asked] == ["1", "2", "3"], "headers are made per attempt"
    assert {asked.body for asked in server.asked} == {b"the body"}


async def test_attempts_end_at_their_number(server: ScriptedServer) -> None:
    server.script(BUSY)
    async with client_of(replace(POLICY, retry_max=2)) as client:
        result = await client.exchange(Post(server.url))
    assert (result.attempts, result.final, result.problem) == (3, False, "answered 503")
    assert len(server.asked) == 3


async def test_the_last_attempt_that_is_allowed_can_still_succeed(server: ScriptedServer) -> None:
    server.script(BUSY, BUSY, FINE)
    async with client_of(replace(POLICY, retry_max=2)) as client:
        result = await client.exchange(Post(server.url))
    assert (result.attempts, result.final) == (3, True)
    assert result.response == HttpResponse(status=200, body=b"fine")


async def test_waits_grow_and_stay_below_their_bound(server: ScriptedServer) -> None:
    server.script(BUSY)
    policy = replace(POLICY, retry_max=5, backoff_s=0.05, backoff_max_s=0.2)
    async with client_of(policy) as client:
        await client.exchange(Post(server.url))
    times = [asked.at_s for asked in server.asked]
    waits = [later - earlier for earlier, later in itertools.pairwise(times)]
    # half of each wait is random: from 0.025-0.05 s doubling to 0.1-0.2 s
    for wait_s, least_s in zip(waits, (0.025, 0.05, 0.1, 0.1, 0.1), strict=True):
        assert least_s * 0.9 <= wait_s


async def test_only_the_attempt_right_after_such_a_verdict_is_made_at_once(server: ScriptedServer) -> None:
    server.script(Reply(401), Reply(disconnect=True), FINE)
    bounds: list[tuple[float, float]] = []

    def shortest(least_s: float, longest_s: float) -> float:
        bounds.append((least_s, longest_s))
        return least_s

    async with client_of(replace(POLICY, backoff_max_s=60), uniform=shortest) as client:
        result = await client.exchange(Post(server.url, verdicts={401: Verdict.RETRY_AT_ONCE}))
    assert (result.attempts, result.final) == (3, True)
    assert bounds == [(0.02, 0.04)], "one wait, that of the second attempt"


async def test_the_receivers_own_wish_is_the_least_wait(server: ScriptedServer) -> None:
    server.script(Reply(429, headers={"Retry-After": "1"}), FINE)
    async with client_of() as client:
        await client.exchange(Post(server.url))
    assert server.asked[1].at_s - server.asked[0].at_s >= 0.99


async def test_a_wish_longer_than_the_hold_ends_at_the_hold(server: ScriptedServer) -> None:
    server.script(Reply(503, headers={"Retry-After": "3600"}))
    async with client_of(replace(POLICY, hold_max_s=0.3)) as client:
        result = await asyncio.wait_for(client.exchange(Post(server.url)), 5)
    assert result.final is False
    assert result.problem == "held for 0.3 s (answered 503)"


@pytest.mark.parametrize(
    ("reply", "problem"),
    [
        pytest.param(Reply(disconnect=True), "ServerDisconnectedError", id="connection cut"),
        pytest.param(Reply(delay_s=1.0), "no answer in time", id="too slow"),
    ],
)
async def test_a_missing_answer_is_tried_again(server: ScriptedServer, reply: Reply, problem: str) -> None:
    server.script(reply, FINE)
    async with client_of(replace(POLICY, timeout_s=0.2)) as client:
        result = await client.exchange(Post(server.url))
        assert (result.attempts, result.final, result.problem) == (2, True, problem)
        server.script(reply)
        result = await client.exchange(Post(server.url))
        assert (result.attempts, result.final, result.response) == (6, False, None)


async def test_nobody_listening_is_tried_again_and_then_said() -> None:
    async with scripted_server(FINE) as server:
        url = server.url
    post = Post(url)
    async with client_of() as client:
        result = await client.exchange(post)
    assert (result.attempts, result.final, result.response, post.unsent) == (6, False, None, 6)
    assert result.problem is not None
    assert result.problem.startswith("ClientConnectorError")


async def test_a_call_that_may_not_be_sent_is_not_sent(server: ScriptedServer) -> None:
    async with client_of() as client:
        with pytest.raises(SendForbidden, match="expired"):
            await client.exchange(Post(server.url, problems=[SendForbidden("expired")]))
    assert server.asked == []


async def test_a_call_that_cannot_be_sent_now_is_tried_again(server: ScriptedServer) -> None:
    async with client_of() as client:
        result = await client.exchange(Post(server.url, problems=[RetriableError("no token yet")]))
    assert (result.attempts, result.final) == (1, True)


async def test_a_call_that_can_never_be_sent_stops_the_sink(server: ScriptedServer) -> None:
    async with client_of() as client:
        with pytest.raises(TerminalError, match="credentials"):
            await client.exchange(Post(server.url, problems=[TerminalError("credentials are wrong")]))


async def test_an_attempt_is_cut_off_when_its_time_is_over(server: ScriptedServer) -> None:
    server.script(Reply(delay_s=2.0))
    async with client_of(replace(POLICY, retry_max=0)) as client:
        result = await asyncio.wait_for(client.exchange(Post(server.url, left_s=0.1)), 1.5)
    assert result.problem == "no answer in time"


async def test_no_more_requests_at_once_than_allowed(server: ScriptedServer) -> None:
    server.script(Reply(delay_s=0.05))
    async with client_of(max_inflight=3) as client:
        await asyncio.gather(*(client.exchange(Post(server.url)) for _ in range(12)))
    assert server.most_at_once == 3


async def test_calls_that_wait_for_their_next_attempt_leave_the_slots_to_others(server: ScriptedServer) -> None:
    server.script(Reply(503, headers={"Retry-After": "2"}))
    async with client_of(max_inflight=2) as client:
        waiting = [asyncio.create_task(client.exchange(Post(server.url))) for _ in range(10)]
        await eventually(lambda: len(server.asked) == 10, "all ten have been refused once")
        server.script(FINE)
        result = await asyncio.wait_for(client.exchange(Post(server.url)), 1)
        assert result.final
        assert not any(task.done() for task in waiting)
        await asyncio.gather(*waiting)


async def test_conversations_without_answers_leave_a_slot_to_the_others(server: ScriptedServer) -> None:
    policy = replace(POLICY, retry_max=30, backoff_s=0.01, backoff_max_s=0.01, timeout_s=3.0, hold_max_s=60.0)
    async with (
        client_of(policy, max_inflight=2) as client,
        hostile_receiver({"x": WITHOUT_STATUS["silence"]}) as silent,
    ):
        posts = [Post(f"{silent.url}/x", conversation=f"silent-{number}") for number in range(2)]
        waiting = [asyncio.create_task(client.exchange(post)) for post in posts]
        await eventually(lambda: sum(post.made for post in posts) > 2, "both had no answer, and one is sent again")
        result = await asyncio.wait_for(client.exchange(Post(server.url)), 1.5)
        for each in waiting:
            each.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
    assert result.final


async def test_the_hold_counts_from_the_first_attempt_and_not_from_the_wait_for_a_slot(server: ScriptedServer) -> None:
    server.script(Reply(delay_s=0.4))
    async with client_of(replace(POLICY, hold_max_s=0.6), max_inflight=1) as client:
        result = await asyncio.gather(*(client.exchange(Post(server.url)) for _ in range(3)))
    assert [each.final for each in result] == [True, True, True]


async def test_an_answer_without_end_is_not_read_to_its_end(server: ScriptedServer) -> None:
    server.script(Reply(200, endless=True))
    async with client_of(replace(POLICY, timeout_s=60.0, hold_max_s=60.0)) as client:
        result = await asyncio.wait_for(client.exchange(Post(server.url)), 20.0)
    assert result.response is not None
    assert len(result.response.body) == 64 * 1024


async def test_redirects_are_not_followed(server: ScriptedServer) -> None:
    server.script(Reply(307, headers={"Location": server.url + "/elsewhere"}))
    async with client_of() as client:
        result = await client.exchange(Post(server.url))
    assert result.response is not None
    assert result.response.status == 307
    assert [asked.path for asked in server.asked] == ["/"]


async def test_one_connection_serves_many_calls(server: ScriptedServer) -> None:
    server.script(FINE)
    async with client_of(max_inflight=1) as client:
        for _ in range(5):
            await client.exchange(Post(server.url))
        connector = client._session.connector
        assert connector is not None
        assert sum(len(kept) for kept in connector._conns.values()) == 1


@pytest.mark.parametrize("reads_body", [False, True])
@pytest.mark.parametrize("name", BROKEN_BEHIND_THE_STATUS)
async def test_a_status_that_was_read_decides_whatever_is_wrong_behind_it(name: str, reads_body: bool) -> None:
    async with (
        hostile_receiver({"x": BROKEN_BEHIND_THE_STATUS[name]}) as receiver,
        client_of(replace(POLICY, timeout_s=0.5)) as client,
    ):
        result = await client.exchange(Post(f"{receiver.url}/x", reads_body=reads_body))
        assert (result.response is not None and result.response.status in (200, 204), result.final) == (True, True)
        assert receiver.requests == 1
        assert_released(client)


@pytest.mark.parametrize("name", WITHOUT_STATUS)
async def test_an_answer_without_a_status_is_asked_for_again_on_a_new_connection(name: str) -> None:
    async with (
        hostile_receiver({"x": WITHOUT_STATUS[name]}) as receiver,
        client_of(replace(POLICY, timeout_s=0.2, retry_max=2)) as client,
    ):
        result = await client.exchange(Post(f"{receiver.url}/x"))
        assert (result.response, result.attempts, result.final) == (None, 3, False)
        assert receiver.requests == 3
        assert_released(client)


def assert_released(client: HttpClient) -> None:
    """No attempt holds a connection any more."""
    connector = client._session.connector
    assert connector is not None
    assert not connector._acquired


@pytest.mark.parametrize("reads_body", [False, True])
async def test_a_status_that_comes_while_the_hold_ends_decides(reads_body: bool) -> None:
    async with (
        hostile_receiver({"x": BROKEN_BEHIND_THE_STATUS["headers stalled"]}) as receiver,
        client_of(replace(POLICY, timeout_s=5, hold_max_s=0.3)) as client,
    ):
        result = await client.exchange(Post(f"{receiver.url}/x", reads_body=reads_body))
        assert (result.response is not None and result.response.status, result.final) == (200, True)
        assert_released(client)


async def test_a_body_that_nobody_needs_is_not_waited_for() -> None:
    async with (
        hostile_receiver({"x": BROKEN_BEHIND_THE_STATUS["body drip-fed"]}) as receiver,
        client_of(replace(POLICY, timeout_s=5)) as client,
    ):
        result = await asyncio.wait_for(client.exchange(Post(f"{receiver.url}/x", reads_body=False)), 2)
        assert result.final


async def test_answers_are_asked_for_without_compression_and_read_with_it(server: ScriptedServer) -> None:
    server.script(Reply(200, zlib.compress(b"packed"), headers={"Content-Encoding": "deflate"}))
    async with client_of() as client:
        result = await client.exchange(Post(server.url))
    assert server.asked[0].headers["Accept-Encoding"] == "identity"
    assert result.response is not None
    assert result.response.body == b"packed"


async def test_a_certificate_that_is_refused_stops_the_sink_and_costs_no_record(tmp_path: Path) -> None:
    async with running_simulator(tls_dir=tmp_path) as sim, client_of(replace(POLICY, hold_max_s=0.5)) as client:
        with pytest.raises(TerminalError, match=r"the address\): its certificate is refused \(.*\); have the server"):
            await client.check(sim.http_url)
        with pytest.raises(TerminalError, match="its certificate is refused"):
            await client.exchange(Post(sim.http_url))


async def test_a_server_that_is_away_is_no_reason_not_to_start(unused_tcp_port: int) -> None:
    async with client_of() as client:
        await client.check(f"https://127.0.0.1:{unused_tcp_port}")


async def test_an_attempt_after_a_refused_certificate_can_still_succeed(server: ScriptedServer, tmp_path: Path) -> None:
    server.script(FINE)
    async with running_simulator(tls_dir=tmp_path) as sim, client_of() as client:
        post = Post(sim.http_url)
        exchange = asyncio.create_task(client.exchange(post))
        await eventually(lambda: post.made > 0, "it was tried")
        post.url = server.url
        assert (await asyncio.wait_for(exchange, 5)).final


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "there is no such host"),
        (socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"), None),
        (aiohttp.InvalidURL("http://[::1/"), "this is no address of a server"),
        (ConnectionRefusedError(111, "refused"), None),
        (aiohttp.ServerDisconnectedError(), None),
    ],
)
def test_what_is_permanent_about_a_connection(error: Exception, words: str | None) -> None:
    assert never_reachable(error) == words
