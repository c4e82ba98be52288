"""One agent per input topic."""

from typing import Any

from schemas.topics import Topics
from streams.processor import Processor
from streams.runtime.app import ExactlyOnceApp


def add_agents(app: ExactlyOnceApp, topics: Topics, processor: Processor) -> None:
    """Subscribe the processor to `byoc.events` and `byoc.routing.decisions`."""

    async def process(stream: Any) -> None:
        async for ticket in stream:
            await processor.handle(ticket.tp)

    for name, topic in (("events", topics.events), ("routing_decisions", topics.routing_decisions)):
        app.agent(app.ticket_topic(topic), name=name)(process)
