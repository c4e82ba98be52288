"""Each path names one id, or none: asked over HTTP, whatever characters an id has."""

from aiohttp import web
from aiohttp.test_utils import TestServer
from msgspec.structs import replace
from yarl import URL

from streams.core.model.step import Step
from tests.support.domain import RULES, Partition, message
from tests.support.ids import IDS, UNREADABLE, path_of
from tests.support.query_server import QueryServer, query_server


async def ask(served: QueryServer, raw_path: str) -> tuple[int, object]:
    async with served.session.get(URL(served.url(raw_path), encoded=True)) as response:
        return response.status, await response.json()


def write_all(served: QueryServer) -> None:
    """Put a conversation of each id into its tables."""
    partition = Partition()
    partition.read(message())
    for each in IDS:
        served.write(each, Step(conversation=replace(partition.conversation, conversation_id=each)))


async def test_every_id_is_asked_by_its_path_and_every_spelling_of_it() -> None:
    async with query_server(RULES) as served:
        write_all(served)
        for each in IDS:
            everything = "".join(f"%{byte:02x}" for byte in each.encode())
            for path in (path_of(each), f"/v1/conversations/{everything}"):
                status, shown = await ask(served, path)
                assert (status, shown["conversation_id"]) == (200, each)
            status, shown = await ask(served, f"{path_of(each)}/deliveries/{everything}")
            assert (status, shown["conversation_id"], shown["delivery_id"]) == (200, each, each)


async def test_a_path_that_names_no_id_is_no_answer_about_another() -> None:
    async with query_server(RULES) as served:
        for raw, expected in UNREADABLE:
            status, shown = await ask(served, f"/v1/conversations/{raw}")
            assert (status, list(shown)) == (expected, ["error"])
            status, shown = await ask(served, f"/v1/conversations/c1/deliveries/{raw}")
            assert (status, list(shown)) == (expected, ["error"])


async def test_who_is_asked_as_the_owner_and_is_not_does_not_say_that_there_is_none() -> None:
    async with query_server(RULES) as served:
        await served.lose_all()
        status, shown = await ask(served, "/v1/conversations/c1?local=1")
        assert (status, list(shown)) == (503, ["error"])


async def test_the_owner_is_asked_by_the_path_as_it_was_sent() -> None:
    async with query_server(RULES) as owner, query_server(RULES) as served:
        write_all(owner)
        await served.hand_over_to(owner.url(""))
        for each in IDS:
            everything = "".join(f"%{byte:02x}" for byte in each.encode())
            for path in (path_of(each), f"/v1/conversations/{everything}?x=%2B"):
                status, shown = await ask(served, path)
                assert (status, shown["conversation_id"]) == (200, each)


async def test_an_owner_that_sends_elsewhere_has_not_answered() -> None:
    async with query_server(RULES) as owner, query_server(RULES) as served:
        write_all(owner)

        async def elsewhere(request: web.Request) -> web.StreamResponse:
            raise web.HTTPFound(owner.url(request.raw_path))

        application = web.Application()
        application.router.add_get("/{path:.*}", elsewhere)
        async with TestServer(application) as other:
            await served.hand_over_to(str(other.make_url("")))
            status, shown = await ask(served, path_of("c1"))
        assert (status, list(shown)) == (503, ["error"])
