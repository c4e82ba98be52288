"""Where clients of the Pub/Sub API connect: the gRPC server, the fault proxy if asked for, and pauses."""

import asyncio

from simulator.org.org import Org
from simulator.pubsub.server import PubSubServer
from simulator.wire.certificates import TlsIdentity
from simulator.wire.errors import PortInUseError
from simulator.wire.fault_proxy import FaultProxy

_INSIDE = "127.0.0.1"


class PubSubListener:
    """Serves one org at one address, before and after each maintenance."""

    def __init__(self, org: Org) -> None:
        """Let the org's maintenance faults pause this listener."""
        self._org = org
        self._server = PubSubServer(org)
        self._fault_proxy: FaultProxy | None = None
        self._address = ("", 0)
        self._inside_port = 0
        self._identity: TlsIdentity | None = None
        self._maintenance: asyncio.Task[None] | None = None
        org.on_maintenance = self._begin_maintenance

    async def start(self, host: str, port: int, identity: TlsIdentity | None) -> int:
        """Return the bound port. Raises `PortInUseError`."""
        self._identity = identity
        bound = await self._open(host, port)
        self._address = (host, bound)
        return bound

    async def stop(self) -> None:
        """Stop listening, end the open calls, and break off a maintenance."""
        if self._maintenance is not None:
            self._maintenance.cancel()
            await asyncio.gather(self._maintenance, return_exceptions=True)
        await self._close()

    async def _open(self, host: str, port: int) -> int:
        if not self._org.settings.wire_faults:
            return await self._server.start(host, port, self._identity)
        self._inside_port = await self._server.start(_INSIDE, self._inside_port)
        self._fault_proxy = FaultProxy(self._inside_port, self._server.mark_secret)
        tls = self._identity.ssl_context(http2=True) if self._identity is not None else None
        try:
            return await self._fault_proxy.start(host, port, tls)
        except OSError as error:
            await self._server.stop()
            raise PortInUseError(f"listening on {host}:{port} for gRPC: {error.strerror or error}") from error

    async def _close(self) -> None:
        await self._server.stop()
        if self._fault_proxy is not None:
            await self._fault_proxy.stop()

    def _begin_maintenance(self, seconds: float) -> None:
        if self._maintenance is None or self._maintenance.done():
            self._maintenance = asyncio.create_task(self._pause(seconds))

    async def _pause(self, seconds: float) -> None:
        await self._close()
        await asyncio.sleep(seconds)
        await self._open(*self._address)
