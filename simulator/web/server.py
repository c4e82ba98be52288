"""The HTTP side: token endpoint, Interaction Service API and the simulator's own calls on one port."""

from aiohttp import web

from simulator.org.org import Org
from simulator.scenario.runner import ScenarioRunner
from simulator.web import interaction, oauth, soap, userinfo
from simulator.web.admin import Admin
from simulator.wire.certificates import TlsIdentity
from simulator.wire.errors import PortInUseError

_MAX_BODY_BYTES = 8 * 1024 * 1024


class HttpServer:
    """Serves one org over HTTP."""

    def __init__(self, org: Org, scenarios: ScenarioRunner) -> None:
        """`scenarios` starts the plays."""
        self._app = web.Application(client_max_size=_MAX_BODY_BYTES, middlewares=[userinfo.login_faults(org)])
        for part in (oauth, soap, userinfo, interaction):
            self._app.add_routes(part.routes(org))
        self._app.add_routes(Admin(org, scenarios).routes())
        self._runner: web.AppRunner | None = None

    async def start(self, host: str, port: int, certificate: TlsIdentity | None = None) -> int:
        """Return the bound port. Raises `PortInUseError`."""
        runner = web.AppRunner(self._app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, host, port, ssl_context=certificate.ssl_context() if certificate else None)
        try:
            await site.start()
        except OSError as error:
            await runner.cleanup()
            raise PortInUseError(f"listening on {host}:{port} for HTTP: {error.strerror or error}") from error
        self._runner = runner
        return int(runner.addresses[0][1])

    async def stop(self) -> None:
        """Stop listening. Does nothing when it never started."""
        if self._runner is not None:
            await self._runner.cleanup()
