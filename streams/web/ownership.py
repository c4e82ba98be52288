"""Which worker answers for a key, and asking it."""

import asyncio
from dataclasses import dataclass
from typing import Any

from aiohttp import ClientError, ClientTimeout
from yarl import URL

from streams.runtime.app import ExactlyOnceApp
from streams.runtime.consumer import partition_of
from streams.web.foreign import Request

PEER_TIMEOUT = ClientTimeout(total=5)


@dataclass(frozen=True, slots=True)
class PeerAnswer:
    """What another worker answered: HTTP status and decoded JSON."""

    status: int
    body: Any


class Ownership:
    """Which worker owns which partition, as Faust's assignor distributed them, and whether this worker is ready."""

    def __init__(self, app: ExactlyOnceApp, changelog_topic: str) -> None:
        """Whoever reads a partition of `changelog_topic` owns the keys of that partition number."""
        self._app = app
        self._changelog_topic = changelog_topic

    def is_ready(self) -> bool:
        """False while joining, rebalancing or recovering: state may be half restored then."""
        app = self._app
        recovery = app.tables.recovery
        return bool(recovery.completed.is_set() and not (app.rebalancing or recovery.in_recovery))

    def progress(self) -> dict[str, Any]:
        """Whether this worker is ready, which partitions it owns, and how many changelog records are left to read."""
        recovery = self._app.tables.recovery
        return {
            "ready": self.is_ready(),
            "partitions": sorted(partition.number for partition in self._app.partitions),
            "changelog_records_remaining": max(0, recovery.active_remaining_total()) if recovery.in_recovery else 0,
        }

    def partition_of(self, conversation_id: str) -> int:
        """The partition number of a conversation."""
        return partition_of(conversation_id.encode(), self._app.conf.topic_partitions)

    async def answer_of_owner(self, conversation_id: str, request: Request) -> PeerAnswer | None:
        """The owning worker's answer to the same request; None when this worker owns the conversation.

        A request with the parameter `local` is for this worker only. An owner that cannot be reached is a 503, and so
        is a conversation that this worker was asked about as its owner and has lost: it cannot know that there is none.
        """
        partition = self.partition_of(conversation_id)
        if self._app.partitions.get(partition) is not None:
            return None
        if "local" in request.query:
            return PeerAnswer(503, {"error": f"partition {partition} is not on this worker; try again"})
        for url, topics in self._app.assignor.tables_metadata().items():
            if partition in topics.get(self._changelog_topic, ()):
                return await self._ask(str(url), request)
        return PeerAnswer(503, {"error": f"partition {partition} has no owner at this moment; try again"})

    async def answers_of_peers(self, request: Request) -> list[dict[str, Any]]:
        """What all other workers answered for their own partitions; those that did not answer 200 are left out."""
        own = str(self._app.conf.canonical_url).rstrip("/")
        urls = {str(url).rstrip("/") for url in self._app.assignor.tables_metadata()}
        answers = await asyncio.gather(*(self._ask(url, request) for url in sorted(urls - {own})))
        return [answer.body for answer in answers if answer.status == 200]

    def numbers(self, peers: list[dict[str, Any]]) -> list[int]:
        """The partition numbers that an answer covers: this worker's own, and those of the `peers` that answered."""
        covered = {partition.number for partition in self._app.partitions}
        return sorted(covered.union(*(peer["partitions"] for peer in peers)))

    async def _ask(self, url: str, request: Request) -> PeerAnswer:
        """Pass the request on as it was sent: a path that is decoded and encoded again can name somebody else."""
        query = "&".join(filter(None, (request.rel_url.raw_query_string, "local=1")))
        target = URL(f"{url.rstrip('/')}{request.rel_url.raw_path}?{query}", encoded=True)
        try:
            async with self._app.http_client.get(target, timeout=PEER_TIMEOUT, allow_redirects=False) as response:
                return PeerAnswer(response.status, await response.json())
        except (ClientError, TimeoutError, ValueError) as error:  # ValueError: no JSON
            return PeerAnswer(503, {"error": f"asking the owning worker at {url}: {error!r}; try again"})
