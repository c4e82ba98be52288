"""Input for the benchmarks: the simulator's conversations as records of `byoc.events`.

Rendered by the simulator and mapped by the source connector's own mapping, so that sizes, shapes and the mixture are
those of a real run: 1 KB each, 42 % messages for the customer, 25 % state, 18 % typing and progress, 9 % withheld, 4 %
routing requests and as many results.
Two things differ from a run against the simulator. Each routing request gets its `RoutingResult` (accepted) without a
router having been asked. And all events are dated an hour ahead: from a topic that was filled beforehand, typing would
be stale and requests overdue, and the processor would be measured without most of its work.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass

from connectors.pubsub.converters.byoc import FieldNames, Mapper, Source
from schemas.codec import encode
from schemas.records import OutboundEvent
from simulator.events import entries
from simulator.events.expectation import Expectation
from simulator.events.seeded import new_uuid, seeded
from simulator.scenario.options import ScenarioOptions
from simulator.scenario.render import Moment, Rendered, render
from simulator.scenario.script import Script, Step, write_script
from simulator.service.routing_desk import Conclusion, Planned, RoutingRequest
from simulator.service.routing_result_event import routing_result_payload

ORG_ID = "00DHs000000DemoMAC"
SALESFORCE_TOPIC = "/event/ByocOutbound__e"
SCHEMA_ID = "bench-schema-0123456789"
AHEAD_MS = 3_600_000
# Open at the same time. At 40,000 events/s it takes thousands: with few, most writes of a batch hit the same key and
# the changelog would be unrealistically small.
OPEN_CONVERSATIONS = 2_000

_LEAVES = frozenset({Expectation.DELIVER, Expectation.EPHEMERAL})
_FIELDS = FieldNames(event_type="EventType__c", payload="EventPayload__c")
_MAPPER = Mapper(Source(topic=SALESFORCE_TOPIC, org_id=ORG_ID, fields=_FIELDS))


@dataclass(frozen=True, slots=True)
class Played:
    """One event. `delivered_entry_id` is the entry that must reach the customer because of it; None for others and
    for repeats."""

    record: OutboundEvent
    delivered_entry_id: str | None

    @property
    def key(self) -> bytes:
        """Return the Kafka key."""
        return self.record.conversation_id.encode()

    @property
    def value(self) -> bytes:
        """Return the Kafka value."""
        return encode(self.record)


def play(count: int, *, now_ms: int, seed: int = 1, open_conversations: int = OPEN_CONVERSATIONS) -> Iterator[Played]:
    """Yield `count` events of conversations that run side by side; the same seed gives the same ids and texts."""
    rng = seeded(seed, "bench order")
    playing: list[Iterator[_Published]] = []
    started = produced = 0
    while True:
        while len(playing) < open_conversations:
            started += 1
            playing.append(_conversation(seed, started, now_ms + AHEAD_MS))
        index = rng.randrange(len(playing))
        published = next(playing[index], None)
        if published is None:
            playing[index] = playing[-1]
            playing.pop()
            continue
        yield _mapped(published, produced, now_ms + AHEAD_MS)
        produced += 1
        if produced == count:
            return


@dataclass(frozen=True, slots=True)
class _Published:
    event_uuid: str
    event_type: str
    payload: entries.Json
    leaves: str | None


def _mapped(published: _Published, number: int, at_ms: int) -> Played:
    record = _event(published.event_uuid, published.event_type, published.payload, number, at_ms)
    return Played(record, published.leaves)


def entry_event(event_uuid: str, payload: entries.Json, number: int, at_ms: int) -> OutboundEvent:
    """Return an entry as the source connector mirrors it; `number` makes the replay id."""
    return _event(event_uuid, "Interaction", payload, number, at_ms)


def _event(event_uuid: str, event_type: str, payload: entries.Json, number: int, at_ms: int) -> OutboundEvent:
    fields = {
        "CreatedDate": at_ms,
        "CreatedById": "005Hs00000SimAB",
        "EventType__c": event_type,
        "EventPayload__c": entries.as_json(payload),
    }
    replay_id = (number + 1).to_bytes(8, "big") + b"\0\0"
    return _MAPPER.event(event_uuid, SCHEMA_ID, replay_id, fields, at_ms)


def _conversation(seed: int, number: int, at_ms: int) -> Iterator[_Published]:
    """The events of one conversation in order; about 1 % come twice."""
    script = write_script(ScenarioOptions(), seed=seed, number=number)
    rng = seeded(seed, f"bench conversation {number}")
    request: RoutingRequest | None = None
    for seq, step in enumerate(script.steps, 1):
        rendered = render(script, step, Moment(seq, at_ms, script.rep_user_id, at_ms))
        leaves = step.entry_id if rendered.facts.expect in _LEAVES else None
        yield _Published(step.event_uuid, rendered.event_type, rendered.payload, leaves)
        if step.repeat_after is not None:
            yield _Published(step.event_uuid, rendered.event_type, rendered.payload, None)
        if request is not None:  # asked for in the step before
            yield _settled(rng, request, at_ms)
        request = _request(script, step, rendered, at_ms)


def _request(script: Script, step: Step, rendered: Rendered, at_ms: int) -> RoutingRequest | None:
    """The accepted request behind a `RoutingRequested` event; None for other events."""
    plan, facts = step.routing, rendered.facts.routing
    if plan is None or facts is None:
        return None
    return RoutingRequest(
        request_id=plan.request_id or step.event_uuid,
        event_uuid=step.event_uuid,
        topic=SALESFORCE_TOPIC,
        conversation_id=script.conversation_id,
        work_item_id=script.session_id,
        routing_type=plan.routing_type,
        target_kind=plan.target_kind,
        created_at_ms=at_ms,
        deadline_ms=at_ms + 60_000,
        planned=Planned.ANSWER,
        concluded=Conclusion.ROUTED,
        facts=facts,
    )


def _settled(rng: random.Random, request: RoutingRequest, at_ms: int) -> _Published:
    payload = routing_result_payload(request, entry_id=new_uuid(rng), at_ms=at_ms)
    return _Published(new_uuid(rng), "Interaction", payload, None)
