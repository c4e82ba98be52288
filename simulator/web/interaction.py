"""The Interaction Service API over HTTP: headers, error codes, and the calls that a partner makes."""

import uuid
from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web

from simulator.org.org import Org
from simulator.service import request_bodies as bodies
from simulator.service.errors import CallRejectedError
from simulator.web.json_replies import error_reply, json_reply

_BASE = "/api/v1"
_ORG_ID_CHARS = 15  # this API names the org in the short form
_CONTEXT_TYPES = ("ConversationChannelDefinition", "EmbeddedMessagingChannel", "ExternalConversationParticipant")
_SUCCESS = {"success": True}


class _CallRefusedError(Exception):
    """The headers are wrong or missing."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


def _check_headers(headers: Mapping[str, str], org: Org) -> None:
    """Raise `_CallRefusedError` for wrong headers. Which HTTP status goes with which code is not published."""
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


def _check_context_type(headers: Mapping[str, str]) -> None:
    if headers.get("AuthorizationContextType") not in _CONTEXT_TYPES:
        raise _CallRefusedError(400, 10016, f"header AuthorizationContextType must be one of {_CONTEXT_TYPES}")


class _Calls:
    """Carries out each call; each method returns the reply and raises `CallRejectedError`."""

    def __init__(self, org: Org) -> None:
        self._org = org

    def routing_result(self, body: bytes) -> Any:
        self._org.answer_routing(bodies.read_routing_result(body))
        return _SUCCESS

    def route(self, body: bytes) -> Any:
        return self._org.service.route(bodies.read_route(body))

    def unroute(self, body: bytes) -> Any:
        self._org.service.unroute(bodies.read_unroute(body))
        return _SUCCESS

    def offer_work(self, body: bytes) -> Any:
        work = self._org.offer_work(bodies.read_work(body))
        return {"success": True, "id": self._org.new_id(), "agentWorkId": work.work_id}

    def change_work(self, body: bytes) -> Any:
        self._org.service.change(bodies.read_work_change(body))
        return _SUCCESS

    def remove_participant(self, body: bytes) -> Any:
        self._org.service.remove(*bodies.read_removal(body))
        return _SUCCESS

    def end_session(self, body: bytes) -> Any:
        self._org.end_session(bodies.read_session(body))
        return _SUCCESS

    def acknowledge(self, body: bytes) -> Any:
        self._org.service.acknowledge(*bodies.read_acknowledgements(body))
        return _SUCCESS


def routes(org: Org) -> list[web.RouteDef]:
    """The calls of one org, with the status that acceptance has."""
    calls = _Calls(org)
    return [
        _served(org, "POST", "routingResult", calls.routing_result, 202),
        _served(org, "POST", "route", calls.route, 202),
        _served(org, "DELETE", "route", calls.unroute, 202),
        _served(org, "POST", "agentWork", calls.offer_work, 202),
        _served(org, "PATCH", "agentWork", calls.change_work, 202),
        _served(org, "POST", "participant", calls.remove_participant, 200),
        _served(org, "POST", "messagingSession", calls.end_session, 200),
        _served(org, "POST", "acknowledgement", calls.acknowledge, 200),
    ]


def _served(org: Org, method: str, api: str, call: Callable[[bytes], Any], status: int) -> web.RouteDef:
    async def handle(request: web.Request) -> web.Response:
        try:
            _check_headers(request.headers, org)
            if method == "PATCH":
                _check_context_type(request.headers)
            reply = call(await request.read())
        except _CallRefusedError as refused:
            return error_reply(refused.status, refused.code, str(refused))
        except CallRejectedError as rejected:
            org.service.rejected[rejected.code] += 1
            return error_reply(400, rejected.code, str(rejected))
        org.service.calls[f"{method} {api}"] += 1
        return json_reply(reply, status=status)

    return web.route(method, f"{_BASE}/{api}", handle)
