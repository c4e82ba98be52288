"""How many events Salesforce may still send on one stream, and when to ask for more. Pure.

At most 100 events may be outstanding on a Subscribe call; a request adds to what is outstanding. Each response reports
`pending_num_requested`, which is the server's own count, and the server's count is what matters. It does not include
requests that were on their way when the response was written. So the two counts are compared: a difference that equals
the newest requests is normal; with any other difference our count has drifted, and the server's number replaces it.

When a round trip is long, credit limits the speed: 100 events per round trip, and only while all 100 are asked for. A
server that reports 0 has sent all it was asked for and waits for us; only then are small requests made, too.
"""

from collections import deque
from typing import Final

MAX_CREDIT: Final = 100  # per Subscribe call; Salesforce treats a larger request as 100
# Smaller requests wait until they have grown, unless the server waits: a request and its response cost as much as a
# dozen events.
MIN_GRANT: Final = 50
# How long a small request is held back to grow while the server waits for credit. Short compared with a round trip
# (20-200 ms), long compared with the distance between the responses of a burst: if each of these was answered at once,
# requests and responses would become ever smaller.
GATHER_S: Final = 0.002


class Credit:
    """The credit of one stream: `outstanding` events were asked for and have not come yet."""

    def __init__(self) -> None:
        """Begin with nothing asked for."""
        self.outstanding = 0
        self.due_s: float | None = None  # when the small request that is held back must be made
        self._used_up = False  # the newest response said that the server waits for credit, not for events
        self._unseen: deque[int] = deque()  # requests that no response has accounted for yet

    def wanted(self, room: int, now_s: float) -> int:
        """How many events to ask for now, if memory has room for `room` more; 0 for none, or not before `due_s`."""
        grant = max(0, min(MAX_CREDIT, room) - self.outstanding)
        if grant >= MIN_GRANT or self.outstanding == 0:
            return grant
        if not grant or not self._used_up:
            self.due_s = None
            return 0
        if self.due_s is None:
            self.due_s = now_s + GATHER_S
        return grant if now_s >= self.due_s else 0

    def granted(self, num_requested: int) -> None:
        """A request for `num_requested` was sent."""
        self.due_s = None
        self.outstanding += num_requested
        self._unseen.append(num_requested)

    def received(self, event_count: int, pending_num_requested: int) -> None:
        """A response came with `event_count` events; the server says that it still owes `pending_num_requested`."""
        self._used_up = pending_num_requested == 0
        expected = self.outstanding - event_count
        missing = expected - pending_num_requested
        while self._unseen and sum(self._unseen) > missing:
            self._unseen.popleft()
        if sum(self._unseen) == missing:
            self.outstanding = expected
        else:
            self._unseen.clear()
            self.outstanding = pending_num_requested
