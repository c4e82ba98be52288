"""Slots for attempts, of which conversations that do not get answers may only use a share.

A receiver that stalls for some conversations would otherwise hold every slot for the whole time of an attempt, and all
others would wait for it. So a conversation whose last attempt got no answer is a suspect until one does. Suspects use
at most half of the slots, whoever failed least often first, and wait behind all others; an eighth is theirs, so that
they are tried again however busy the sink is.
"""

import asyncio
import heapq
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count

_REMEMBERED = 10_000  # suspects: as many as records are held by default; beyond it the longest unseen are forgotten


class Lanes:
    """`slots` attempts at once. Belongs to one event loop."""

    def __init__(self, slots: int) -> None:
        """With one slot there is no share to keep: suspects may use it, too."""
        self._free = slots
        self._suspects_most = max(1, slots // 2)
        self._suspects_own = max(1, slots // 8)
        self._suspects_running = 0
        self._failures: OrderedDict[str, int] = OrderedDict()
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._suspects_waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._order = count()

    @asynccontextmanager
    async def slot(self, conversation: str) -> AsyncIterator[None]:
        """Wait for a slot and hold it for the time of the block."""
        failures = self._failures.get(conversation, 0)
        granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if failures:
            heapq.heappush(self._suspects_waiting, (failures, next(self._order), granted))
        else:
            self._waiting.append(granted)
        self._grant()
        try:
            await granted
            yield
        finally:
            if granted.done() and not granted.cancelled():
                self._free += 1
                self._suspects_running -= bool(failures)
            self._grant()

    def answered(self, conversation: str) -> None:
        """An attempt got its answer: the conversation is no suspect any more."""
        self._failures.pop(conversation, None)

    def failed(self, conversation: str) -> None:
        """An attempt got no answer, or none to its end."""
        self._failures[conversation] = self._failures.pop(conversation, 0) + 1
        if len(self._failures) > _REMEMBERED:
            self._failures.popitem(last=False)

    def _grant(self) -> None:
        """Give free slots to those who wait."""
        while self._free:
            while self._waiting and self._waiting[0].done():  # cancelled while it waited
                self._waiting.popleft()
            while self._suspects_waiting and self._suspects_waiting[0][2].done():
                heapq.heappop(self._suspects_waiting)
            allowed = self._suspects_most if not self._waiting else self._suspects_own
            if self._suspects_waiting and self._suspects_running < allowed:
                _, _, granted = heapq.heappop(self._suspects_waiting)
                self._suspects_running += 1
            elif self._waiting:
                granted = self._waiting.popleft()
            else:
                return
            self._free -= 1
            granted.set_result(None)
