"""One task that carries several topics, when a connector has more topics than tasks.

Each topic keeps a subscription, a producer and a position of its own: a batch of one topic never waits for a schema of
another, and each transaction moves one position. But a topic that cannot go on ends the task for all of them, after the
others have committed what they had received.
"""

import asyncio
import itertools
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

T = TypeVar("T")


class Mirror(Protocol):
    """Mirrors one topic, as `connectors.pubsub.runner.task.SourceTask` does."""

    async def run(self, ready: Callable[[], None]) -> None:
        """As `Task.run`."""
        ...

    async def stop(self) -> None:
        """As `Task.stop`."""
        ...


class TopicGroup:
    """Runs several mirrors as one task; a `Task`."""

    def __init__(self, members: Sequence[Mirror]) -> None:
        """One member per topic."""
        self.members = tuple(members)

    async def run(self, ready: Callable[[], None]) -> None:
        """As `Task.run`. `ready` is called when every topic is ready. Of several failures the first is raised."""
        serving: set[int] = set()

        def serves(number: int) -> None:
            serving.add(number)
            if len(serving) == len(self.members):
                ready()

        running = [
            asyncio.create_task(member.run(lambda number=number: serves(number)))  # type: ignore[misc]  # a bound default
            for number, member in enumerate(self.members)
        ]
        try:
            done, others = await asyncio.wait(running, return_when=asyncio.FIRST_EXCEPTION)
            failed = [run for run in running if run in done and run.exception() is not None]
            if others:
                await self.stop()
                await asyncio.wait(others)
            for run in [*failed, *running]:
                run.result()
        finally:
            for run in running:
                run.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def stop(self) -> None:
        """As `Task.stop`."""
        await asyncio.gather(*(member.stop() for member in self.members))


def grouped(topics: Sequence[T], most: int) -> list[list[T]]:
    """At most `most` groups of neighbours, their sizes at most one apart, as Kafka Connect spreads partitions."""
    count = min(len(topics), most)
    size, larger = divmod(len(topics), count)
    ends = [number * size + min(number, larger) for number in range(count + 1)]
    return [list(topics[start:end]) for start, end in itertools.pairwise(ends)]
