"""A partner's channel in this process, for tests of what is sent to it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from standardwebhooks import Webhook

from byoc.partner.channel import DELIVERIES_PATH, Channel
from byoc.partner.received import Line, ReceivedLog, read_lines
from byoc.partner.serving import serving
from connectors import clock

SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"


@dataclass(frozen=True, slots=True)
class RunningChannel:
    """Where the channel is, what it received and how to make it misbehave."""

    base_url: str
    log_file: Path

    @property
    def url(self) -> str:
        """Where deliveries are posted."""
        return self.base_url + DELIVERIES_PATH

    def lines(self) -> list[Line]:
        """Accepted requests, in order."""
        return read_lines(self.log_file.read_bytes())

    async def faults(self, **faults: object) -> None:
        """Set what goes wrong; without arguments nothing does."""
        address = self.base_url + "/v1/faults"
        async with aiohttp.ClientSession() as session, session.post(address, json=faults) as response:
            assert response.status == 200, await response.text()

    async def stats(self) -> dict[str, Any]:
        """The counters."""
        async with aiohttp.ClientSession() as session, session.get(self.base_url + "/v1/stats") as response:
            counters: dict[str, Any] = await response.json()
            return counters


@asynccontextmanager
async def running_channel(log_file: Path, port: int = 0, secret: str = SECRET) -> AsyncIterator[RunningChannel]:
    """Serve a channel that writes `log_file`; port 0 takes a free one."""
    log = ReceivedLog(log_file)
    try:
        channel = Channel(log, Webhook(secret), clock.now_ms)
        async with serving(channel.application(), "127.0.0.1", port) as bound:
            yield RunningChannel(f"http://127.0.0.1:{bound}", log_file)
    finally:
        log.close()
