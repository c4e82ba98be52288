"""The demo's partner: a channel over HTTP, a router over Kafka, and both as commands."""

import asyncio
import json
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import msgspec
import pytest
from standardwebhooks import Webhook

from byoc.partner.router import RouterRules, router_task
from byoc.partner.router_plan import Plan, Shares, plan_for
from connectors import clock
from schemas.codec import decode, encode
from schemas.records import Delivery, RoutingDecision, RoutingTask
from schemas.topics import Topics
from tests.support.channel import SECRET, RunningChannel, running_channel
from tests.support.kafka import TestBroker
from tests.support.sinks import delivery, eventually, running

RULES = RouterRules(seed=7, shares=Shares(), longest_delay_ms=50)


@pytest.fixture
async def channel(tmp_path: Path) -> AsyncIterator[RunningChannel]:
    async with running_channel(tmp_path / "received.jsonl") as channel:
        yield channel


def signed(body: bytes, webhook_id: str, secret: str = SECRET, age_s: int = 0) -> dict[str, str]:
    at_s = clock.now_ms() // 1000 - age_s
    signature = Webhook(secret).sign(webhook_id, datetime.fromtimestamp(at_s, tz=UTC), body.decode())
    return {"webhook-id": webhook_id, "webhook-timestamp": str(at_s), "webhook-signature": signature}


async def post(channel: RunningChannel, body: bytes, headers: dict[str, str]) -> int:
    async with aiohttp.ClientSession() as session, session.post(channel.url, data=body, headers=headers) as response:
        return response.status


def body_of(record: Delivery) -> bytes:
    return msgspec.json.encode(record)


async def test_a_signed_delivery_is_written_down_and_its_repeat_answered_alike(channel: RunningChannel) -> None:
    body = body_of(delivery("c", 1))
    assert [await post(channel, body, signed(body, "c-1")) for _ in range(2)] == [204, 204]
    assert [(line.delivery_id, line.repeat) for line in channel.lines()] == [("c-1", False), ("c-1", True)]
    stats = await channel.stats()
    assert (stats["requests"], stats["accepted"], stats["repeats"], stats["distinct"]) == (2, 1, 1, 1)


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        pytest.param({"webhook-signature": "v1,AAAA"}, 401, id="wrong signature"),
        pytest.param({"webhook-signature": "nonsense"}, 401, id="malformed signature"),
        pytest.param({"webhook-signature": None}, 401, id="no signature"),
        pytest.param({"webhook-timestamp": "1"}, 401, id="another time than was signed"),
        pytest.param({"webhook-id": "c-2"}, 401, id="another id than was signed"),
    ],
)
async def test_what_is_not_signed_is_not_received(
    channel: RunningChannel, changes: dict[str, str | None], status: int
) -> None:
    body = body_of(delivery("c", 1))
    headers = {name: value for name, value in {**signed(body, "c-1"), **changes}.items() if value is not None}
    assert await post(channel, body, headers) == status
    assert channel.lines() == []


async def test_a_stale_signature_is_refused(channel: RunningChannel) -> None:
    body = body_of(delivery("c", 1))
    assert await post(channel, body, signed(body, "c-1", age_s=3600)) == 401


@pytest.mark.parametrize(
    ("body", "webhook_id"),
    [
        pytest.param(b"{}", "c-1", id="no delivery"),
        pytest.param(b"not json", "c-1", id="no JSON"),
        pytest.param(body_of(delivery("c", 1)), "c-2", id="the id of another delivery"),
    ],
)
async def test_what_is_signed_but_wrong_is_refused(channel: RunningChannel, body: bytes, webhook_id: str) -> None:
    assert await post(channel, body, signed(body, webhook_id)) == 400
    assert channel.lines() == []


async def test_a_refused_request_leaves_no_line(channel: RunningChannel) -> None:
    await channel.faults(share=1.0, status=503, retry_after_s=3)
    body = body_of(delivery("c", 1))
    async with (
        aiohttp.ClientSession() as session,
        session.post(channel.url, data=body, headers=signed(body, "c-1")) as response,
    ):
        assert (response.status, response.headers["Retry-After"]) == (503, "3")
    assert channel.lines() == []
    assert (await channel.stats())["faults"] == 1


async def test_faults_that_make_no_sense_are_refused(channel: RunningChannel) -> None:
    async with (
        aiohttp.ClientSession() as session,
        session.post(channel.base_url + "/v1/faults", json={"share": 2}) as response,
    ):
        assert response.status == 400
        assert "share must be from 0 to 1" in (await response.json())["error"]


def request(number: int, *, answer_in_ms: int = 50_000) -> RoutingTask:
    now_ms = clock.now_ms()
    return RoutingTask(
        request_id=f"request-{number}",
        conversation_id=f"cv-{number % 10}",
        org_id="00DHs000000DemoMAC",
        routing_type="Transfer",
        target_kind="queue",
        target_id="00G1",
        attempt=1,
        created_at_ms=now_ms,
        answer_by_ms=now_ms + answer_in_ms,
        deadline_ms=now_ms + answer_in_ms + 10_000,
        event_uuid=f"uuid-{number}",
    )


def decisions(kafka: TestBroker, topics: Topics) -> list[RoutingDecision]:
    return [decode(RoutingDecision, message.value or b"") for message in kafka.read_committed(topics.routing_decisions)]


def send(kafka: TestBroker, topics: Topics, requests: list[RoutingTask]) -> None:
    kafka.produce(topics.routing_requests, [(each.conversation_id.encode(), encode(each)) for each in requests])


@pytest.mark.broker
async def test_the_router_answers_as_planned_and_once_though_it_is_restarted(
    kafka: TestBroker, catalogue: Topics
) -> None:
    requests = [request(number) for number in range(80)]
    planned = {each.request_id: plan_for(each.request_id, RULES.seed, RULES.shares) for each in requests}
    answered = {name: plan.value for name, plan in planned.items() if plan is not Plan.IGNORE}
    assert 0 < len(answered) < 80
    for half in (requests[:40], requests[40:]):
        send(kafka, catalogue, half)
        wanted = {each.request_id for each in half} & set(answered)
        async with running(router_task(kafka.bootstrap_servers, catalogue, RULES, clock.now_ms)):
            await eventually(
                lambda wanted=wanted: wanted <= {d.request_id for d in decisions(kafka, catalogue)}, "answers"
            )
    found = decisions(kafka, catalogue)
    assert {each.request_id: each.decision for each in found} == answered
    assert len(found) == len(answered)
    keys = {message.key for message in kafka.read_committed(catalogue.routing_decisions)}
    assert keys == {each.conversation_id.encode() for each in found}


@pytest.mark.broker
async def test_the_router_does_not_answer_too_late(kafka: TestBroker, catalogue: Topics) -> None:
    rules = RouterRules(seed=7, shares=Shares(accept=1, refuse=0), longest_delay_ms=0)
    send(kafka, catalogue, [request(0, answer_in_ms=-1), request(1)])
    async with running(router_task(kafka.bootstrap_servers, catalogue, rules, clock.now_ms)):
        await eventually(lambda: bool(decisions(kafka, catalogue)), "an answer")
    assert [each.request_id for each in decisions(kafka, catalogue)] == ["request-1"]


@asynccontextmanager
async def command(*arguments: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """A `byoc partner` command and the first line it prints; stopped by SIGTERM if it still runs."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "byoc.cli",
        "partner",
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    try:
        assert process.stdout is not None
        line = await asyncio.wait_for(process.stdout.readline(), 60)
        yield process, line.decode()
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(process.communicate(), 30)


async def test_the_channel_command_serves_until_it_is_told_to_stop(tmp_path: Path) -> None:
    log_file = tmp_path / "received.jsonl"
    async with command("channel", "--port", "0", "--log", str(log_file), "--secret", SECRET) as (process, line):
        assert line.startswith("ready http=127.0.0.1:")
        channel = RunningChannel("http://" + line.strip().split("=")[1], log_file)
        body = body_of(delivery("c", 1))
        assert await post(channel, body, signed(body, "c-1")) == 204
    assert process.returncode == 0
    assert json.loads(log_file.read_text())["delivery_id"] == "c-1"


@pytest.mark.broker
async def test_the_router_command_answers_until_it_is_told_to_stop(kafka: TestBroker, catalogue: Topics) -> None:
    options = ["--bootstrap-servers", kafka.bootstrap_servers, "--prefix", catalogue.prefix]
    send(kafka, catalogue, [request(1)])
    async with command("router", *options, "--accept", "1", "--refuse", "0", "--delay-ms", "0") as (process, line):
        assert line.startswith(f"ready requests={catalogue.routing_requests}")
        await eventually(lambda: bool(decisions(kafka, catalogue)), "an answer")
    assert process.returncode == 0


@pytest.fixture
def taken_port() -> AsyncIterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        yield taken.getsockname()[1]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(["channel", "--secret", SECRET, "--port", "TAKEN"], "the port is in use", id="port in use"),
        pytest.param(["channel", "--secret", "whsec_%%%", "--port", "0"], "whsec_", id="wrong secret"),
        pytest.param(["channel", "--secret", SECRET, "--port", "0", "--log", "/"], "is a directory", id="no file"),
        pytest.param(["router", "--accept", "0.9", "--refuse", "0.9"], "together at most 1", id="impossible shares"),
        pytest.param(["router", "--prefix", "not a prefix"], "is not usable", id="impossible prefix"),
        pytest.param(["router", "--bootstrap-servers", "127.0.0.1:1"], "connecting to Kafka at", id="no Kafka"),
    ],
)
async def test_wrong_input_is_one_clear_message(
    tmp_path: Path, taken_port: int, arguments: list[str], words: str
) -> None:
    given = [argument.replace("TAKEN", str(taken_port)) for argument in arguments]
    if given[0] == "channel" and "--log" not in given:
        given += ["--log", str(tmp_path / "received.jsonl")]
    async with command(*given) as (process, line):
        assert process.stderr is not None
        message = (await asyncio.wait_for(process.stderr.read(), 60)).decode()
        await process.wait()
    assert line == ""
    assert process.returncode != 0
    assert words in message
    assert "Traceback" not in message
    assert SECRET not in message
