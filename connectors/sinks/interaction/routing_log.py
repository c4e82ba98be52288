"""What the mirrored events say of a routing request whose call is in doubt.

Events of a conversation lie in one partition, in the order of Salesforce. Behind the event of a request, a routing
result says that a request of the conversation was concluded, and another request that this one is not the newest.
That nothing is there means something only up to a time: the one up to which all events of the same source topic have
been read. It is taken from the round of reading before the last, so that what stood beside it in other partitions has
been read, too. The topic is read while a call waits, and only then.
"""

import asyncio
import contextlib
import logging
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from connectors.errors import RetriableError
from connectors.kafka.call_thread import CallThread
from connectors.kafka.consumed import ConsumedRecord
from connectors.sinks.interaction.doubt import LogView
from connectors.sinks.interaction.journal import MakeReader, Reader
from schemas.codec import DecodeError, decode
from schemas.records import OutboundEvent

log = logging.getLogger(__name__)

_REACH_BACK_MS = 240_000  # a request, its 60 s and the 180 s in which it can end
_READ_S = 10.0
_LOOK_S = 0.3
_REQUESTED = "RoutingRequested"
_RESULT = "RoutingResult"
_ROUTING_TYPE = re.compile(r'"routingType"\s*:\s*"([^"]*)"')


@dataclass(frozen=True, slots=True)
class _Routing:
    """One event about routing: whether it is a request, and its text without escapes, in which a request's id is."""

    is_request: bool
    source_topic: str
    event_uuid: str
    payload: str
    at_ms: int


@dataclass(slots=True)
class RoutingEvents:
    """The events about routing that were read, by conversation, and how far each source topic was read. Pure."""

    by_conversation: dict[str, list[_Routing]] = field(default_factory=dict)
    read_to_ms: dict[str, int] = field(default_factory=dict)
    passed_ms: dict[str, int] = field(default_factory=dict)

    def take(self, records: list[ConsumedRecord]) -> None:
        """Take one round of reading, in order per partition."""
        self.passed_ms = dict(self.read_to_ms)
        for record in records:
            try:
                event = decode(OutboundEvent, record.value or b"")
            except DecodeError:
                continue
            # a date in the future, which anyone can publish, must not pass for progress
            at_ms = min(event.created_at_ms, event.received_at_ms)
            self.read_to_ms[event.topic] = max(self.read_to_ms.get(event.topic, 0), at_ms)
            is_request = event.event_type == _REQUESTED
            # a look at the text: a message that holds the word withholds a repeat at worst
            if is_request or _RESULT in event.payload:
                text = event.payload.replace("\\", "")  # JSON in a string of JSON: its quotes are escaped
                found = _Routing(is_request, event.topic, event.event_uuid, text, at_ms)
                self.by_conversation.setdefault(event.conversation_id, []).append(found)

    def view(self, conversation_id: str, request_id: str, routing_type: str | None) -> LogView:
        """What is known of a request of a conversation. Requests of another routing type than this are left out."""
        events = self.by_conversation.get(conversation_id, [])
        own = [n for n, each in enumerate(events) if each.is_request and _is(each, request_id)]
        if not own:
            return LogView()
        behind = events[own[0] + 1 :]
        return LogView(
            newer_request=any(
                each.is_request and not _is(each, request_id) and _may_be(each, routing_type) for each in behind
            ),
            result_since=any(not each.is_request for each in behind),
            passed_ms=self.passed_ms.get(events[own[0]].source_topic),
        )

    def forget_before(self, at_ms: int) -> None:
        """Drop conversations without an event about routing since then."""
        old = [name for name, events in self.by_conversation.items() if events[-1].at_ms < at_ms]
        for name in old:
            del self.by_conversation[name]


def _is(event: _Routing, request_id: str) -> bool:
    return request_id == event.event_uuid or f'"{request_id}"' in event.payload


def _may_be(event: _Routing, routing_type: str | None) -> bool:
    found = routing_type_of(event.payload)
    return routing_type is None or found is None or found == routing_type


def routing_type_of(text: str) -> str | None:
    """The first routing type in the JSON of a call's body or of an event, None without one."""
    found = _ROUTING_TYPE.search(text)
    return None if found is None else found[1]


class RoutingLog:
    """Follows the topic of events while somebody asks. Belongs to one event loop; keeps nothing that must survive."""

    def __init__(self, *, topic: str, make_reader: MakeReader, now_ms: Callable[[], int]) -> None:
        """Nothing is connected before somebody asks."""
        self._topic = topic
        self._make_reader = make_reader
        self._now_ms = now_ms
        self._askers = 0
        self._following: asyncio.Task[None] | None = None
        self._round: asyncio.Future[None] | None = None
        self._events: RoutingEvents | None = None

    @contextlib.asynccontextmanager
    async def asking(self) -> AsyncIterator["RoutingLog"]:
        """Keep following while the block runs; at the end of the last block the reader is closed."""
        self._askers += 1
        try:
            yield self
        finally:
            self._askers -= 1
            if self._askers == 0 and self._following is not None:
                self._following.cancel()
                self._following = None

    async def look(self, conversation_id: str, request_id: str, routing_type: str | None) -> LogView:
        """Wait for a round of reading that begins after this call; what is known then. Call within `asking`."""
        if self._following is None:
            self._following = asyncio.create_task(self._follow())
            self._round = None
        for _ in range(2):  # the round under way may have looked for its ends before this call
            if self._round is None:
                self._round = asyncio.get_running_loop().create_future()
            await asyncio.wait({self._round, self._following}, return_when=asyncio.FIRST_COMPLETED)
            if self._following.done():
                self._following.result()  # raises what ended it
        if self._events is None:
            return LogView(readable=False)
        return self._events.view(conversation_id, request_id, routing_type)

    async def _follow(self) -> None:
        thread = CallThread("routing-log")
        reader: Reader | None = None
        try:
            while True:
                try:
                    if reader is None:
                        self._events = None
                        reader = self._make_reader(self._topic, self._now_ms() - _REACH_BACK_MS, None)
                    open_reader = reader
                    records = await thread.call(lambda r=open_reader: r.read_on(_READ_S))  # type: ignore[misc]
                    if self._events is None:
                        self._events = RoutingEvents()
                    self._events.take(records)
                    self._events.forget_before(self._now_ms() - _REACH_BACK_MS)
                except RetriableError as error:
                    log.warning("events cannot be read for a call in doubt", extra={"error": str(error)})
                    self._events = None
                    if reader is not None:
                        await thread.call(reader.close)
                        reader = None
                round_, self._round = self._round, None
                if round_ is not None and not round_.done():
                    round_.set_result(None)
                await asyncio.sleep(_LOOK_S)
        finally:
            if reader is not None:
                await thread.call(reader.close)  # after a read that is under way
            thread.end()
