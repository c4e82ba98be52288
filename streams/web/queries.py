"""Routes and status codes of the query API."""

from collections.abc import Callable

from schemas.topics import Topics
from streams.core.conversation.receipts import delivery_status
from streams.core.model.rules import Rules
from streams.core.model.step import CONVERSATIONS
from streams.metrics import Metrics
from streams.runtime.app import ExactlyOnceApp
from streams.state.tables import Tables
from streams.web import views
from streams.web.foreign import Page, Request, Response
from streams.web.listing import MAX_WAITING, ListQuery, RequestLists, TooManyLists, UnreadableQuery, merged
from streams.web.ownership import Ownership
from streams.web.paths import UnreadablePath, ids_in

RECOVERING = 503


def add_queries(app: ExactlyOnceApp, tables: Tables, topics: Topics, metrics: Metrics, rules: Rules) -> None:
    """Add `/v1/conversations/{id}`, `…/deliveries/{id}`, `/v1/routing/requests`, `/live`, `/ready` and `/metrics`.

    While the worker joins, rebalances or recovers, state answers are 503 with progress, never a guess.
    """
    ownership = Ownership(app, topics.changelog(CONVERSATIONS))
    lists = RequestLists(tables.routing_requests, rules)

    _add_conversations(app, tables, ownership, rules)

    @app.page("/v1/routing/requests")  # type: ignore[untyped-decorator]
    async def routing_requests(self: Page, request: Request) -> Response:
        if not ownership.is_ready():
            return self.json(ownership.progress(), status=RECOVERING)
        try:
            query = ListQuery.of(request.query)
            own = await lists.page(query)
        except UnreadableQuery as error:
            return self.json({"error": str(error)}, status=400)
        except TooManyLists:
            busy = {"error": f"{MAX_WAITING} lists wait already; try again"}
            return self.json(busy, status=503, headers={"Retry-After": "1"})
        peers = [] if "local" in request.query else await ownership.answers_of_peers(request)
        page = merged(query, own, peers)
        return self.json({**page.answer(), "partitions": ownership.numbers(peers)})

    @app.page("/live")  # type: ignore[untyped-decorator]
    async def live(self: Page, request: Request) -> Response:  # noqa: ARG001
        return self.json({"live": True})

    @app.page("/ready")  # type: ignore[untyped-decorator]
    async def ready(self: Page, request: Request) -> Response:  # noqa: ARG001
        return self.json(ownership.progress(), status=200 if ownership.is_ready() else RECOVERING)

    @app.page("/metrics")  # type: ignore[untyped-decorator]
    async def exposition(self: Page, request: Request) -> Response:  # noqa: ARG001
        return self.bytes(metrics.exposition(), content_type="text/plain")


def _add_conversations(app: ExactlyOnceApp, tables: Tables, ownership: Ownership, rules: Rules) -> None:
    async def answered(page: Page, request: Request, answer: Callable[..., tuple[int, object]]) -> Response:
        """`answer` of the ids in the path; or why there is none, or what the worker says that owns the conversation."""
        if not ownership.is_ready():
            return page.json(ownership.progress(), status=RECOVERING)
        try:
            ids = ids_in(request.rel_url.raw_path)
        except UnreadablePath as error:
            return page.json({"error": str(error)}, status=error.status)
        elsewhere = await ownership.answer_of_owner(ids[0], request)
        if elsewhere is not None:
            return page.json(elsewhere.body, status=elsewhere.status)
        status, body = answer(*ids)
        return page.json(body, status=status)

    def shown_conversation(conversation_id: str) -> tuple[int, object]:
        state = tables.partition(ownership.partition_of(conversation_id))
        found = state.conversation(conversation_id)
        if found is None:
            return 404, {"error": f"no conversation {conversation_id}"}
        requests = [state.request(conversation_id, request_id) for request_id in found.open_request_ids]
        shown = views.conversation(found)
        shown["open_requests"] = [views.routing_request(value, rules) for value in requests if value is not None]
        return 200, shown

    def shown_delivery(conversation_id: str, delivery_id: str) -> tuple[int, object]:
        state = tables.partition(ownership.partition_of(conversation_id))
        status = delivery_status(state, conversation_id, delivery_id)
        return 200, {"conversation_id": conversation_id, "delivery_id": delivery_id, "status": status}

    # Without an expression the router takes no braces. What it decoded is not used: see `streams.web.paths`.
    @app.page("/v1/conversations/{conversation_id:[^/]+}")  # type: ignore[untyped-decorator]  # faust has no types
    async def conversation(self: Page, request: Request, conversation_id: str) -> Response:  # noqa: ARG001
        return await answered(self, request, shown_conversation)

    @app.page("/v1/conversations/{conversation_id:[^/]+}/deliveries/{delivery_id:[^/]+}")  # type: ignore[untyped-decorator]
    async def delivery(self: Page, request: Request, conversation_id: str, delivery_id: str) -> Response:  # noqa: ARG001
        return await answered(self, request, shown_delivery)
