"""`byoc simulate` as a process: ready line, orderly stop, one clear message for wrong input."""

import asyncio
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from click.testing import CliRunner

from simulator.cli import simulate

DEADLINE_S = 30.0
COMMAND = (sys.executable, "-c", "from simulator.cli import simulate; simulate()")
FREE_PORTS = ("--grpc-port", "0", "--http-port", "0")


@asynccontextmanager
async def started(*arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *COMMAND, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
async def test_it_says_where_it_serves_plays_and_stops_cleanly(stop: signal.Signals) -> None:
    play = ("--events", "50", "--rate", "0", "--start", "--routing-timeout-s", "0.5")  # nobody answers its requests
    async with started(*FREE_PORTS, *play, "--preload", "10") as process:
        assert process.stdout is not None
        line = (await asyncio.wait_for(process.stdout.readline(), DEADLINE_S)).decode()
        match = re.fullmatch(r"ready grpc=127\.0\.0\.1:(\d+) http=127\.0\.0\.1:(\d+)\n", line)
        assert match is not None, line
        async with asyncio.timeout(DEADLINE_S), aiohttp.ClientSession(f"http://127.0.0.1:{match[2]}") as http:
            published = 0
            while published < 50:
                async with http.get("/v1/scenario") as response:
                    published = (await response.json())["published"]
                await asyncio.sleep(0.02)
        process.send_signal(stop)
        output, errors = await asyncio.wait_for(process.communicate(), DEADLINE_S)
        assert (process.returncode, output) == (0, b"")
        assert b"Traceback" not in errors


@pytest.mark.parametrize("option", ["--grpc-port", "--http-port"])
def test_a_port_in_use_is_one_clear_message(option: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = CliRunner().invoke(simulate, [*FREE_PORTS, option, str(port)])
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
    assert f"127.0.0.1:{port}" in result.stderr
    assert "another port" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(["--org-id", "00D"], "18-character", id="short org id"),
        pytest.param(["--topic", "ByocOutbound"], "/event/<Name>__e", id="no topic name"),
        pytest.param(["--keepalive-s", "0"], "above zero", id="no keepalive"),
        pytest.param(["--events", "0"], "at least 1", id="no events"),
        pytest.param(["--public-key-file", "missing.pem"], "missing.pem", id="no key file"),
        pytest.param(["--zero-credit-close", "reset"], "--wire-faults", id="reset without the wire"),
        pytest.param(["--tls-dir", "/dev/null/x"], "/dev/null/x", id="no place for certificates"),
        pytest.param(["--grpc-port", "70000"], "70000", id="no port number"),
    ],
)
def test_wrong_options_are_one_clear_message(arguments: list[str], words: str) -> None:
    result = CliRunner().invoke(simulate, [*FREE_PORTS, *arguments])
    assert result.exit_code != 0
    assert words in result.stderr
    assert "Traceback" not in result.stderr


def test_help_has_an_example() -> None:
    result = CliRunner().invoke(simulate, ["--help"])
    assert result.exit_code == 0
    assert "byoc simulate --events" in result.output
