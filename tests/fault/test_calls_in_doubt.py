"""The Interaction sink is killed (-9) while nobody knows whether a call was made, and the rep asks again.

Salesforce is the simulator's routing desk, which takes an answer for the oldest open request of a conversation. A gate
before it kills the sink at the chosen moment. `--kills 200` for a long run; four sinks, with topics of their own, are
killed beside each other, because Kafka gives the partitions of a killed task on after 6 s.
"""

import asyncio
import contextlib
import itertools
import json
import random
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from byoc.partner.serving import serving
from connectors import clock
from connectors.sinks.interaction.doubt import GRACE_MS
from schemas.codec import encode
from schemas.records import CallOutcome, OutboundEvent, SalesforceCall
from schemas.topics import Topics
from simulator.events import entries
from simulator.service.routing_desk import Conclusion, RoutingRequest
from tests.support.kafka import TestBroker, Unique
from tests.support.simulator import CHANNEL_ADDRESS_ID, END_USER_SUBJECT, RunningSimulator, running_simulator
from tests.support.sinks import eventually, produce_calls, results

pytestmark = [pytest.mark.broker, pytest.mark.slow, pytest.mark.timeout(1_800)]

LANES = 4
ROOT = Path(__file__).resolve().parents[2]
SETTLES_S = 1.5  # longer than a sink that is back takes to repeat a call, if it does


class Moment(StrEnum):
    """When the sink is killed."""

    ANSWER_LOST = "Salesforce has taken the call, its answer never arrives"
    ANSWERED = "Salesforce has answered: before or after the result, before or after the commit of the offset"
    NEVER_ARRIVED = "the call never reached Salesforce"


class Mirror(StrEnum):
    """When the source has mirrored what happened meanwhile."""

    AT_ONCE = "before the sink is back"
    LATE = "long after the sink is back"


@dataclass
class Gate:
    """Stands before the Interaction Service; kills the sink of a conversation at the moment that was ordered."""

    salesforce: RunningSimulator
    url: str = ""
    orders: dict[str, tuple[Moment, Process]] = field(default_factory=dict)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        moment, sink = self.orders.pop(json.loads(body)["conversationIdentifier"], (None, None))
        if moment is Moment.NEVER_ARRIVED and sink is not None:
            sink.kill()
            return web.Response(status=500)
        headers = {name: value for name, value in request.headers.items() if name not in {"Host", "Content-Length"}}
        async with (
            aiohttp.ClientSession() as session,
            session.post(self.salesforce.http_url + request.path, data=body, headers=headers) as answer,
        ):
            reply = web.Response(status=answer.status, body=await answer.read())
        if moment is Moment.ANSWER_LOST and sink is not None:
            sink.kill()
        elif sink is not None:
            asyncio.get_running_loop().call_later(random.uniform(0, 0.06), _kill, sink)
        return reply


def _kill(sink: Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        sink.kill()


@asynccontextmanager
async def gate_before(salesforce: RunningSimulator) -> AsyncIterator[Gate]:
    gate = Gate(salesforce)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", gate.handle)
    async with serving(app, "127.0.0.1", 0) as port:
        gate.url = f"http://127.0.0.1:{port}"
        yield gate


class Lane:
    """One sink with topics of its own, and the conversations that it is killed in."""

    def __init__(self, kafka: TestBroker, salesforce: RunningSimulator, gate: Gate) -> None:
        self.kafka = kafka
        self.salesforce = salesforce
        self.gate = gate
        self.topics: Topics = Unique().topics
        self.sink: Process | None = None
        self.killed_ms = 0
        self.expected: dict[str, set[str]] = {}  # call id -> how it may have ended
        names = {self.topics.salesforce_calls, self.topics.salesforce_results, self.topics.salesforce_journal}
        names |= {self.topics.events, self.topics.dead_letters}
        kafka.create_topics([spec for spec in self.topics.catalogue(2) if spec.name in names])

    async def start(self) -> Process:
        orders = {
            "prefix": self.topics.prefix,
            "bootstrap_servers": self.kafka.bootstrap_servers,
            "api_url": f"{self.gate.url}/api/v1",
            "login_url": self.salesforce.http_url,
            "client_id": self.salesforce.client_id,
            "client_secret": self.salesforce.client_secret,
        }
        command = (sys.executable, "-m", "tests.support.interaction_worker", json.dumps(orders))
        self.sink = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=PIPE)
        assert self.sink.stdout is not None
        assert await asyncio.wait_for(self.sink.stdout.readline(), 60) == b"ready\n"
        return self.sink

    def asked(self, conversation: str, request_id: str) -> RoutingRequest:
        """The rep asks: a new request at Salesforce. Mirroring it is another step."""
        self.salesforce.publish(request_payload(conversation, request_id), event_type="RoutingRequested")
        request = self.salesforce.org.desk.get(request_id)
        assert request is not None
        return request

    def mirror(self, conversation: str, *payloads: tuple[str, str], at_ms: int | None = None) -> None:
        """Write (event type, payload) to the topic of events, as the source does."""
        at_ms = at_ms or clock.now_ms()
        events = [
            OutboundEvent(
                event_uuid=self.salesforce.org.new_id(),
                replay_id=b"\0" * 8,
                schema_id="s",
                topic=self.salesforce.topic,
                org_id=self.salesforce.org_id,
                event_type=event_type,
                conversation_id=conversation,
                created_at_ms=at_ms,
                received_at_ms=at_ms,
                payload=payload,
            )
            for event_type, payload in payloads
        ]
        self.kafka.produce(self.topics.events, [(conversation.encode(), encode(event)) for event in events])

    def call(self, conversation: str, request_id: str, *expected: str) -> None:
        """The processor refuses a request."""
        body = {
            "workItemId": work_item(conversation),
            "conversationIdentifier": conversation,
            "routingType": "Transfer",
            "success": False,
            "externallyRouted": False,
            "errorMessage": "nobody is there",
        }
        made = SalesforceCall(
            call_id=f"call-{request_id}",
            conversation_id=conversation,
            org_id=self.salesforce.org_id,
            api="routingResult",
            method="POST",
            body=json.dumps(body),
            request_id=request_id,
            created_at_ms=clock.now_ms(),
            deadline_ms=clock.now_ms() + 50_000,
        )
        self.expected[made.call_id] = set(expected)
        produce_calls(self.kafka, self.topics, [made])

    def has_result(self, request_id: str) -> bool:
        return any(result.call_id == f"call-{request_id}" for result in results(self.kafka, self.topics))

    async def kill_once(self, name: str, moment: Moment, mirror: Mirror) -> None:
        """One conversation in which the sink is killed, and one beside it that only waits."""
        conversation, beside = f"cv-{name}", f"beside-{name}"
        first_id, second_id, beside_id = f"first-{name}", f"second-{name}", f"third-{name}"
        sink = self.sink
        assert sink is not None
        first = self.asked(conversation, first_id)
        await asyncio.to_thread(
            self.mirror, conversation, ("RoutingRequested", entries.as_json(request_payload(conversation, first_id)))
        )
        self.gate.orders[conversation] = (moment, sink)
        known = {CallOutcome.ACCEPTED} if moment is Moment.NEVER_ARRIVED else {CallOutcome.IN_DOUBT}
        if moment is Moment.ANSWERED:
            known.add(CallOutcome.ACCEPTED)
        await asyncio.to_thread(self.call, conversation, first_id, *known)
        await asyncio.wait_for(sink.wait(), 30)
        self.killed_ms = clock.now_ms()
        waiting = self.asked(beside, beside_id)
        await asyncio.to_thread(self.call, beside, beside_id, CallOutcome.ACCEPTED)

        if moment is Moment.NEVER_ARRIVED:
            assert first.concluded is None
            if mirror is Mirror.AT_ONCE:
                await asyncio.to_thread(self.log_passes)
            await self.start()
            if mirror is Mirror.LATE:
                await self.settles(beside_id)
                assert first.concluded is None, "the repeat did not wait for the source"
                await asyncio.to_thread(self.log_passes)
            await eventually(lambda: self.has_result(first_id), "the call that had not arrived is made again")
            assert first.concluded is Conclusion.REFUSED
            assert [answer.accepted for answer in first.answers] == [True]
        else:
            second = await self.ask_again(conversation, second_id, mirror, beside_id)
            await eventually(lambda: self.has_result(first_id), "a result of the call in doubt")
            assert first.concluded is Conclusion.REFUSED
            assert second.concluded is None, "the repeat of the first call closed the second request"
            await asyncio.to_thread(self.call, conversation, second_id, CallOutcome.ACCEPTED)
            await eventually(lambda: self.has_result(second_id), "a result of the second request's own call")
            assert second.concluded is Conclusion.REFUSED
            assert [answer.accepted for answer in second.answers] == [True]
        await eventually(lambda: self.has_result(beside_id), "the other conversation goes on")
        assert waiting.concluded is Conclusion.REFUSED

    async def settles(self, beside_id: str) -> None:
        """Wait until the sink is back and at work, and a little longer."""
        await eventually(lambda: self.has_result(beside_id), "the other conversation goes on")
        await asyncio.sleep(SETTLES_S)

    async def ask_again(self, conversation: str, second_id: str, mirror: Mirror, beside_id: str) -> RoutingRequest:
        """The rep makes a second request; then the sink comes back, before or after the source has caught up."""
        second = self.asked(conversation, second_id)
        meanwhile = (
            ("Interaction", '{"entryType":"RoutingResult"}'),
            ("RoutingRequested", entries.as_json(request_payload(conversation, second_id))),
        )
        if mirror is Mirror.AT_ONCE:
            await asyncio.to_thread(self.mirror, conversation, *meanwhile)
            await asyncio.to_thread(self.log_passes)
        await self.start()
        if mirror is Mirror.LATE:
            await self.settles(beside_id)
            assert second.concluded is None, "the repeat did not wait for the source"
            await asyncio.to_thread(self.mirror, conversation, *meanwhile)
            await asyncio.to_thread(self.log_passes)
        return second

    def log_passes(self) -> None:
        """Somebody else's event, later than the attempt of the killed sink by as much as it takes."""
        self.mirror("somebody else", ("Interaction", "{}"), at_ms=self.killed_ms + GRACE_MS)

    def check_results(self) -> None:
        """Each call has exactly one result, of those that it may have."""
        found = results(self.kafka, self.topics)
        assert sorted(result.call_id for result in found) == sorted(self.expected)
        for result in found:
            assert result.outcome in self.expected[result.call_id], result
        assert self.kafka.read_committed(self.topics.dead_letters) == []


def work_item(conversation: str) -> str:
    return f"0Mw{abs(hash(conversation)) % 10**12:012d}"


def request_payload(conversation: str, request_id: str) -> dict[str, object]:
    return entries.routing_requested(
        channel_address_id=CHANNEL_ADDRESS_ID,
        conversation_id=conversation,
        end_user_subject=END_USER_SUBJECT,
        routing_type="Transfer",
        target={"queueId": "00GHs00000Queue1"},
        channel_data=entries.as_json({"eventId": request_id, "conversationId": conversation}),
        work_record_id=work_item(conversation),
    )


async def test_a_call_in_doubt_never_closes_the_next_request(kafka: TestBroker, pytestconfig: pytest.Config) -> None:
    kills = int(pytestconfig.getoption("--kills"))
    cases = itertools.cycle(itertools.product(Mirror, Moment))
    waiting = [(f"{number}", *reversed(next(cases))) for number in range(kills)]
    async with running_simulator() as salesforce, gate_before(salesforce) as gate:

        async def drive() -> None:
            lane = await asyncio.to_thread(Lane, kafka, salesforce, gate)
            try:
                await lane.start()
                while waiting:
                    await lane.kill_once(*waiting.pop(0))
                await asyncio.to_thread(lane.check_results)
            finally:
                if lane.sink is not None:
                    _kill(lane.sink)
                    await lane.sink.wait()

        async with asyncio.TaskGroup() as lanes:
            for _ in range(min(LANES, kills)):
                lanes.create_task(drive())
