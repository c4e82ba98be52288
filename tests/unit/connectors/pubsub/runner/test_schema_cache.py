"""Schemas are fetched once, whoever asks, and failures are not kept."""

import asyncio
import json

import pytest

from connectors.pubsub.converters.payload import PayloadError, writer_schema
from connectors.pubsub.runner.schema_cache import SchemaCache

SCHEMA = json.dumps({"type": "record", "name": "X__e", "fields": [{"name": "A__c", "type": "long"}]})


class Server:
    """Answers schema requests when it is told to."""

    def __init__(self, answer=SCHEMA):
        self.asked = []
        self.answer = answer
        self.gate = asyncio.Event()

    async def fetch(self, schema_id):
        self.asked.append(schema_id)
        await self.gate.wait()
        if isinstance(self.answer, Exception):
            raise self.answer
        return writer_schema(self.answer)


async def test_however_many_wait_one_request_is_made():
    server = Server()
    cache = SchemaCache(server.fetch)
    waiting = [asyncio.create_task(cache.get("s1")) for _ in range(20)]
    await asyncio.sleep(0)
    server.gate.set()
    readers = await asyncio.gather(*waiting)
    assert len(set(map(id, readers))) == 1
    assert cache.known("s1") is readers[0]
    assert await cache.get("s1") is readers[0]
    assert server.asked == ["s1"]


async def test_a_waiter_that_gives_up_does_not_take_the_fetch_from_the_others():
    server = Server()
    cache = SchemaCache(server.fetch)
    first, second = asyncio.create_task(cache.get("s1")), asyncio.create_task(cache.get("s1"))
    await asyncio.sleep(0)
    first.cancel()
    server.gate.set()
    assert (await second).read(b"\x02") == {"A__c": 1}


async def test_a_failed_fetch_is_raised_and_asked_for_again():
    server = Server(OSError("away"))
    server.gate.set()
    cache = SchemaCache(server.fetch)
    with pytest.raises(OSError, match="away"):
        await cache.get("s1")
    assert cache.known("s1") is None
    server.answer = SCHEMA
    assert await cache.get("s1")
    assert server.asked == ["s1", "s1"]


async def test_a_schema_that_is_damaged_is_not_kept():
    server = Server("{}")
    server.gate.set()
    cache = SchemaCache(server.fetch)
    with pytest.raises(PayloadError):
        await cache.get("s1")
    assert cache.known("s1") is None


def test_a_schema_that_was_given_up_is_refused_for_a_minute():
    cache = SchemaCache(Server().fetch)
    cache.refuse("s1", "no such schema", now_s=100.0)
    assert cache.refusal("s1", now_s=159.9) == "no such schema"
    assert cache.refusal("s1", now_s=160.0) is None
    assert cache.refusal("s2", now_s=100.0) is None
