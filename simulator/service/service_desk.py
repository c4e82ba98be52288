"""Salesforce's side of the calls beside `routingResult`: service routing, offered work, sessions. Pure.

It knows which conversation has which work item from the routing desk, which learns it from events.
"""

from collections import Counter
from collections.abc import Callable

import msgspec

from simulator.service.errors import CallRejectedError
from simulator.service.request_bodies import RouteBody, SessionBody, WorkBody, WorkStatusBody
from simulator.service.routing_desk import RoutingDesk

_STATUS_AFTER = {"Accept": "Accepted", "Close": "Closed", "Decline": "Declined", "Cancel": "Cancelled"}
_ACTIVE = ("Assigned", "Accepted")


class Routed(msgspec.Struct, frozen=True, rename="camel"):
    """Reply of `POST /route`."""

    success: bool
    psr_id: str
    routing_correlation_id: str
    work_item_id: str
    context_param_map: dict[str, str]


class AgentWork(msgspec.Struct, kw_only=True):
    """One work item offered to one rep. `request_id` is the routing request that its context named."""

    work_id: str
    work_item_id: str
    conversation_id: str
    user_id: str
    request_id: str | None
    status: str = "Assigned"


class ServiceDesk:
    """Service routing records by conversation, all offered work, and the sessions that calls have ended."""

    def __init__(self, desk: RoutingDesk, *, new_id: Callable[[], str], new_record_id: Callable[[str], str]) -> None:
        """`new_record_id` takes the prefix of the record's kind."""
        self._desk = desk
        self._new_id = new_id
        self._new_record_id = new_record_id
        self._routed: dict[str, list[str]] = {}
        self._works: dict[str, AgentWork] = {}
        self._held: dict[tuple[str, str], AgentWork] = {}  # the newest work of a rep on a work item
        self._works_for: dict[str, list[AgentWork]] = {}  # by routing request
        self._over: set[str] = set()
        self.removed: list[tuple[str, str]] = []
        self.acknowledged = 0
        self.calls: Counter[str] = Counter()
        self.rejected: Counter[int] = Counter()

    def route(self, body: RouteBody) -> Routed:
        """Make a service routing record. Raises `CallRejectedError`."""
        self._desk.check_conversation(body.conversation_id)
        work_item_id = self._desk.work_item_of(body.conversation_id)
        record_id = self._new_record_id("0JR")
        self._routed.setdefault(body.conversation_id, []).append(record_id)
        request = self._desk.newest_of(body.conversation_id, body.routing_type)
        return Routed(
            success=True,
            psr_id=record_id,
            routing_correlation_id=self._new_id() if request is None else request.request_id,
            work_item_id=work_item_id,
            context_param_map={"queueId": body.queue_id} if body.queue_id else {},
        )

    def unroute(self, conversation_id: str) -> None:
        """Clear the service routing of the whole conversation. Raises `CallRejectedError`."""
        self._desk.check_conversation(conversation_id)
        self._routed.pop(conversation_id, None)

    def offer(self, body: WorkBody) -> AgentWork:
        """Offer work to a rep. Raises `CallRejectedError`.

        After a `/route` call, rep and work item are enough; otherwise the call must name its routing request.
        """
        self._desk.check_work_item(body.work_item_id, body.conversation_id)
        conversation_id = self._desk.conversation_of(body.work_item_id)
        if conversation_id not in self._routed and (body.conversation_id is None or body.correlation_id is None):
            raise CallRejectedError(10089, "routingContext is incomplete and no /route came before")
        held = self._held.get((body.user_id, body.work_item_id))
        if held is not None and held.status in _ACTIVE:
            raise CallRejectedError(15109, "the rep has this work already")
        work = AgentWork(
            work_id=self._new_record_id("0Bz"),
            work_item_id=body.work_item_id,
            conversation_id=conversation_id,
            user_id=body.user_id,
            request_id=body.correlation_id,
        )
        self._works[work.work_id] = self._held[body.user_id, body.work_item_id] = work
        if work.request_id is not None:
            self._works_for.setdefault(work.request_id, []).append(work)
        return work

    def change(self, change: WorkStatusBody) -> AgentWork:
        """Accept, close, decline or cancel an offer; only an offer that nobody has taken can be cancelled.

        Raises `CallRejectedError`.
        """
        work = self._works.get(change.work_id)
        if work is None:
            raise CallRejectedError(10082, "no agent work has this workId")
        if work.status not in _ACTIVE or (change.status == "Cancel" and work.status != "Assigned"):
            raise CallRejectedError(10085, f"the work is {work.status}")
        work.status = _STATUS_AFTER[change.status]
        return work

    def decline(self, work_id: str) -> AgentWork | None:
        """Decline an offer for its rep; None when it is not open any more."""
        try:
            return self.change(WorkStatusBody(work_id=work_id, status="Decline"))
        except CallRejectedError:
            return None

    def seat(self, request_id: str) -> AgentWork | None:
        """Let the rep of the newest offer of a request join, and close all other work on the work item.

        Returns the offer; None when the request has none.
        """
        works = self.works_for(request_id)
        if not works:
            return None
        taken = works[-1]
        for work in self._held.values():
            if work.work_item_id == taken.work_item_id and work.status in _ACTIVE:
                work.status = "Closed"
        taken.status = "Accepted"
        return taken

    def remove(self, conversation_id: str, user_id: str) -> None:
        """Take a rep out of a conversation. Raises `CallRejectedError`."""
        self._desk.check_conversation(conversation_id)
        self.removed.append((conversation_id, user_id))

    def end_session(self, body: SessionBody) -> str:
        """End a session or set it inactive; return its id. Raises `CallRejectedError`."""
        self._desk.check_conversation(body.conversation_id)
        session_id = self._desk.work_item_of(body.conversation_id)
        if body.session_id is not None and body.session_id[:15] != session_id[:15]:
            raise CallRejectedError(10072, "the conversation is in another session")
        if session_id in self._over:
            raise CallRejectedError(10071, "the session is over")
        if body.operation == "End":
            self._over.add(session_id)
        return session_id

    def acknowledge(self, conversation_id: str, count: int) -> None:
        """Count acknowledged entries. Raises `CallRejectedError`."""
        self._desk.check_conversation(conversation_id)
        self.acknowledged += count

    def works_for(self, request_id: str) -> list[AgentWork]:
        """The work that was offered for one routing request, oldest first."""
        return self._works_for.get(request_id, [])

    def works(self) -> list[AgentWork]:
        """All offered work, oldest first."""
        return list(self._works.values())
