"""The list of routing requests, page by page: what it costs does not depend on how many there are to show.

Pages are in the order of (created_at_ms, request id, conversation id), which never changes for a request, so a walk
from cursor to cursor meets every request that was there all the time exactly once.
"""

import asyncio
import binascii
import heapq
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec.structs import replace

from streams.core.model.rules import Rules
from streams.core.model.state import RoutingRequest
from streams.web import views

DEFAULT_LIMIT, MAX_LIMIT = 100, 1_000
STATES = ("open", "settled")
AT_ONCE = 2  # lists under way; a list of 50,000 requests takes 0.3 s of the event loop, in slices
MAX_WAITING = 32  # further ones wait; above these they are told to come back
MOST_BYTES = 4 * 1024 * 1024  # of the values of a page; a usual one has 1 KB, the largest 700 KB (ADR 0015)
READ_AT_ONCE = 250  # values decoded before others get their turn: 1.5 ms

Position = tuple[int, str, str]


class UnreadableQuery(Exception):
    """A parameter that means nothing; the message names it, its value and the remedy."""


class TooManyLists(Exception):
    """So many lists wait that one more would only wait longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListQuery:
    """What is asked for: requests in `state` (None for all), at most `limit`, behind the position `after`."""

    state: str | None
    limit: int
    after: Position | None

    @classmethod
    def of(cls, query: Mapping[str, str]) -> "ListQuery":
        """The parameters of a query string. Raises `UnreadableQuery`."""
        state, limit, after = query.get("state"), query.get("limit", str(DEFAULT_LIMIT)), query.get("after")
        if state is not None and state not in STATES:
            raise UnreadableQuery(f"state={state} is unknown; use open or settled")
        if (
            not (limit.isascii() and limit.isdigit() and len(limit) <= len(str(MAX_LIMIT)))
            or not 1 <= int(limit) <= MAX_LIMIT
        ):
            raise UnreadableQuery(f"limit={limit} is not a number from 1 to {MAX_LIMIT}")
        return cls(state=state, limit=int(limit), after=None if after is None else _position(after))

    def wants(self, value: RoutingRequest) -> bool:
        """True for a request that is to be listed, on this page or a later one."""
        if value.facts is None or (self.state is not None and (value.outcome is None) != (self.state == "open")):
            return False
        return self.after is None or _position_of(value) > self.after


@dataclass(frozen=True, slots=True)
class ListPage:
    """Requests as JSON objects, and whether there are more behind them."""

    requests: list[dict[str, Any]]
    has_more: bool

    def answer(self) -> dict[str, Any]:
        """`requests`, and `next`, the cursor of the next page, when there is one."""
        if not (self.has_more and self.requests):
            return {"requests": self.requests}
        return {"requests": self.requests, "next": _cursor(_shown_position(self.requests[-1]))}


class RequestLists:
    """Lists of the routing requests of one worker. Used on the event loop only."""

    def __init__(self, requests: Callable[[], Iterable[RoutingRequest]], rules: Rules) -> None:
        """`requests()` yields every owned routing request; they may change while it is iterated."""
        self._requests = requests
        self._rules = rules
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0

    async def page(self, query: ListQuery) -> ListPage:
        """The first requests behind `query.after`. Raises `TooManyLists`.

        At most `query.limit` values are held at a time, and no more than `MOST_BYTES` of them.
        """
        async with self._slot():
            first = _First(query.limit)
            for number, value in enumerate(self._requests()):
                if number % READ_AT_ONCE == 0:
                    await asyncio.sleep(0)
                if query.wants(value):
                    first.offer(value)
            shown = [views.routing_request(value, self._rules) for value in first.in_order()]
            return ListPage(shown, has_more=first.has_more)

    @asynccontextmanager
    async def _slot(self) -> AsyncIterator[None]:
        if self._waiting >= MAX_WAITING:
            raise TooManyLists
        self._waiting += 1
        try:
            await self._slots.acquire()
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._slots.release()


class _First:
    """The first of the values that are offered, as many as a page may have; those that gave way stand behind them."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._kept: list[_Candidate] = []
        self._bytes = 0
        self._behind: Position | None = None  # the first position that was left out

    @property
    def has_more(self) -> bool:
        """True when a value was left out."""
        return self._behind is not None

    def offer(self, value: RoutingRequest) -> None:
        """Keep it when it is among the first. The last ones give way; one stays, whatever its size."""
        position = _position_of(value)
        if self._behind is not None and position > self._behind:
            return
        without = replace(value, facts=value.facts and replace(value.facts, channel_data=None))  # which is not shown
        size = len(msgspec.msgpack.encode(without))
        heapq.heappush(self._kept, _Candidate(position, without, size))
        self._bytes += size
        while len(self._kept) > self._limit or (self._bytes > MOST_BYTES and len(self._kept) > 1):
            last = heapq.heappop(self._kept)
            self._bytes -= last.size
            self._behind = last.position

    def in_order(self) -> list[RoutingRequest]:
        """The values that were kept."""
        return [each.value for each in sorted(self._kept, key=lambda each: each.position)]


@dataclass(frozen=True, slots=True)
class _Candidate:
    """Ordered so that the heap's first is the last in the list: the one to give way."""

    position: Position
    value: RoutingRequest
    size: int

    def __lt__(self, other: "_Candidate") -> bool:
        return self.position > other.position


def merged(query: ListQuery, own: ListPage, peers: Iterable[Mapping[str, Any]]) -> ListPage:
    """One page of this worker's and the answers of its `peers` to the same query.

    It ends where the first page ends that has more behind it: what its worker has next may come before what others
    showed.
    """
    pages = [own, *(ListPage(peer["requests"], "next" in peer) for peer in peers)]
    found = sorted((each for page in pages for each in page.requests), key=_shown_position)
    ends = [_shown_position(page.requests[-1]) for page in pages if page.has_more and page.requests]
    end = min(ends, default=None)
    kept = [each for each in found if end is None or _shown_position(each) <= end][: query.limit]
    return ListPage(kept, bool(ends) or len(kept) < len(found))


def _position_of(value: RoutingRequest) -> Position:
    created_at_ms = 0 if value.facts is None else value.facts.created_at_ms
    return created_at_ms, value.request_id, value.conversation_id


def _shown_position(shown: Mapping[str, Any]) -> Position:
    position: Position = (shown["facts"]["created_at_ms"], shown["request_id"], shown["conversation_id"])
    return position


def _cursor(position: Position) -> str:
    return urlsafe_b64encode(msgspec.json.encode(position)).decode().rstrip("=")


def _position(cursor: str) -> Position:
    try:
        position: Position = msgspec.json.decode(
            urlsafe_b64decode(cursor.encode() + b"=" * (-len(cursor) % 4)), type=Position
        )
    except (binascii.Error, msgspec.DecodeError, ValueError):
        raise UnreadableQuery(f"after={cursor} is no cursor; use the `next` of the page before") from None
    return position
