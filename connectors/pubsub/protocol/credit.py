"""How many events Salesforce may still send on one stream, and when to ask for more. Pure.

At most 100 events may be outstanding on a Subscribe call; a request adds to what is outstanding. Each response reports
`pending_num_requested`, the server's own count, which is the truth. It can lag behind ours by requests that were on
their way when the response was written, so the two are compared: a difference equal to the newest requests is normal,
any other difference is drift, and the server's number replaces ours.

Over a long way credit is the limit of speed: 100 events per round trip, and only while all 100 are asked for. A server
that reports 0 has sent all it was asked for and waits for us, so then small requests are made too.
"""

from collections import deque
from typing import Final

MAX_CREDIT: Final = 100  # per Subscribe call; Salesforce treats a larger request as 100
MIN_GRANT: Final = 50  # smaller top-ups wait, unless the server does: a request and its response cost a dozen events
# How long a small request is gathered while the server waits for credit. Short beside a round trip (20-200 ms), long
# beside the responses of a burst, which without it would be answered one by one and become ever smaller.
GATHER_S: Final = 0.002


class Credit:
    """The credit of one stream."""

    def __init__(self) -> None:
        self.outstanding = 0
        self.due_s: float | None = None  # when the small request that is held back is to be made
        self._used_up = False  # by the newest response the server waits for credit, not for events
        self._unseen: deque[int] = deque()  # requests that no response has accounted for yet

    def wanted(self, room: int, now_s: float) -> int:
        """How many events to ask for now, when memory has room for `room` more; 0 for none, or not yet: see `due_s`."""
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
        """A response came with `event_count` events; the server says that `pending_num_requested` are left."""
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
