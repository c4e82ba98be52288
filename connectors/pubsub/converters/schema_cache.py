"""Schemas by their id: immutable, so kept for as long as they are used; asked for once however many wait.

Only fetched schemas are kept. A failure is kept only when the subscription gave the schema up, and only for a minute:
a burst of events with an unknown schema must not become a burst of calls, and a schema that appears later must be seen.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Final

from connectors.pubsub.converters.payload import WriterSchema

_MAX_SCHEMAS: Final = 1000  # an org has tens; evolving ones leave old ids behind
_REFUSED_FOR_S: Final = 60.0


class SchemaCache:
    """Schema id -> schema. `fetch` gets the schema of an id, ready to be used. Belongs to one event loop."""

    def __init__(self, fetch: Callable[[str], Awaitable[WriterSchema]]) -> None:
        self._fetch = fetch
        self._schemas: OrderedDict[str, WriterSchema] = OrderedDict()
        self._fetching: dict[str, asyncio.Task[WriterSchema]] = {}
        self._refused: dict[str, tuple[float, str]] = {}

    def known(self, schema_id: str) -> WriterSchema | None:
        """The schema, when it is here. Does not wait: this is the path of every event."""
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
        """The schema was given up: `refusal` answers for it for a minute."""
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
