"""The worker's REST API, as Kafka Connect answers it: paths, bodies, codes.

Errors are always `{"error_code": <http status>, "message": "…"}`. Paths are answered with and without a trailing slash.
Only reading is possible: what changes connectors needs Kafka Connect's config topic, which a standalone worker has not.

Configurations are shown without their secrets (`ConfigDef.shown`), where Kafka Connect shows what was written into a
file. Requests to another host name than ours are refused, see `schemas.process.hosts`.
"""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from connectors.connector import ConnectorType
from connectors.errors import ConnectorError
from connectors.kafka.admin import group_offsets
from connectors.kafka.offsets import read_offsets
from connectors.runtime.worker import ConnectorHandle, TaskHandle, Worker
from schemas.process.descriptors import ran_out
from schemas.process.hosts import STATUS as MISDIRECTED
from schemas.process.hosts import OwnHosts

log = logging.getLogger(__name__)

# Tools read the leading numbers as the Kafka version whose REST API this is, and hide features below 3.7.
VERSION: Final = "4.1.0-byoc-streams"
_KAFKA_TIMEOUT_S: Final = 10.0
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class _NotFound(Exception):
    """What the path names does not exist; the message goes into the answer."""


class RestServer:
    """Serves one worker. The address as bound is the `worker_id` of the answers, as in Kafka Connect."""

    def __init__(
        self,
        worker: Worker,
        *,
        host: str,
        port: int,
        kafka_cluster_id: str,
        has_started: Callable[[], bool],
        allowed_hosts: Sequence[str] = (),
    ) -> None:
        """Port 0 is any free one. `has_started` says whether the worker has completed its start; `/health` asks it.

        `allowed_hosts` are names by which the server is asked beside the bound address; see `OwnHosts`.
        """
        self._worker = worker
        self._host = host
        self._port = port
        self._cluster_id = kafka_cluster_id
        self._has_started = has_started
        self._hosts = OwnHosts(host, allowed_hosts, setting="rest.allowed.hosts")
        self._worker_id = ""  # bound by `start`
        self._runner: web.AppRunner | None = None

    async def start(self) -> tuple[str, int]:
        """Bind and serve; return host and port as bound. Raises `OSError` when the address cannot be bound."""
        app = web.Application(middlewares=[self._only_for_us, self._json_errors])
        for path, handler in self._routes().items():
            app.router.add_get(path, handler)
            if path != "/":
                app.router.add_get(path + "/", handler)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self._port)
        await site.start()
        host, port, *_ = self._runner.addresses[0]
        self._worker_id = f"{host}:{port}"
        return str(host), int(port)

    async def stop(self) -> None:
        """Stop serving, and close what is open."""
        if self._runner is not None:
            await self._runner.cleanup()

    @web.middleware
    async def _only_for_us(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        refusal = self._hosts.refusal(request.headers.getall("Host", []))
        if refusal is not None:
            return _json({"error_code": MISDIRECTED, "message": refusal}, status=MISDIRECTED)
        return await handler(request)

    @web.middleware
    async def _json_errors(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except _NotFound as error:
            return _json({"error_code": 404, "message": str(error)}, status=404)
        except web.HTTPException as error:  # no such path, or another method on it
            return _json(
                {"error_code": error.status, "message": f"HTTP {error.status} {error.reason}"}, status=error.status
            )
        except ConnectorError as error:
            return _json({"error_code": 500, "message": self._worker.redacted(str(error))}, status=500)
        except Exception as error:
            log.exception("request failed", extra={"path": request.path})
            return _json({"error_code": 500, "message": ran_out(error) or "Internal Server Error"}, status=500)

    def _routes(self) -> dict[str, Handler]:
        return {
            "/": self._root,
            "/health": self._health,
            "/metrics": _metrics,
            "/connectors": self._list,
            "/connectors/{connector}": self._info,
            "/connectors/{connector}/config": self._config,
            "/connectors/{connector}/status": self._status,
            "/connectors/{connector}/tasks": self._tasks,
            "/connectors/{connector}/tasks/{task}/status": self._task_status,
            "/connectors/{connector}/offsets": self._offsets,
        }

    async def _root(self, _request: web.Request) -> web.Response:
        return _json({"version": VERSION, "commit": "unknown", "kafka_cluster_id": self._cluster_id})

    async def _health(self, _request: web.Request) -> web.Response:
        if not self._has_started():
            return _json({"status": "starting", "message": "Worker is still starting up."}, status=503)
        message = "Worker has completed startup and is ready to handle requests."
        return _json({"status": "healthy", "message": message})

    async def _list(self, request: web.Request) -> web.Response:
        expansions = request.query.getall("expand", [])
        if not expansions:
            return _json(list(self._worker.connectors))
        views = {"status": self._status_of, "info": _info_of}
        return _json(
            {
                name: {kind: views[kind](handle) for kind in expansions if kind in views}
                for name, handle in self._worker.connectors.items()
            }
        )

    async def _info(self, request: web.Request) -> web.Response:
        return _json(_info_of(self._found(request)))

    async def _config(self, request: web.Request) -> web.Response:
        return _json(self._found(request).config)

    async def _status(self, request: web.Request) -> web.Response:
        return _json(self._status_of(self._found(request)))

    async def _tasks(self, request: web.Request) -> web.Response:
        handle = self._found(request)
        return _json(
            [{"id": {"connector": handle.name, "task": task.id}, "config": handle.config} for task in handle.tasks]
        )

    async def _task_status(self, request: web.Request) -> web.Response:
        handle, wanted = self._found(request), request.match_info["task"]
        for task in handle.tasks:
            if str(task.id) == wanted:
                return _json(self._task_state(task))
        raise _NotFound(f"No status found for task {handle.name}-{wanted}")

    async def _offsets(self, request: web.Request) -> web.Response:
        handle, config = self._found(request), self._worker.config
        kafka: dict[str, Any] = {
            "bootstrap_servers": config.bootstrap_servers,
            "client": config.client,
            "timeout_s": _KAFKA_TIMEOUT_S,
        }
        if handle.type is ConnectorType.SOURCE:
            topic = config.offset_storage_topic
            found = await asyncio.to_thread(read_offsets, topic=topic, connector=handle.name, **kafka)
            offsets = [{"partition": json.loads(partition), "offset": found[partition]} for partition in sorted(found)]
        else:
            committed = await asyncio.to_thread(group_offsets, f"connect-{handle.name}", **kafka)
            offsets = [
                {"partition": {"kafka_topic": topic, "kafka_partition": number}, "offset": {"kafka_offset": offset}}
                for topic, number, offset in committed
            ]
        return _json({"offsets": offsets})

    def _found(self, request: web.Request) -> ConnectorHandle:
        name = request.match_info["connector"]
        handle = self._worker.connectors.get(name)
        if handle is None:
            raise _NotFound(f"Connector {name} not found")
        return handle

    def _status_of(self, handle: ConnectorHandle) -> dict[str, Any]:
        return {
            "name": handle.name,
            "connector": {"state": handle.state.value, "worker_id": self._worker_id},
            "tasks": [self._task_state(task) for task in handle.tasks],
            "type": handle.type.value,
        }

    def _task_state(self, task: TaskHandle) -> dict[str, Any]:
        state = {"id": task.id, "state": task.state.value, "worker_id": self._worker_id}
        return {**state, "trace": task.trace} if task.trace else state


def _info_of(handle: ConnectorHandle) -> dict[str, Any]:
    return {
        "name": handle.name,
        "config": handle.config,
        "tasks": [{"connector": handle.name, "task": task.id} for task in handle.tasks],
        "type": handle.type.value,
    }


async def _metrics(_request: web.Request) -> web.Response:
    return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})


def _json(body: Any, status: int = 200) -> web.Response:
    return web.json_response(body, status=status)
