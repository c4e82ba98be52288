"""One simulated org mirrored into one Kafka: what a test does to it, and the verdict at the end."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from byoc.errors import BrokerError
from byoc.kafka.read import Message
from connectors.pubsub.runner.offset_value import replay_id_of
from connectors.pubsub.runner.task import SourceTask
from schemas.topics import Topics
from simulator.faults.fault_book import Order
from simulator.org.ledger import LedgerEntry
from tests.support.kafka import TestBroker
from tests.support.simulator import RunningSimulator
from tests.support.sinks import eventually, running
from tests.support.source import source_task, stored_positions

PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a `read_committed` reader says about the events that were published.

    `behind`: visible records past the stored position; a restart would repeat them. `beyond`: the stored position is
    past the last visible record, as only a keepalive may put it.
    """

    published: int
    lost: int
    duplicated: int
    reordered: int
    behind: int
    beyond: bool

    @property
    def is_exactly_once(self) -> bool:
        """Each event once, in order per conversation, none behind the position."""
        return self.published > 0 and not (self.lost or self.duplicated or self.reordered or self.behind)


class Mirror:
    """A simulator and the topics that a source task mirrors it into."""

    def __init__(self, kafka: TestBroker, topics: Topics, sim: RunningSimulator) -> None:
        self.kafka = kafka
        self.topics = topics
        self.sim = sim
        self._run: asyncio.Task[None] | None = None

    def publish(self, count: int, *, conversations: int = 5, text: str = "hello") -> list[LedgerEntry]:
        """Publish messages, conversations taken in turn."""
        start = len(self.sim.org.ledger)
        return [
            self.sim.publish_message(f"c{number % conversations}", f"{text} {number}")
            for number in range(start, start + count)
        ]

    def order(self, fault: Any) -> Order:
        """Let something go wrong, as `POST /v1/faults` does."""
        return self.sim.org.order(fault)

    def task(self, **keys: str) -> SourceTask:
        """A task of the source connector; `keys` as in `source_config`."""
        return source_task(self.kafka.bootstrap_servers, self.topics, self.sim, **keys)

    @asynccontextmanager
    async def mirroring(self, **keys: str) -> AsyncIterator[SourceTask]:
        """A task that runs for the length of the block; waiting for what it mirrors raises what it raises."""
        task = self.task(**keys)
        async with running(task) as run:
            self._run = run
            yield task
        self._run = None

    @asynccontextmanager
    async def trickle(self, per_s: float = 200) -> AsyncIterator[None]:
        """Events are published all the time in the block."""

        async def publish() -> None:
            while True:
                self.publish(2)
                await asyncio.sleep(2 / per_s)

        publishing = asyncio.create_task(publish())
        try:
            yield
        finally:
            publishing.cancel()
            await asyncio.gather(publishing, return_exceptions=True)

    def opened(self, rpc: str = "Subscribe") -> int:
        """How many calls of this kind there were."""
        return self.sim.org.calls.opened.get(rpc, 0)

    def published(self) -> list[LedgerEntry]:
        """What the ledger says of the topic, in replay order."""
        ledger = self.sim.org.ledger
        return [entry for entry in ledger.page(0, len(ledger)) if entry.topic == self.sim.topic]

    async def caught_up(self, *, patience_s: float = PATIENCE_S) -> None:
        """Wait until as many records are visible as events were published, dead letters included."""

        def all_visible() -> bool:
            self._check_run()
            try:
                ends = [self.kafka.end_offsets(topic) for topic in (self.topics.events, self.topics.dead_letters)]
                wanted = len(self.published())
                return sum(sum(end.values()) for end in ends) >= wanted and len(self.visible()) >= wanted
            except BrokerError:  # it is coming back
                return False

        await eventually(all_visible, "every published event", patience_s=patience_s)

    async def visible_events(self, count: int) -> None:
        """Wait until so many events are visible."""

        def enough() -> bool:
            self._check_run()
            return len(self.visible()) >= count

        await eventually(enough, f"{count} visible events", patience_s=PATIENCE_S)

    def _check_run(self) -> None:
        if self._run is not None and self._run.done():
            self._run.result()

    def visible(self) -> list[Message]:
        """Every visible event and every dead letter of an event."""
        letters = self.kafka.read_committed(self.topics.dead_letters)
        return self.kafka.read_committed(self.topics.events) + [
            letter for letter in letters if "sf.event_uuid" in dict(letter.headers)
        ]

    def dead_letters(self) -> list[str]:
        """Event UUIDs of the dead letters."""
        letters = self.kafka.read_committed(self.topics.dead_letters)
        return [(dict(letter.headers).get("sf.event_uuid") or b"").decode() for letter in letters]

    def position(self) -> bytes | None:
        """The stored replay id."""
        positions = stored_positions(self.kafka, self.topics)
        return replay_id_of(positions[-1], self.sim.topic) if positions else None

    def verdict(self, *, without: int = 0) -> Verdict:
        """Compare the ledger, without its first `without` events, with what is visible and with the position."""
        published = [(entry.event_uuid, entry.replay_id) for entry in self.published()[without:]]
        visible = self.visible()
        seen = Counter(identity_of(message) for message in visible)
        position = self.position() or b""
        last = max((replay_id for _, replay_id in seen), default=b"")
        return Verdict(
            published=len(published),
            lost=len(set(published) - set(seen)),
            duplicated=sum(seen.values()) - len(seen),
            reordered=reordered(visible),
            behind=sum(replay_id > position for _, replay_id in seen),
            beyond=position > last,
        )

    def verify(self, *, keepalives: bool = False, without: int = 0) -> None:
        """Fail unless nothing is lost, doubled or reordered, and the position is that of the last visible record.

        `keepalives`: the position may be past it.
        """
        verdict = self.verdict(without=without)
        assert verdict.is_exactly_once, verdict
        assert keepalives or not verdict.beyond, verdict


def identity_of(message: Message) -> tuple[str, bytes]:
    """Event UUID and replay id: Salesforce may deliver one event twice, with two replay ids."""
    headers = dict(message.headers)
    return (headers.get("sf.event_uuid") or b"").decode(), headers.get("sf.replay_id") or b""


def reordered(messages: list[Message]) -> int:
    """How many records of a key stand behind one with a later replay id."""
    replay_ids: dict[tuple[str, bytes | None], list[bytes]] = defaultdict(list)
    for message in messages:  # in order per partition
        replay_ids[message.topic, message.key].append(identity_of(message)[1])
    return sum(later < earlier for ids in replay_ids.values() for earlier, later in pairwise(ids))
