"""A schema registry in the test's own process: the part of the public REST API that clients use to write and read."""

import base64
import itertools
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from aiohttp import web

MEDIA_TYPE = "application/vnd.schemaregistry.v1+json"


class Registry:
    """Subjects, versions and ids. The same schema has one id under all subjects, as in the real one.

    `away`: answers 503. `credentials`: what Basic authentication must say, None for none.
    """

    def __init__(self) -> None:
        self.url = ""
        self.subjects: dict[str, list[int]] = {}
        self.schemas: dict[int, str] = {}
        self.compatibility: dict[str, str] = {}
        self.away = False
        self.credentials: tuple[str, str] | None = None
        self.requests: list[tuple[str, str]] = []
        self._ids = itertools.count(101)

    def application(self) -> web.Application:
        app = web.Application(middlewares=[self._guarded])
        app.router.add_post("/subjects/{subject}/versions", self._register)
        app.router.add_post("/subjects/{subject}", self._look_up)
        app.router.add_get("/subjects", self._list)
        app.router.add_get("/subjects/{subject}/versions", self._versions)
        app.router.add_get("/subjects/{subject}/versions/{version}", self._version)
        app.router.add_get("/schemas/ids/{id}", self._by_id)
        app.router.add_get("/config/{subject}", self._configuration)
        app.router.add_put("/config/{subject}", self._configure)
        return app

    @web.middleware
    async def _guarded(self, request: web.Request, handler: Callable[[web.Request], Any]) -> web.StreamResponse:
        self.requests.append((request.method, request.path))
        if self.away:
            return _error(503, 50003, "Error while forwarding the request to the primary")
        if self.credentials is not None and request.headers.get("Authorization") != _basic(self.credentials):
            return _error(401, 401, "Unauthorized")
        answer: web.StreamResponse = await handler(request)
        return answer

    async def _register(self, request: web.Request) -> web.Response:
        subject, schema = request.match_info["subject"], _schema_of(await request.text())
        if schema is None:
            return _error(422, 42201, "Invalid schema")
        known = self._id_of(schema)
        if known is not None and known in self.subjects.get(subject, []):
            return _json({"id": known})
        older = [self.schemas[number] for number in self.subjects.get(subject, [])[-1:]]
        rule = self.compatibility.get(subject, "BACKWARD")
        if rule != "NONE" and not all(_can_read(schema, old) for old in older):
            return _error(409, 409, f"Schema being registered is incompatible with an earlier schema for {subject}")
        number = known if known is not None else next(self._ids)
        self.schemas[number] = schema
        self.subjects.setdefault(subject, []).append(number)
        return _json({"id": number})

    async def _look_up(self, request: web.Request) -> web.Response:
        subject, schema = request.match_info["subject"], _schema_of(await request.text())
        if subject not in self.subjects:
            return _error(404, 40401, f"Subject '{subject}' not found.")
        known = self._id_of(schema or "")
        if known is None or known not in self.subjects[subject]:
            return _error(404, 40403, "Schema not found")
        return _json(self._registered(subject, self.subjects[subject].index(known) + 1))

    async def _list(self, _request: web.Request) -> web.Response:
        return _json(sorted(self.subjects))

    async def _versions(self, request: web.Request) -> web.Response:
        subject = request.match_info["subject"]
        if subject not in self.subjects:
            return _error(404, 40401, f"Subject '{subject}' not found.")
        return _json(list(range(1, len(self.subjects[subject]) + 1)))

    async def _version(self, request: web.Request) -> web.Response:
        subject, version = request.match_info["subject"], request.match_info["version"]
        if subject not in self.subjects:
            return _error(404, 40401, f"Subject '{subject}' not found.")
        number = len(self.subjects[subject]) if version == "latest" else int(version)
        if not 1 <= number <= len(self.subjects[subject]):
            return _error(404, 40402, "Version not found.")
        return _json(self._registered(subject, number))

    async def _by_id(self, request: web.Request) -> web.Response:
        schema = self.schemas.get(int(request.match_info["id"]))
        return _json({"schema": schema}) if schema is not None else _error(404, 40403, "Schema not found")

    async def _configuration(self, request: web.Request) -> web.Response:
        return _json({"compatibilityLevel": self.compatibility.get(request.match_info["subject"], "BACKWARD")})

    async def _configure(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.compatibility[request.match_info["subject"]] = body["compatibility"]
        return _json(body)

    def _registered(self, subject: str, version: int) -> dict[str, Any]:
        number = self.subjects[subject][version - 1]
        return {"subject": subject, "version": version, "id": number, "schema": self.schemas[number]}

    def _id_of(self, schema: str) -> int | None:
        return next((number for number, text in self.schemas.items() if text == schema), None)


@asynccontextmanager
async def running_registry() -> AsyncIterator[Registry]:
    """A registry on a free port for the length of the block."""
    registry = Registry()
    runner = web.AppRunner(registry.application(), access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    registry.url = f"http://{host}:{port}"
    try:
        yield registry
    finally:
        await runner.cleanup()


async def schema_by_id(url: str, number: int) -> Any:
    """What a reader asks the registry."""
    async with aiohttp.ClientSession() as session, session.get(f"{url}/schemas/ids/{number}") as response:
        assert response.status == 200
        return json.loads((await response.json(content_type=None))["schema"])


def _basic(credentials: tuple[str, str]) -> str:
    return "Basic " + base64.b64encode(":".join(credentials).encode()).decode()


def _schema_of(body: str) -> str | None:
    """The schema of a request in canonical JSON, None when it is no record schema."""
    try:
        schema = json.loads(json.loads(body)["schema"])
    except (ValueError, KeyError):
        return None
    return json.dumps(schema, sort_keys=True) if isinstance(schema, dict) and "fields" in schema else None


def _can_read(new: str, old: str) -> bool:
    """BACKWARD, as far as records go: the same name, and a default for each field that is new."""
    reader, writer = json.loads(new), json.loads(old)
    written = {field["name"] for field in writer["fields"]}
    return bool(reader["name"] == writer["name"]) and all(
        "default" in field for field in reader["fields"] if field["name"] not in written
    )


def _json(body: Any, status: int = 200) -> web.Response:
    return web.Response(text=json.dumps(body), status=status, content_type=MEDIA_TYPE)


def _error(status: int, code: int, message: str) -> web.Response:
    return _json({"error_code": code, "message": message}, status)
