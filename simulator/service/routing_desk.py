"""Salesforce's side of partner-owned routing: open requests, their 60 s, and what concluded them. Pure.

The clock of a request is the `CreatedDate` of its event. A request is concluded by the first of: an answer by
`routingResult`, the end of its time, a rep who withdraws it. A rep may also withdraw a request that was already
accepted, as long as the target has not joined; it then ends as cancelled. The caller publishes the `RoutingResult`
event of each conclusion.
"""

import heapq
from enum import StrEnum

import msgspec

from simulator.events.event_facts import RoutingRequestFacts
from simulator.service.errors import CallRejectedError
from simulator.service.request_bodies import WORK_ITEM_CHARS, RoutingResultBody


class Conclusion(StrEnum):
    """How a request ended for Salesforce."""

    ROUTED = "routed"
    REFUSED = "refused"
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"


class Planned(StrEnum):
    """How the scenario plans a request to end."""

    ANSWER = "answer"  # left to the partner
    IGNORE = "ignore"  # nobody is to answer; `channelData.simulatorPlan` tells the router
    CANCEL = "cancel"  # the rep withdraws it before its time is over
    DECLINE = "decline"  # left to the partner; who is offered the work first declines it
    RESULT_FIRST = "result_first"  # withdrawn at once; the RoutingResult overtakes the RoutingRequested


class AnswerRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One `routingResult` call that named this request."""

    success: bool
    at_ms: int
    accepted: bool


class RoutingRequest(msgspec.Struct, kw_only=True):
    """One routing request. `concluded` is None while it is open."""

    request_id: str
    event_uuid: str
    topic: str
    conversation_id: str
    work_item_id: str | None
    routing_type: str
    target_kind: str
    created_at_ms: int
    deadline_ms: int
    planned: Planned
    concluded: Conclusion | None = None
    concluded_at_ms: int | None = None
    answers: list[AnswerRecord] = []
    facts: RoutingRequestFacts

    def conclude(self, conclusion: Conclusion, now_ms: int) -> None:
        """Note how and when it ended."""
        self.concluded = conclusion
        self.concluded_at_ms = now_ms


class RoutingDesk:
    """All routing requests of the org, by conversation. Concluded ones are kept for the verifier."""

    def __init__(self, timeout_ms: int) -> None:
        """`timeout_ms` is the time for an answer, counted from `CreatedDate`."""
        self._timeout_ms = timeout_ms
        self._requests: dict[str, RoutingRequest] = {}
        self._of_conversation: dict[str, list[RoutingRequest]] = {}
        self._open_ids: set[str] = set()
        self._deadlines: list[
            tuple[int, int, RoutingRequest]
        ] = []  # a heap; the number keeps requests from being compared
        self._conversations: set[str] = set()
        self._conversation_of_work_item: dict[str, str] = {}
        self._work_item_of_conversation: dict[str, str] = {}
        self.rejected_answers = 0

    def note_conversation(self, conversation_id: str, work_item_id: str | None) -> None:
        """Take note that a conversation exists, and of the MessagingSession that it is in."""
        self._conversations.add(conversation_id)
        if work_item_id is not None:
            self._conversation_of_work_item[work_item_id[:WORK_ITEM_CHARS]] = conversation_id
            self._work_item_of_conversation[conversation_id] = work_item_id

    def open(
        self,
        facts: RoutingRequestFacts,
        *,
        topic: str,
        event_uuid: str,
        conversation_id: str,
        created_at_ms: int,
        planned: Planned,
    ) -> RoutingRequest:
        """Start the timer of a request. A repeat of its event changes nothing and returns the request as it is."""
        request_id = facts.event_id or event_uuid
        known = self._requests.get(request_id)
        if known is not None:
            return known
        self.note_conversation(conversation_id, facts.work_item_id)
        request = RoutingRequest(
            request_id=request_id,
            event_uuid=event_uuid,
            topic=topic,
            conversation_id=conversation_id,
            work_item_id=facts.work_item_id or self._work_item_of_conversation.get(conversation_id),
            routing_type=facts.routing_type,
            target_kind=facts.target_kind,
            created_at_ms=created_at_ms,
            deadline_ms=created_at_ms + self._timeout_ms,
            planned=planned,
            facts=facts,
        )
        heapq.heappush(self._deadlines, (request.deadline_ms, len(self._requests), request))
        self._requests[request_id] = request
        self._open_ids.add(request_id)
        self._of_conversation.setdefault(conversation_id, []).append(request)
        return request

    def answer(self, answer: RoutingResultBody, now_ms: int) -> RoutingRequest:
        """Conclude the oldest open request that the answer means. Raises `CallRejectedError` when there is none."""
        try:
            request = self._meant(answer, now_ms)
        except CallRejectedError:
            self.rejected_answers += 1
            raise
        request.answers.append(AnswerRecord(success=answer.success, at_ms=now_ms, accepted=True))
        self._conclude(request, Conclusion.ROUTED if answer.success else Conclusion.REFUSED, now_ms)
        return request

    def cancel(self, request_id: str, now_ms: int) -> RoutingRequest | None:
        """Withdraw a request for its rep; None when it is unknown or has ended otherwise."""
        request = self._requests.get(request_id)
        if request is None or request.concluded not in {None, Conclusion.ROUTED}:
            return None
        self._conclude(request, Conclusion.CANCELLED, now_ms)
        return request

    def conclude_overdue(self, now_ms: int) -> list[RoutingRequest]:
        """End the requests whose time is over at `now_ms`; return them, oldest first."""
        overdue = []
        while self._deadlines and self._deadlines[0][0] <= now_ms:
            request = heapq.heappop(self._deadlines)[2]
            if request.concluded is None:
                self._conclude(request, Conclusion.TIMED_OUT, now_ms)
                overdue.append(request)
        return overdue

    def get(self, request_id: str) -> RoutingRequest | None:
        """Return a request by its id; None when it is unknown."""
        return self._requests.get(request_id)

    def requests(self) -> list[RoutingRequest]:
        """All requests, in the order in which they were published."""
        return list(self._requests.values())

    def check_conversation(self, conversation_id: str) -> None:
        """Raise `CallRejectedError` for a conversation that no event has named."""
        if conversation_id not in self._conversations:
            raise CallRejectedError(10018, "the conversation identifier is unknown to this org")

    def check_work_item(self, work_item_id: str, conversation_id: str | None) -> None:
        """Raise `CallRejectedError` when no session has this id, or a session of another conversation has it."""
        owner = self._conversation_of_work_item.get(work_item_id[:WORK_ITEM_CHARS])
        if owner is None:
            raise CallRejectedError(15111, "no messaging session has this workItemId")
        if conversation_id is not None and owner != conversation_id:
            raise CallRejectedError(15107, "the messaging session of this workItemId belongs to another conversation")

    def conversation_of(self, work_item_id: str) -> str:
        """Return the conversation of a work item that passed `check_work_item`."""
        return self._conversation_of_work_item[work_item_id[:WORK_ITEM_CHARS]]

    def work_item_of(self, conversation_id: str) -> str:
        """The messaging session of a conversation. Raises `CallRejectedError` when it has none."""
        found = self._work_item_of_conversation.get(conversation_id)
        if found is None:
            raise CallRejectedError(10071, "the conversation has no messaging session")
        return found

    def newest_of(self, conversation_id: str, routing_type: str | None) -> RoutingRequest | None:
        """The newest routing request of a conversation, of this routing type when one is given."""
        requests = self._of_conversation.get(conversation_id, [])
        return next((each for each in reversed(requests) if routing_type in {None, each.routing_type}), None)

    @property
    def open_count(self) -> int:
        """Return how many requests have not ended."""
        return len(self._open_ids)

    def counts(self) -> dict[str, int]:
        """Return how many requests ended in each way, and how many are `open`."""
        counts = dict.fromkeys([*(kind.value for kind in Conclusion), "open"], 0)
        for request in self._requests.values():
            counts[request.concluded.value if request.concluded is not None else "open"] += 1
        return counts

    def _conclude(self, request: RoutingRequest, conclusion: Conclusion, now_ms: int) -> None:
        request.conclude(conclusion, now_ms)
        self._open_ids.discard(request.request_id)

    def _meant(self, answer: RoutingResultBody, now_ms: int) -> RoutingRequest:
        self.check_conversation(answer.conversation_id)
        self.check_work_item(answer.work_item_id, answer.conversation_id)
        named = [
            request
            for request in self._of_conversation.get(answer.conversation_id, [])
            if answer.routing_type in {None, request.routing_type}
        ]
        in_time = [request for request in named if request.concluded is None and now_ms < request.deadline_ms]
        if in_time:
            return in_time[0]
        if named:
            named[-1].answers.append(AnswerRecord(success=answer.success, at_ms=now_ms, accepted=False))
        raise CallRejectedError(10089, "no open routing request: unknown, concluded or out of time")
