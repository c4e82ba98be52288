"""One call of the simulator's own API as a declared row: the row serves, checks and documents the call."""

import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any

import msgspec
from aiohttp import web

from simulator.web.json_replies import ErrorReply, error_reply, json_reply

_SCHEMA_REF = "#/components/schemas/{name}"
_ERRORS = {400: "the input is wrong", 404: "there is no such thing", 409: "not now, or not by this simulator"}


class RefusedError(Exception):
    """The call is refused; `status` is 4xx."""

    def __init__(self, status: int, message: str) -> None:
        """`message` says what is wrong and what to do."""
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The input of a call: the parts of its path, its query and its body, in the types that the row declares."""

    path: dict[str, str]
    query: Any
    body: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One call. `query` is a Struct of optional fields, `reply` the type that `answer` returns."""

    method: str
    path: str
    summary: str
    answer: Callable[[Asked], Awaitable[Any]]
    reply: Any
    query: Any = None
    body: Any = None
    status: int = 200


def route(endpoint: Endpoint) -> web.RouteDef:
    """Serve the row. Wrong input is answered with 400 and `{code, message}`, `RefusedError` with its status."""

    async def handle(request: web.Request) -> web.Response:
        try:
            query = msgspec.convert(dict(request.query), endpoint.query, strict=False) if endpoint.query else None
            body = None
            if endpoint.body is not None:
                body = msgspec.json.decode(await request.read() or b"{}", type=endpoint.body)
            answer = await endpoint.answer(Asked(path=dict(request.match_info), query=query, body=body))
        except msgspec.MsgspecError as error:
            return error_reply(400, 400, f"reading the input of {endpoint.method} {endpoint.path}: {error}")
        except RefusedError as refused:
            return error_reply(refused.status, refused.status, str(refused))
        return json_reply(answer, status=endpoint.status)

    return web.route(endpoint.method, endpoint.path, handle)


def openapi(endpoints: Iterable[Endpoint], *, title: str, version: str) -> dict[str, Any]:
    """The OpenAPI 3.1 document of the rows."""
    rows = list(endpoints)
    types = [kind for row in rows for kind in (row.reply, row.query, row.body) if kind is not None]
    schemas, components = msgspec.json.schema_components([*types, ErrorReply], ref_template=_SCHEMA_REF)
    known = dict(zip(map(id, types), schemas, strict=False))
    paths: dict[str, Any] = {}
    for row in rows:
        paths.setdefault(row.path, {})[row.method.lower()] = _operation(row, known, components, schemas[-1])
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version},
        "paths": paths,
        "components": {"schemas": components},
    }


def _operation(
    row: Endpoint, known: dict[int, Any], components: dict[str, Any], error: dict[str, Any]
) -> dict[str, Any]:
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"{(\w+)}", row.path)
    ]
    if row.query is not None:
        fields = components[known[id(row.query)]["$ref"].rpartition("/")[2]]["properties"]
        parameters += [{"name": name, "in": "query", "schema": schema} for name, schema in fields.items()]
    operation: dict[str, Any] = {
        "operationId": row.answer.__name__.strip("_"),
        "summary": row.summary,
        "responses": {
            str(row.status): {"description": "done", "content": _json(known[id(row.reply)])},
            **{str(code): {"description": text, "content": _json(error)} for code, text in _ERRORS.items()},
        },
    }
    if parameters:
        operation["parameters"] = parameters
    if row.body is not None:
        operation["requestBody"] = {"content": _json(known[id(row.body)])}
    return operation


def _json(schema: Any) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}
