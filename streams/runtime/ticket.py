"""What travels through Faust's queues instead of records."""

from dataclasses import dataclass

import faust

from streams.runtime.foreign import Message
from streams.runtime.records import TopicPartition


@dataclass(frozen=True, slots=True)
class Ticket:
    """Says that a topic partition has records waiting; whoever has it takes all of them, batch by batch."""

    tp: TopicPartition


class TicketTopic(faust.Topic):  # type: ignore[misc]  # faust has no types
    """A topic whose agents receive a `Ticket` for each time that records wait, not a decoded value for each record."""

    async def decode(self, message: Message, *, propagate: bool = False) -> faust.Event:  # noqa: ARG002  Faust's signature
        """The Faust event of a message whose value is a `Ticket` already."""
        return self.app.create_event(None, message.value, None, message)
