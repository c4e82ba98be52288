"""The `userinfo` call, the identity URL, the org's limits, and the faults of logins."""

import asyncio
import json

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from simulator.org.org import Org
from simulator.web.json_replies import json_reply
from simulator.web.oauth import TOKEN_PATH, USER_ID

USERINFO_PATH = "/services/oauth2/userinfo"
_LOGINS = (TOKEN_PATH, USERINFO_PATH, "/services/Soap/")
_DAILY_DELIVERIES = 50_000  # shown when no allocation was ordered; not enforced then
_HOURLY_PUBLISHES = 250_000


def routes(org: Org) -> list[web.RouteDef]:
    """Return the calls that are made with a bearer token."""

    def has_token(request: web.Request) -> bool:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        return scheme.lower() == "bearer" and org.tokens.is_valid(token.strip())

    async def userinfo(request: web.Request) -> web.Response:
        if not has_token(request):
            return web.Response(text="Bad_OAuth_Token", status=403)
        return json_reply(
            {
                "sub": f"{org.instance_url}/id/{org.settings.org_id}/{USER_ID}",
                "user_id": USER_ID,
                "organization_id": org.settings.org_id,
                "preferred_username": org.settings.username,
                "email": org.settings.username,
                "name": "Integration User",
                "active": True,
                "urls": {"rest": f"{org.instance_url}/services/data/v{{version}}/"},
            }
        )

    async def identity(request: web.Request) -> web.Response:
        if not has_token(request):
            return web.Response(text="Bad_OAuth_Token", status=403)
        if request.match_info["org_id"] != org.settings.org_id or request.match_info["user_id"] != USER_ID:
            return web.Response(text="Bad_Id", status=404)
        return json_reply(
            {
                "id": f"{org.instance_url}{request.path}",
                "user_id": USER_ID,
                "organization_id": org.settings.org_id,
                "username": org.settings.username,
            }
        )

    async def limits(request: web.Request) -> web.Response:
        if not has_token(request):
            error = {"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}
            return json_reply([error], status=401)
        now_ms = org.clock.now_ms()
        shown = {}
        for name, allocation, default in (
            ("DailyDeliveredPlatformEvents", org.deliveries, _DAILY_DELIVERIES),
            ("HourlyPublishedPlatformEvents", org.publishes, _HOURLY_PUBLISHES),
        ):
            most = default if allocation.limit is None else allocation.limit
            shown[name] = {"Max": most, "Remaining": max(0, most - allocation.used(now_ms))}
        return json_reply(shown)

    return [
        web.get(USERINFO_PATH, userinfo),
        web.post(USERINFO_PATH, userinfo),
        web.get("/id/{org_id}/{user_id}", identity),
        web.get("/services/data/{version}/limits", limits),
        web.get("/services/data/{version}/limits/", limits),
    ]


def login_faults(org: Org) -> Middleware:
    """Return the middleware that carries out the `login` faults."""

    @web.middleware
    async def provoked(request: web.Request, handler: Handler) -> web.StreamResponse:
        is_login = request.path.startswith(_LOGINS)
        fault = org.faults.due_login() if is_login and org.faults.armed else None
        if fault is None:
            return await handler(request)
        await asyncio.sleep(fault.seconds)
        if fault.http_status is not None:
            body = {"error": "server_error", "error_description": "ordered"}
            return json_reply(body, status=fault.http_status)
        response = await handler(request)
        if fault.null_token and isinstance(response, web.Response) and response.content_type == "application/json":
            return json_reply(json.loads(response.text or "{}") | {"access_token": None}, status=response.status)
        return response

    return provoked
