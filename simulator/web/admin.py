"""The simulator's own calls under `/v1`: what was published, what is open, starting a scenario, tokens and time."""

from aiohttp import web

from simulator.org.org import Org
from simulator.scenario.options import ScenarioOptions
from simulator.scenario.runner import Progress, ScenarioRunner, ScenarioRunningError
from simulator.web import admin_messages as messages
from simulator.web.admin_changes import AdminChanges
from simulator.web.admin_faults import AdminFaults
from simulator.web.admin_managed import AdminManaged
from simulator.web.admin_topics import AdminTopics
from simulator.web.endpoint import Asked, Endpoint, RefusedError, openapi, route
from simulator.web.json_replies import json_reply
from simulator.web.refusals import org_errors

OPENAPI_PATH = "/openapi.json"


class Admin:
    """The handlers. Wrong input is answered with 4xx and `{code, message}`."""

    def __init__(self, org: Org, scenarios: ScenarioRunner) -> None:
        """`scenarios` starts the plays."""
        self._org = org
        self._scenarios = scenarios

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of every call, and of `/openapi.json`, which describes them."""
        rows = self.endpoints()
        document = openapi(rows, title="byoc simulate", version="1")

        async def described(_request: web.Request) -> web.Response:
            return json_reply(document)

        return [*map(route, rows), web.get(OPENAPI_PATH, described)]

    def endpoints(self) -> list[Endpoint]:
        """Every call under `/v1`, and `/live`."""
        return [
            *self._own(),
            *self._levers(),
            *AdminTopics(self._org).endpoints(),
            *AdminChanges(self._org).endpoints(),
            *AdminFaults(self._org).endpoints(),
            *AdminManaged(self._org).endpoints(),
        ]

    def _own(self) -> list[Endpoint]:
        return [
            Endpoint(method="GET", path="/live", summary="Is it up", answer=self._live, reply=messages.Live),
            Endpoint(
                method="GET",
                path="/v1/ledger",
                summary="What was published, in replay order",
                answer=self._ledger,
                query=messages.Page,
                reply=messages.LedgerPage,
            ),
            Endpoint(
                method="GET",
                path="/v1/routing",
                summary="Every routing request, its answers and its end",
                answer=self._routing,
                reply=messages.RoutingReply,
            ),
            Endpoint(
                method="GET",
                path="/v1/agent-work",
                summary="Work that was offered to reps",
                answer=self._agent_work,
                reply=messages.WorkReply,
            ),
            Endpoint(
                method="GET",
                path="/v1/stats",
                summary="Counts, open calls and allocations",
                answer=self._stats,
                reply=messages.Stats,
            ),
            Endpoint(
                method="GET",
                path="/v1/scenario",
                summary="How far the newest play is",
                answer=self._scenario,
                reply=Progress,
            ),
            Endpoint(
                method="POST",
                path="/v1/scenario",
                summary="Start a play",
                answer=self._start_scenario,
                body=ScenarioOptions,
                reply=Progress,
                status=202,
            ),
        ]

    def _levers(self) -> list[Endpoint]:
        return [
            Endpoint(
                method="POST",
                path="/v1/tokens/revoke",
                summary="Revoke a token, or all",
                answer=self._revoke,
                body=messages.RevokeBody,
                reply=messages.RevokeReply,
            ),
            Endpoint(
                method="GET",
                path="/v1/clock",
                summary="The simulator's time",
                answer=self._clock,
                reply=messages.ClockReply,
            ),
            Endpoint(
                method="POST",
                path="/v1/clock/advance",
                summary="Let time pass at once",
                answer=self._advance,
                body=messages.AdvanceBody,
                reply=messages.ClockReply,
            ),
        ]

    async def _live(self, _asked: Asked) -> messages.Live:
        return messages.Live(status="up")

    async def _ledger(self, asked: Asked) -> messages.LedgerPage:
        after: int = asked.query.after
        page = self._org.ledger.page(after, asked.query.limit)
        return messages.LedgerPage(
            events=page,
            next=page[-1].index if page else after,
            finished=self._scenarios.finished and after + len(page) >= len(self._org.ledger),
        )

    async def _routing(self, _asked: Asked) -> messages.RoutingReply:
        return messages.RoutingReply(requests=self._org.desk.requests())

    async def _agent_work(self, _asked: Asked) -> messages.WorkReply:
        return messages.WorkReply(works=self._org.service.works())

    async def _stats(self, _asked: Asked) -> messages.Stats:
        org = self._org
        now_ms = org.clock.now_ms()
        return messages.Stats(
            published=len(org.ledger),
            by_expectation=org.ledger.counts(),
            routing=org.desk.counts(),
            rejected_answers=org.desk.rejected_answers,
            service_calls=dict(org.service.calls),
            service_rejections={str(code): count for code, count in org.service.rejected.items()},
            tokens_issued=org.tokens.issued,
            topics=org.log.topics,
            calls_opened=org.calls.opened,
            open_calls=org.calls.shown(),
            delivered=org.calls.delivered,
            delivery_allocation=messages.AllocationReply(used=org.deliveries.used(now_ms), limit=org.deliveries.limit),
            publish_allocation=messages.AllocationReply(used=org.publishes.used(now_ms), limit=org.publishes.limit),
        )

    async def _scenario(self, _asked: Asked) -> Progress:
        return self._scenarios.progress()

    async def _start_scenario(self, asked: Asked) -> Progress:
        with org_errors(self._org):
            try:
                self._scenarios.start(asked.body)
            except ScenarioRunningError as error:
                raise RefusedError(409, str(error)) from error
        return self._scenarios.progress()

    async def _revoke(self, asked: Asked) -> messages.RevokeReply:
        return messages.RevokeReply(revoked=self._org.tokens.revoke(asked.body.token))

    async def _clock(self, _asked: Asked) -> messages.ClockReply:
        clock = self._org.clock
        return messages.ClockReply(now_ms=clock.now_ms(), advanced_ms=clock.advanced_ms)

    async def _advance(self, asked: Asked) -> messages.ClockReply:
        self._org.clock.advance(round(asked.body.seconds * 1000))
        self._org.conclude_overdue_routing()
        self._org.log.purge(self._org.clock.now_ms())
        return await self._clock(asked)
