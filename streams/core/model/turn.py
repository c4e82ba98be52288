"""The turn of one record: what it reads, what it changes, and what is sent because of it."""

from collections.abc import Collection

import msgspec
from msgspec.structs import replace

from schemas.records import Record
from streams.core.model.expiry import SEEN_GRAIN_MS, rounded_up, with_due
from streams.core.model.rules import Rules
from streams.core.model.state import Conversation, RoutingRequest, Seen, StateReader
from streams.core.model.step import Step


class Turn(msgspec.Struct, gc=False):
    """One record's way through the state of one conversation. `finish` turns it into the `Step` that is written.

    Made for every record, with the state, the wall clock and the limits that all of its handlers share. Nothing is
    written before `finish`: when a handler raises, the turn is thrown away and the state is as before. The lists are
    those of `Step`, with `remembered` for its `seen`; `changed` are the requests that were put, by id. It is a msgspec
    struct, because one is made in half the time that a class with slots takes.
    """

    state: StateReader
    now_ms: int
    rules: Rules
    requests: list[RoutingRequest] = []
    dropped: list[tuple[str, str]] = []
    remembered: list[tuple[str, Seen]] = []
    outputs: list[Record] = []
    counts: list[tuple[str, str]] = []
    changed: dict[str, RoutingRequest] | None = None
    _conversation: Conversation | None = None
    _open: dict[str, RoutingRequest] | None = None

    @property
    def conversation(self) -> Conversation:
        """The conversation as this turn has changed it so far. Raises `LookupError` before `put_conversation`."""
        if self._conversation is None:
            raise LookupError("reading the conversation of a turn before a handler has put it: a defect of the core")
        return self._conversation

    def put_conversation(self, conversation: Conversation) -> None:
        """Store this value of the conversation when the turn ends."""
        self._conversation = conversation

    def open_requests(self) -> list[RoutingRequest]:
        """The requests a result can still be bound to, oldest first, as this turn has changed them so far.

        The state is asked at the first call only: most records concern no request. Needs `put_conversation` before.
        """
        if self._open is None:
            conversation, changed, opened = self.conversation, self.changed or {}, {}
            for request_id in conversation.open_request_ids:
                request = changed.get(request_id) or self.state.request(conversation.conversation_id, request_id)
                if request is not None:
                    opened[request_id] = request
            self._open = opened
        return list(self._open.values())

    def put_request(self, request: RoutingRequest) -> None:
        """Store this request when the turn ends, with what it makes the processor send. Unchanged ones are ignored."""
        request_id, opened = request.request_id, self._open
        if opened is not None and request_id in opened:
            if opened[request_id] is request:
                return
            opened[request_id] = request
        if self.changed is None:
            self.changed = {}
        self.changed[request_id] = request

    def changed_requests(self) -> list[RoutingRequest]:
        """The requests that were put: the open ones first, oldest first, then the others in the order of `put`."""
        changed, opened = self.changed or {}, self._open or {}
        if len(changed) < 2:
            return list(changed.values())
        known = [changed[request_id] for request_id in opened if request_id in changed]
        return known + [request for request_id, request in changed.items() if request_id not in opened]

    def is_open(self, request: RoutingRequest) -> bool:
        """True for one of the `open_requests`, when these were asked for in this turn."""
        return self._open is not None and request.request_id in self._open

    def close_requests(self, closed: Collection[str]) -> None:
        """Take the ids of open requests that this turn has closed out of `open_request_ids`."""
        conversation = self.conversation
        still = tuple(each for each in conversation.open_request_ids if each not in closed)
        self.put_conversation(replace(conversation, open_request_ids=still))

    def seen(self, key: str) -> bool:
        """True when this key was remembered by an earlier record, or in this turn."""
        if self.state.seen(key) is not None:
            return True
        # mostly empty, and then `any` would cost more than all the rest
        return any(known == key for known, _ in self.remembered) if self.remembered else False

    def remember(self, key: str, until_ms: int) -> None:
        """Let `seen` be true for this key until `until_ms` at least."""
        self.remembered.append((key, Seen(rounded_up(until_ms, SEEN_GRAIN_MS))))

    def drop(self, table: str, key: str) -> None:
        """Delete the value under this key of a table."""
        self.dropped.append((table, key))

    def emit(self, output: Record) -> None:
        """Send a record, after those that were emitted before it."""
        self.outputs.append(output)

    def count(self, kind: str, reason: str) -> None:
        """Count an occurrence for the metrics, for example ("withheld", "note")."""
        self.counts.append((kind, reason))

    def finish(self) -> Step:
        """What this turn changes and sends. The conversation gets its due time here, and nowhere else."""
        conversation = self._conversation
        if conversation is not None:
            conversation = with_due(conversation, self.rules)
        return Step(conversation, self.requests, self.dropped, self.remembered, self.outputs, self.counts)
