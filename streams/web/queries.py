"""Routes and status codes of the query API."""

from schemas.topics import Topics
from streams.core.conversation.receipts import delivery_status
from streams.core.model.rules import Rules
from streams.core.model.step import CONVERSATIONS
from streams.metrics import Metrics
from streams.runtime.app import ExactlyOnceApp
from streams.state.tables import Tables
from streams.web import views
from streams.web.foreign import Page, Request, Response
from streams.web.ownership import Ownership

RECOVERING = 503


def add_queries(app: ExactlyOnceApp, tables: Tables, topics: Topics, metrics: Metrics, rules: Rules) -> None:
    """Add `/v1/conversations/{id}`, `…/deliveries/{id}`, `/v1/routing/requests`, `/live`, `/ready` and `/metrics`.

    While the worker joins, rebalances or recovers, state answers are 503 with progress, never a guess.
    """
    ownership = Ownership(app, topics.changelog(CONVERSATIONS))

    _add_conversations(app, tables, ownership, rules)

    @app.page("/v1/routing/requests")  # type: ignore[untyped-decorator]
    async def routing_requests(self: Page, request: Request) -> Response:
        if not ownership.is_ready():
            return self.json(ownership.progress(), status=RECOVERING)
        state = request.query.get("state")
        if state not in (None, "open", "settled"):
            return self.json({"error": f"state={state} is unknown; use open or settled"}, status=400)
        found = [
            views.routing_request(value, rules)
            for value in tables.routing_requests()
            if value.facts is not None and (state is None or (value.outcome is None) == (state == "open"))
        ]
        found.sort(key=lambda value: value["facts"]["created_at_ms"])
        peers = [] if "local" in request.query else await ownership.answers_of_peers(request)
        for peer in peers:
            found += peer["requests"]
        return self.json({"requests": found, "partitions": ownership.numbers(peers)})

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
    @app.page("/v1/conversations/{conversation_id}")  # type: ignore[untyped-decorator]  # faust has no types
    async def conversation(self: Page, request: Request, conversation_id: str) -> Response:
        instead = await _answer_of_others(self, ownership, conversation_id, request)
        if instead is not None:
            return instead
        state = tables.partition(ownership.partition_of(conversation_id))
        found = state.conversation(conversation_id)
        if found is None:
            return self.json({"error": f"no conversation {conversation_id}"}, status=404)
        requests = [state.request(conversation_id, request_id) for request_id in found.open_request_ids]
        answer = views.conversation(found)
        answer["open_requests"] = [views.routing_request(value, rules) for value in requests if value is not None]
        return self.json(answer)

    @app.page("/v1/conversations/{conversation_id}/deliveries/{delivery_id}")  # type: ignore[untyped-decorator]
    async def delivery(self: Page, request: Request, conversation_id: str, delivery_id: str) -> Response:
        instead = await _answer_of_others(self, ownership, conversation_id, request)
        if instead is not None:
            return instead
        state = tables.partition(ownership.partition_of(conversation_id))
        status = delivery_status(state, conversation_id, delivery_id)
        return self.json({"conversation_id": conversation_id, "delivery_id": delivery_id, "status": status})


async def _answer_of_others(
    page: Page, ownership: Ownership, conversation_id: str, request: Request
) -> Response | None:
    """The 503 of a worker that is not ready, or the answer of the worker that owns the conversation.

    None when this worker is ready and owns it.
    """
    if not ownership.is_ready():
        return page.json(ownership.progress(), status=RECOVERING)
    elsewhere = await ownership.answer_of_owner(conversation_id, request)
    return None if elsewhere is None else page.json(elsewhere.body, status=elsewhere.status)
