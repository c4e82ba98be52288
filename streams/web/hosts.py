"""Refuses requests to the query API that were meant for another host name: DNS rebinding."""

from collections.abc import Awaitable, Callable

from aiohttp import web

from schemas.process.hosts import STATUS, OwnHosts

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def only_for(hosts: OwnHosts) -> Callable[[web.Request, Handler], Awaitable[web.StreamResponse]]:
    """A middleware that answers requests with another `Host` by 421 and the reason."""

    @web.middleware
    async def only_for_us(request: web.Request, handler: Handler) -> web.StreamResponse:
        refusal = hosts.refusal(request.headers.getall("Host", []))
        if refusal is not None:
            return web.json_response({"error": refusal}, status=STATUS)
        return await handler(request)

    return only_for_us
