"""What travels through Faust's queues instead of records."""

from dataclasses import dataclass
from typing import Any

import faust


@dataclass(frozen=True, slots=True)
class Ticket:
    """Says that a topic partition has records waiting; the agent then takes all of them at once."""

    tp: Any


class TicketTopic(faust.Topic):  # type: ignore[misc]  # faust has no types
    """A topic whose agents receive a `Ticket` for each batch, not a decoded value for each record."""

    async def decode(self, message: Any, *, propagate: bool = False) -> Any:  # noqa: ARG002  Faust's signature
        return self.app.create_event(None, message.value, None, message)
