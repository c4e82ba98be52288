"""The Interaction Service API, as far as it exists here: `POST /api/v1/routingResult`."""

import uuid
from collections.abc import Mapping

from aiohttp import web

from simulator.org import Org
from simulator.routing_answers import read_answer
from simulator.routing_desk import AnswerRejectedError
from simulator.web.json_replies import error_reply, json_reply

_ORG_ID_CHARS = 15  # this API names the org in the short form


class _CallRefusedError(Exception):
    """The headers do not entitle to the call."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


def _check_headers(headers: Mapping[str, str], org: Org) -> None:
    """Raises `_CallRefusedError`. The HTTP status per error code is not published; ours are the plain reading."""
    scheme, _, token = headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not org.tokens.is_valid(token.strip()):
        raise _CallRefusedError(401, 10004, "the access token is missing or not valid")
    if headers.get("OrgId", "")[:_ORG_ID_CHARS] != org.settings.org_id[:_ORG_ID_CHARS]:
        raise _CallRefusedError(400, 10016, "header OrgId must be the id of this org")
    if not headers.get("AuthorizationContext"):
        raise _CallRefusedError(400, 10016, "header AuthorizationContext must name the channel definition")
    try:
        uuid.UUID(headers.get("RequestId", ""))
    except ValueError as error:
        raise _CallRefusedError(400, 10016, "header RequestId must be a UUID") from error


def routes(org: Org) -> list[web.RouteDef]:
    """The calls of one org."""

    async def routing_result(request: web.Request) -> web.Response:
        try:
            _check_headers(request.headers, org)
            org.answer_routing(read_answer(await request.read()))
        except _CallRefusedError as refused:
            return error_reply(refused.status, refused.code, str(refused))
        except AnswerRejectedError as rejected:
            return error_reply(400, rejected.code, str(rejected))
        return json_reply({"success": True}, status=202)

    return [web.post("/api/v1/routingResult", routing_result)]
