"""Schemas by their id: fetched once, however many wait for one, and kept, because a schema never changes.

A failed fetch is not kept, so that the next caller tries again. Only when the protocol gave the schema up, that is kept
for a minute: a burst of events with an unknown schema must not become a burst of calls, and a schema that appears later
must be found.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Final

from connectors.pubsub.converters.payload import WriterSchema

_MAX_SCHEMAS: Final = 1000  # an org has tens; evolving ones leave old ids behind
_REFUSED_FOR_S: Final = 60.0


class SchemaCache:
    """Schema id -> schema. Belongs to one event loop."""

    def __init__(self, fetch: Callable[[str], Awaitable[WriterSchema]]) -> None:
        """`fetch` gets the schema of an id, ready to be used."""
        self._fetch = fetch
        self._schemas: OrderedDict[str, WriterSchema] = OrderedDict()
        self._fetching: dict[str, asyncio.Task[WriterSchema]] = {}
        self._refused: dict[str, tuple[float, str]] = {}

    def known(self, schema_id: str) -> WriterSchema | None:
        """The schema if it is here, else None. Does not wait."""
        return self._schemas.get(schema_id)

    async def get(self, schema_id: str) -> WriterSchema:
        """The schema, fetched when it is not here. Raises what `fetch` raises."""
        found = self._schemas.get(schema_id)
        if found is not None:
            return found
        fetching = self._fetching.get(schema_id)
        if fetching is None:
            fetching = self._fetching[schema_id] = asyncio.create_task(self._load(schema_id))
            fetching.add_done_callback(lambda _: self._fetching.pop(schema_id, None))
        return await asyncio.shield(fetching)

    def refuse(self, schema_id: str, reason: str, now_s: float) -> None:
        """The schema was given up: for a minute `refusal` gives the reason."""
        self._refused = {id_: kept for id_, kept in self._refused.items() if kept[0] > now_s}
        self._refused[schema_id] = (now_s + _REFUSED_FOR_S, reason)

    def refusal(self, schema_id: str, now_s: float) -> str | None:
        """Why the schema was given up in the last minute, or None."""
        until_s, reason = self._refused.get(schema_id, (0.0, ""))
        return reason if until_s > now_s else None

    async def _load(self, schema_id: str) -> WriterSchema:
        schema = self._schemas[schema_id] = await self._fetch(schema_id)
        while len(self._schemas) > _MAX_SCHEMAS:
            self._schemas.popitem(last=False)
        return schema
