"""The simulator's own calls under `/v1`: what a test or a verifier asks for, and what it makes happen."""

import base64
import binascii
from typing import Any

import msgspec
from aiohttp import web

from simulator import entries
from simulator.event_log import UnknownTopicError
from simulator.ledger import Entry
from simulator.org import Org
from simulator.scenario.options import ScenarioOptions
from simulator.scenario.stage import ScenarioRunningError, Stage
from simulator.web.json_replies import error_reply, json_reply

_LARGEST_PAGE = 10_000


class PublishBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One event to publish: `payload` (JSON object or text) with its type, or `payload_base64`, any bytes at all."""

    event_type: str | None = "Interaction"
    payload: dict[str, Any] | str | None = None
    payload_base64: str | None = None
    event_uuid: str | None = None
    created_at_ms: int | None = None


class RevokeBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which token to revoke; all of them when none is named."""

    token: str | None = None


class Admin:
    """The handlers. Wrong input is answered with 4xx and `{code, message}`."""

    def __init__(self, org: Org, stage: Stage) -> None:
        self._org = org
        self._stage = stage

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/live", self._live),
            web.get("/v1/ledger", self._ledger),
            web.get("/v1/routing", self._routing),
            web.get("/v1/stats", self._stats),
            web.get("/v1/scenario", self._scenario),
            web.post("/v1/scenario", self._start_scenario),
            web.post("/v1/tokens/revoke", self._revoke),
            web.post("/v1/topics/event/{name}/events", self._publish),
        ]

    async def _live(self, _request: web.Request) -> web.Response:
        return json_reply({"status": "up"})

    async def _ledger(self, request: web.Request) -> web.Response:
        """Entries with an index above `after`; `next` is the `after` of the next page."""
        try:
            after = int(request.query.get("after", "0"))
            limit = int(request.query.get("limit", str(_LARGEST_PAGE)))
        except ValueError:
            return error_reply(400, 400, "after and limit must be whole numbers")
        if after < 0 or not 1 <= limit <= _LARGEST_PAGE:
            return error_reply(400, 400, f"after must be 0 or more, limit 1 to {_LARGEST_PAGE}")
        page = self._org.ledger.page(after, limit)
        return json_reply(
            {
                "events": page,
                "next": page[-1].index if page else after,
                "finished": self._stage.finished and after + len(page) >= len(self._org.ledger),
            }
        )

    async def _routing(self, _request: web.Request) -> web.Response:
        return json_reply({"requests": self._org.desk.requests()})

    async def _stats(self, _request: web.Request) -> web.Response:
        org = self._org
        return json_reply(
            {
                "published": len(org.ledger),
                "by_expectation": org.ledger.counts(),
                "routing": org.desk.counts(),
                "rejected_answers": org.desk.rejected_answers,
                "tokens_issued": org.tokens.issued,
                "topics": org.log.topics,
            }
        )

    async def _scenario(self, _request: web.Request) -> web.Response:
        return json_reply(self._stage.progress())

    async def _start_scenario(self, request: web.Request) -> web.Response:
        try:
            self._stage.start(msgspec.json.decode(await request.read() or b"{}", type=ScenarioOptions))
        except msgspec.MsgspecError as error:
            return error_reply(400, 400, f"reading the scenario's options: {error}")
        except UnknownTopicError as error:
            return self._unknown_topic(str(error.args[0]))
        except ScenarioRunningError as error:
            return error_reply(409, 409, str(error))
        return json_reply(self._stage.progress(), status=202)

    async def _revoke(self, request: web.Request) -> web.Response:
        body = await request.read()
        try:
            token = msgspec.json.decode(body, type=RevokeBody).token if body else None
        except msgspec.MsgspecError as error:
            return error_reply(400, 400, f"reading which token to revoke: {error}")
        return json_reply({"revoked": self._org.tokens.revoke(token)})

    async def _publish(self, request: web.Request) -> web.Response:
        topic = "/event/" + request.match_info["name"]
        try:
            entry = _publish(self._org, topic, msgspec.json.decode(await request.read(), type=PublishBody))
        except (msgspec.MsgspecError, binascii.Error) as error:
            return error_reply(400, 400, f"reading the event to publish: {error}")
        except UnknownTopicError:
            return self._unknown_topic(topic)
        return json_reply(entry, status=201)

    def _unknown_topic(self, topic: str) -> web.Response:
        return error_reply(404, 404, f"there is no topic {topic}; there are: {', '.join(self._org.log.topics)}")


def _publish(org: Org, topic: str, body: PublishBody) -> Entry:
    if body.payload_base64 is not None:
        payload = base64.b64decode(body.payload_base64, validate=True)
        return org.publish_bytes(topic, payload, event_uuid=body.event_uuid)
    text = entries.as_json(body.payload) if isinstance(body.payload, dict) else body.payload
    return org.publish(topic, body.event_type, text, event_uuid=body.event_uuid, created_at_ms=body.created_at_ms)
