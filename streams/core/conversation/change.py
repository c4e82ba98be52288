"""One entry on its way through the state."""

from msgspec.structs import replace

from schemas.records import OutboundEvent
from streams.core.model.entries import Entry
from streams.core.model.rules import Rules
from streams.core.model.state import Conversation, RoutingRequest, State
from streams.core.model.step import Step
from streams.core.routing.join import is_closed
from streams.core.routing.outputs import tell


class Change:
    """One entry on its way through the state: the conversation so far, and the open requests it has touched.

    Open requests are read only when they are asked for: most entries concern none.
    """

    __slots__ = ("_open", "_state", "_touched", "conversation", "entry", "event", "rules", "step")

    def __init__(
        self, state: State, event: OutboundEvent, entry: Entry, conversation: Conversation, rules: Rules, step: Step
    ) -> None:
        self.event = event
        self.entry = entry
        self.conversation = conversation
        self.rules = rules
        self.step = step
        self._state = state
        self._open: dict[str, RoutingRequest] | None = None
        self._touched: set[str] = set()

    def open_requests(self) -> list[RoutingRequest]:
        """The requests a result can still be bound to, oldest first."""
        return list(self._requests().values())

    def put(self, request: RoutingRequest) -> None:
        """Keep a changed request."""
        known = self._requests()
        if known.get(request.request_id) is not request:
            known[request.request_id] = request
            self._touched.add(request.request_id)

    def finish(self, now_ms: int) -> Conversation:
        """Tell what follows for the touched requests; return the conversation without those that are closed now."""
        if not self._touched:
            return self.conversation
        closed = set()
        for request_id, request in self._requests().items():
            if request_id in self._touched:
                tell(request, now_ms, self.rules, self.step)
                if is_closed(request):
                    closed.add(request_id)
        if not closed:
            return self.conversation
        still = tuple(each for each in self.conversation.open_request_ids if each not in closed)
        return replace(self.conversation, open_request_ids=still)

    def _requests(self) -> dict[str, RoutingRequest]:
        if self._open is None:
            conversation = self.conversation
            ids = conversation.open_request_ids
            found = (self._state.request(conversation.conversation_id, request_id) for request_id in ids)
            self._open = {request.request_id: request for request in found if request is not None}
        return self._open
