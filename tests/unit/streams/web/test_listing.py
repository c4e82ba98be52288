"""Lists of routing requests: every request once, page by page, at a cost that does not grow with their number."""

import asyncio
import gc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec.structs import replace

from streams.core.model.state import RoutingRequest
from streams.core.model.step import Step
from streams.state.cached import MAX_RECENT
from streams.web import listing
from streams.web.listing import (
    MAX_WAITING,
    MOST_BYTES,
    ListPage,
    ListQuery,
    RequestLists,
    TooManyLists,
    UnreadableQuery,
    merged,
)
from tests.support.domain import RULES, T0, Partition, requested
from tests.support.query_server import QueryServer, query_server

MANY = 50_000
CLIENTS = 8
LARGE = 500
ALLOWED_GROWTH_MB = 100
PAGE = 1024 * 1024


def a_request() -> RoutingRequest:
    """One as the core leaves it."""
    partition = Partition()
    partition.read(requested("r1"))
    return partition.request("r1")


TEMPLATE = a_request()


def request(number: int, *, conversation_id: str | None = None, at: int = 0) -> RoutingRequest:
    assert TEMPLATE.facts is not None
    facts = replace(TEMPLATE.facts, created_at_ms=T0 + at)
    return replace(
        TEMPLATE, conversation_id=conversation_id or f"conversation-{number}", request_id=f"r{number}", facts=facts
    )


async def walk(lists: list[RequestLists], limit: int) -> list[tuple[str, str]]:
    """Ask from cursor to cursor, as a client does; the first of `lists` is asked, the others are its peers."""
    found: list[tuple[str, str]] = []
    parameters = {"limit": str(limit)}
    while True:
        query = ListQuery.of(parameters)
        own, *peers = [await each.page(query) for each in lists]
        answer = merged(query, own, [json_of(peer.answer()) for peer in peers]).answer()
        assert len(answer["requests"]) <= limit
        found += [(each["conversation_id"], each["request_id"]) for each in answer["requests"]]
        if "next" not in answer:
            return found
        parameters["after"] = answer["next"]


def json_of(value: object) -> Any:
    return msgspec.json.decode(msgspec.json.encode(value))


@given(
    owners=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3), st.sampled_from((1, 300, 2_000))), max_size=30),
    limit=st.integers(1, 7),
    most_bytes=st.sampled_from((MOST_BYTES, 3_000, 2_000, 1)),
)
@example(owners=[(0, 0, 1), (0, 0, 2_000), (0, 0, 1)], limit=7, most_bytes=2_000)  # the large one gives way
def test_a_walk_over_all_pages_meets_every_request_once(
    owners: list[tuple[int, int, int]], limit: int, most_bytes: int
) -> None:
    """However the requests lie on three workers, however many have one time, and however large they are."""
    values = [
        (owner, request(number, conversation_id=f"c{number}".ljust(size, "-"), at=at))
        for number, (owner, at, size) in enumerate(owners)
    ]
    lists = [
        RequestLists(lambda worker=worker: [value for owner, value in values if owner == worker], RULES)
        for worker in range(3)
    ]
    expected = sorted((value for _, value in values), key=lambda each: (each.facts.created_at_ms, each.request_id))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(listing, "MOST_BYTES", most_bytes)
        found = asyncio.run(walk(lists, limit))
    assert found == [(each.conversation_id, each.request_id) for each in expected]


@pytest.mark.parametrize(
    ("parameters", "word"),
    [
        *(({"limit": value}, "limit=") for value in ("0", "-1", "1001", "x", "", "1e2", "\u0661", "9" * 5_000)),
        *(({"after": value}, "after=") for value in ("", "x", "é", "bnVsbA", "WzEsMl0", "W10", "_" * 5_000)),
        ({"state": "done"}, "state=done"),
    ],
)
def test_what_cannot_be_asked_is_named(parameters: dict[str, str], word: str) -> None:
    with pytest.raises(UnreadableQuery, match=word):
        ListQuery.of(parameters)


async def test_lists_beyond_the_waiting_room_are_told_to_come_back() -> None:
    lists = RequestLists(lambda: map(request, range(1_000)), RULES)
    tasks = [asyncio.create_task(lists.page(ListQuery.of({}))) for _ in range(2 * MAX_WAITING)]
    ended = await asyncio.gather(*tasks, return_exceptions=True)
    refused = [each for each in ended if isinstance(each, TooManyLists)]
    assert 0 < len(refused) < len(tasks)
    assert len(refused) + sum(isinstance(each, ListPage) for each in ended) == len(tasks)
    assert len((await lists.page(ListQuery.of({}))).requests) == 100  # the room is free again


async def test_state_may_change_while_a_list_is_made() -> None:
    async with query_server(RULES) as served:
        put(served, range(2_000))

        async def change() -> None:
            for number in range(2_000, 4_000):
                put(served, [number])
                await asyncio.sleep(0)

        changing = asyncio.create_task(change())
        for _ in range(3):
            answer = await get(served, "/v1/routing/requests?limit=1000")
            assert len(answer["requests"]) == 1_000
        await changing


async def test_eight_clients_that_list_fifty_thousand_requests_cost_little_memory() -> None:
    async with query_server(RULES) as served:
        put(served, range(MANY))
        await get(served, "/v1/routing/requests")
        gc.collect()
        before = rss_mb()
        highest = before

        async def ask() -> None:
            nonlocal highest
            answer = await get(served, "/v1/routing/requests")
            assert (len(answer["requests"]), "next" in answer) == (100, True)
            answer = await get(served, f"/v1/routing/requests?state=open&limit=1000&after={answer['next']}")
            assert (len(answer["requests"]), answer["partitions"]) == (1_000, [0, 1, 2, 3])
            highest = max(highest, rss_mb())

        await asyncio.gather(*(ask() for _ in range(CLIENTS)))
    assert highest - before < ALLOWED_GROWTH_MB


async def test_a_page_is_bounded_in_bytes_and_has_one_request_at_least(monkeypatch: pytest.MonkeyPatch) -> None:
    values = [request(number, conversation_id="c" * 1_000, at=number) for number in range(10)]
    lists = RequestLists(lambda: reversed(values), RULES)
    for most_bytes, least, most in ((1, 1, 1), (6_000, 2, 5), (MOST_BYTES, 10, 10)):
        monkeypatch.setattr(listing, "MOST_BYTES", most_bytes)
        page = await lists.page(ListQuery.of({}))
        assert least <= len(page.requests) <= most
        assert page.has_more is (len(page.requests) < 10)


async def test_eight_clients_that_list_the_largest_requests_cost_little_memory() -> None:
    """Each has a quarter of a megabyte that nobody sees: a list of 500 would hold 130 MB while it is made."""
    assert TEMPLATE.facts is not None
    async with query_server(RULES) as served:
        for number in range(LARGE):
            facts = replace(TEMPLATE.facts, created_at_ms=T0 - 1 - number, channel_data="\U0001f642" * 65_536)
            value = replace(TEMPLATE, conversation_id=f"c{number}", request_id=f"large{number}", facts=facts)
            served.write(value.conversation_id, Step(conversation=None, requests=[value]))
        put(served, range(4 * MAX_RECENT + 500))  # none of the large ones stays decoded
        await get(served, "/v1/routing/requests?limit=1")
        gc.collect()
        before = highest = rss_mb()

        async def ask() -> int:
            nonlocal highest
            found, path = set[str](), "/v1/routing/requests?limit=1000"
            while True:
                answer = await get(served, path)
                highest = max(highest, rss_mb())
                found |= {each["request_id"] for each in answer["requests"]}
                if not answer["requests"][-1]["request_id"].startswith("large"):
                    return sum(name.startswith("large") for name in found)
                path = f"/v1/routing/requests?limit=1000&after={answer['next']}"

        found = await asyncio.gather(*(ask() for _ in range(CLIENTS)))
    assert found == [LARGE] * CLIENTS
    assert highest - before < ALLOWED_GROWTH_MB


def put(served: QueryServer, numbers: Any) -> None:
    for number in numbers:
        value = request(number, at=number)
        served.write(value.conversation_id, Step(conversation=None, requests=[value]))


async def get(served: QueryServer, path: str) -> Any:
    async with served.session.get(served.url(path)) as response:
        assert response.status == 200, await response.text()
        return await response.json()


def rss_mb() -> float:
    pages: Iterator[str] = iter(Path("/proc/self/statm").read_text().split())
    next(pages)
    return int(next(pages)) * 4096 / PAGE
