"""The result of applying one record: what changed and what is sent. The runtime writes all of it in one transaction."""

import msgspec

from schemas.records import Record
from streams.core.model.state import Conversation, RoutingRequest, Seen

CONVERSATIONS = "conversations"
ROUTING = "routing"
SEEN = "seen"


class Step(msgspec.Struct, gc=False):
    """What one record, or the passing of a deadline, changes.

    `conversation` is its new value, None when it did not change. `requests` are changed routing requests, `seen` new
    entries by key, `dropped` the (table, key) pairs whose values are to be deleted. `outputs` are sent in this order.
    `counts` are (kind, reason) pairs for the metrics; the step of a repeated record has nothing else.
    """

    conversation: Conversation | None = None
    requests: list[RoutingRequest] = []
    dropped: list[tuple[str, str]] = []
    seen: list[tuple[str, Seen]] = []
    outputs: list[Record] = []
    counts: list[tuple[str, str]] = []

    def changes_nothing(self) -> bool:
        """True when the step writes no state and sends nothing."""
        return not (self.conversation or self.requests or self.dropped or self.seen or self.outputs)
