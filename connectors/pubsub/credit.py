"""How many events Salesforce may still send on one stream, and when to ask for more. Pure.

At most 100 events may be outstanding on a Subscribe call; a request adds to what is outstanding. Each response reports
`pending_num_requested`, the server's own count, which is the truth. It can lag behind ours by requests that were on
their way when the response was written, so the two are compared: a difference equal to the newest requests is normal,
any other difference is drift, and the server's number replaces ours.
"""

from collections import deque
from typing import Final

MAX_CREDIT: Final = 100  # per Subscribe call; Salesforce treats a larger request as 100
MIN_GRANT: Final = 50  # smaller top-ups wait, unless nothing is outstanding: a request costs as much as ten events


class Credit:
    """The credit of one stream."""

    def __init__(self) -> None:
        self.outstanding = 0
        self._unseen: deque[int] = deque()  # requests that no response has accounted for yet

    def wanted(self, room: int) -> int:
        """How many events to ask for now, when memory has room for `room` more; 0 for none."""
        grant = min(MAX_CREDIT, room) - self.outstanding
        return grant if grant >= MIN_GRANT or (grant > 0 and self.outstanding == 0) else 0

    def granted(self, num_requested: int) -> None:
        """A request for `num_requested` was sent."""
        self.outstanding += num_requested
        self._unseen.append(num_requested)

    def received(self, event_count: int, pending_num_requested: int) -> None:
        """A response came with `event_count` events; the server says that `pending_num_requested` are left."""
        expected = self.outstanding - event_count
        missing = expected - pending_num_requested
        while self._unseen and sum(self._unseen) > missing:
            self._unseen.popleft()
        if sum(self._unseen) == missing:
            self.outstanding = expected
        else:
            self._unseen.clear()
            self.outstanding = pending_num_requested
