"""The partner's channel: an HTTP server that receives deliveries as Standard Webhooks.

    POST /deliveries    one delivery; 204 when it is written down, and again for a repeat; 401 for a wrong signature
    GET  /v1/stats      counters
    GET  /v1/faults     what goes wrong on purpose
    POST /v1/faults     {"share": 0.2, "seed": 7, "status": 503, "retry_after_s": 1}; more in byoc.partner.faults
    GET  /live          204

A request that is refused, by a fault or because of its signature, is counted and leaves no line in the log.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

import msgspec
from aiohttp import web
from standardwebhooks import Webhook, WebhookVerificationError

from byoc.partner.faults import Faults
from byoc.partner.received import ReceivedLog
from schemas.records import Delivery

DELIVERIES_PATH = "/deliveries"
_BODY_BYTES = 2 * 1024 * 1024  # an event has 1 MB at most; its payload appears once as text and once as content


class Channel:
    """The handlers, the present faults and the counters."""

    def __init__(self, log: ReceivedLog, secret: Webhook, now_ms: Callable[[], int]) -> None:
        """`log` remembers what was accepted, `secret` checks signatures, `now_ms` is the clock."""
        self._log = log
        self._secret = secret
        self._now_ms = now_ms
        self._faults = Faults()
        self._requests = 0
        self._counts: Counter[str] = Counter()

    def application(self) -> web.Application:
        """Return the web application, to be served on a port."""
        app = web.Application(client_max_size=_BODY_BYTES)
        app.add_routes(
            [
                web.post(DELIVERIES_PATH, self._receive),
                web.get("/v1/stats", self._stats),
                web.get("/v1/faults", self._show_faults),
                web.post("/v1/faults", self._set_faults),
                web.get("/live", self._live),
            ]
        )
        return app

    async def _receive(self, request: web.Request) -> web.Response:
        self._requests += 1
        body = await request.read()
        try:
            self._secret.verify(body, dict(request.headers), json_parse=False)
        except (WebhookVerificationError, ValueError) as error:
            return self._refuse("unverified", 401, f"verifying the signature: {error}")
        try:
            delivery = msgspec.json.decode(body, type=Delivery)
        except msgspec.DecodeError as error:
            return self._refuse("unreadable", 400, f"reading the delivery: {error}")
        if request.headers["webhook-id"] != delivery.delivery_id:
            return self._refuse("unreadable", 400, "the webhook-id is not the delivery's id")
        if self._faults.delay_ms:
            await asyncio.sleep(self._faults.delay_ms / 1000)
        if self._faults.hits(self._requests, delivery.conversation_id):
            return self._fault()
        line = self._log.accept(delivery, self._now_ms())
        self._counts["repeats" if line.repeat else "accepted"] += 1
        return web.Response(status=204)

    def _fault(self) -> web.Response:
        response = self._refuse("faults", self._faults.status, "a fault was asked for")
        if self._faults.retry_after_s is not None:
            response.headers["Retry-After"] = str(self._faults.retry_after_s)
        return response

    def _refuse(self, counter: str, status: int, reason: str) -> web.Response:
        self._counts[counter] += 1
        return _json({"error": reason}, status)

    async def _stats(self, _request: web.Request) -> web.Response:
        names = ("accepted", "repeats", "faults", "unverified", "unreadable")
        counts = {name: self._counts[name] for name in names}
        return _json({"requests": self._requests, **counts, "distinct": self._log.distinct})

    async def _show_faults(self, _request: web.Request) -> web.Response:
        return _json(self._faults)

    async def _set_faults(self, request: web.Request) -> web.Response:
        try:
            self._faults = msgspec.json.decode(await request.read(), type=Faults)
        except msgspec.DecodeError as error:
            return _json({"error": f"reading the faults: {error}"}, 400)
        return _json(self._faults)

    async def _live(self, _request: web.Request) -> web.Response:
        return web.Response(status=204)


def _json(value: Any, status: int = 200) -> web.Response:
    return web.Response(status=status, body=msgspec.json.encode(value), content_type="application/json")
