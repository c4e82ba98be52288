"""One running simulator: an org, its two servers and the loop that ends routing requests in time."""

import asyncio
from types import TracebackType
from typing import Self

from simulator.clock import Clock
from simulator.org.org import Org
from simulator.pubsub.listener import PubSubListener
from simulator.scenario.runner import ScenarioRunner
from simulator.settings import Settings
from simulator.system_clock import SystemClock
from simulator.web.server import HttpServer
from simulator.wire.certificates import TlsIdentity, tls_identity_in

_DEADLINE_LOOK_S = 0.02


class Simulator:
    """`async with Simulator(settings) as simulator:` serves until the block ends.

    Raises `PortInUseError` on entry when an address is taken.
    """

    def __init__(self, settings: Settings, clock: Clock | None = None) -> None:
        """Make the org; nothing listens before the block begins. `clock` None is the clock of this machine."""
        self.settings = settings
        self.org = Org(settings, clock or SystemClock())
        self.grpc_port = 0
        self.http_port = 0
        self.identity: TlsIdentity | None = None  # with TLS; known once the servers run
        self._pubsub = PubSubListener(self.org)
        self.scenarios = ScenarioRunner(self.org)
        self._http = HttpServer(self.org, self.scenarios)
        self._deadlines: asyncio.Task[None] | None = None

    @property
    def grpc_address(self) -> str:
        """Return host:port of the Pub/Sub API, known once it listens."""
        return f"{self.settings.host}:{self.grpc_port}"

    @property
    def http_address(self) -> str:
        """Return host:port of everything over HTTP, known once it listens."""
        return f"{self.settings.host}:{self.http_port}"

    @property
    def http_url(self) -> str:
        """Return the URL of everything over HTTP: the login URL and the instance URL of the org."""
        scheme = "http" if self.settings.tls_dir is None else "https"
        return f"{scheme}://{self.http_address}"

    async def __aenter__(self) -> Self:
        """Listen, and end overdue routing requests from now on. Raises `PortInUseError`, `OSError` (certificates)."""
        settings = self.settings
        if settings.tls_dir is not None:
            self.identity = tls_identity_in(settings.tls_dir, settings.host, self.org.clock.now_ms())
        self.http_port = await self._http.start(settings.host, settings.http_port, self.identity)
        self.org.instance_url = self.http_url
        try:
            self.grpc_port = await self._pubsub.start(settings.host, settings.grpc_port, self.identity)
        except BaseException:
            await self._http.stop()
            raise
        self._deadlines = asyncio.create_task(self._watch_deadlines())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End a running play, the open calls and both servers."""
        if self._deadlines is not None:
            self._deadlines.cancel()
            await asyncio.gather(self._deadlines, return_exceptions=True)
        await self.scenarios.close()
        await self._pubsub.stop()
        await self._http.stop()

    async def _watch_deadlines(self) -> None:
        while True:
            self.org.conclude_overdue_routing()
            await asyncio.sleep(_DEADLINE_LOOK_S)
