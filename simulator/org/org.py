"""One Salesforce org in memory: its event bus, its schemas, its tokens, its routing and the ledger of all of it.

Everything that publishes goes through here, so every event is in the ledger, wakes the subscriptions of its topic, and
starts a routing timer when it is a RoutingRequested. Calls are quick and never wait; one event loop owns the object.
"""

from collections.abc import Callable
from functools import partial

from simulator.clock import Clock, VirtualClock
from simulator.events import entries, protobuf_bytes
from simulator.events.change_events import (
    ALL_CHANGES,
    FIRST_COMMIT_NUMBER,
    ChangeEventSchema,
    EntityChange,
    change_topic,
)
from simulator.events.event_facts import UNREADABLE, EventFacts, read_facts
from simulator.events.event_schema import DeclaredSchema, EventSchema, PayloadError, PlatformEvent
from simulator.events.seeded import new_record_id, new_uuid, seeded
from simulator.faults import fault as ordered
from simulator.faults.fault_book import FaultBook, Order
from simulator.org.allocation import Allocation
from simulator.org.event_log import EventLog, UnknownTopicError
from simulator.org.fault_effects import FaultEffects
from simulator.org.ledger import Ledger, LedgerEntry
from simulator.org.managed_subscriptions import ManagedSubscriptions
from simulator.org.open_calls import OpenCalls
from simulator.org.pending_event import PendingEvent, with_fault
from simulator.org.tokens import Tokens
from simulator.service.request_bodies import RoutingResultBody, SessionBody, WorkBody
from simulator.service.routing_desk import Planned, RoutingDesk, RoutingRequest
from simulator.service.routing_result_event import routing_result_payload
from simulator.service.service_desk import AgentWork, ServiceDesk
from simulator.service.session_event import session_status_payload
from simulator.settings import Settings

_DAY_MS = 24 * 3_600_000
_HOUR_MS = 3_600_000


class Org:
    """The state behind every API of the simulator."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        """`clock` tells the time; `POST /v1/clock/advance` adds to it."""
        self.settings = settings
        self.clock = VirtualClock(clock)
        self.instance_url = ""  # known once the HTTP server listens
        self.log = EventLog(
            settings.topics,
            rng=seeded(settings.seed, "replay ids"),
            retention_ms=settings.retention_ms,
            now_ms=clock.now_ms(),
        )
        self.ledger = Ledger()
        self.desk = RoutingDesk(settings.routing_timeout_ms)
        self.service = ServiceDesk(
            self.desk,
            new_id=self.new_id,
            new_record_id=partial(new_record_id, seeded(settings.seed, "records")),
        )
        self.tokens = Tokens(
            settings.org_id,
            seeded(settings.seed, "tokens"),
            now_ms=self.clock.now_ms,
            timeout_ms=int(settings.session_timeout_s * 1000),
        )
        self.faults = FaultBook(wire_faults=settings.wire_faults)
        self.calls = OpenCalls()
        self.deliveries = Allocation(_DAY_MS)
        self.publishes = Allocation(_HOUR_MS)
        self.managed = ManagedSubscriptions()
        self.schemas: dict[str, DeclaredSchema | None] = {}  # None: a channel, which has no schema of its own
        self.on_maintenance: Callable[[float], None] = lambda _seconds: None
        self._channels_of: dict[str, list[str]] = {}
        self._schemas_by_id: dict[str, DeclaredSchema] = {}
        self._held: dict[str, list[PendingEvent]] = {}
        self.concluded: list[Callable[[RoutingRequest], None]] = []
        self.offered: list[Callable[[AgentWork], None]] = []
        self._ids = seeded(settings.seed, "ids")
        self._watchers: dict[str, list[Callable[[], None]]] = {}
        self._fault_effects = FaultEffects(
            clock=self.clock,
            log=self.log,
            tokens=self.tokens,
            schema=lambda topic: self.event_schema(topic or settings.topics[0]),
            install=self._install,
            calls=self.calls,
            deliveries=self.deliveries,
            publishes=self.publishes,
            maintenance=self._maintain,
        )
        for topic in settings.topics:
            self._install(EventSchema(topic, settings.type_field, settings.payload_field))
        for entity in settings.entities:
            self.declare_topic(ChangeEventSchema(entity))
        if settings.entities:
            self.declare_channel(ALL_CHANGES, [change_topic(entity) for entity in settings.entities])

    def new_id(self) -> str:
        """A UUID of the org's own sequence."""
        return new_uuid(self._ids)

    def schema(self, topic: str) -> DeclaredSchema:
        """Return the present schema of a topic. Raises `UnknownTopicError`, also for a channel."""
        schema = self.schemas.get(topic)
        if schema is None:
            raise UnknownTopicError(topic)
        return schema

    def event_schema(self, topic: str) -> EventSchema:
        """The schema of a topic whose events have a type and a payload. Raises `UnknownTopicError`."""
        schema = self.schema(topic)
        if not isinstance(schema, EventSchema):
            raise UnknownTopicError(topic)
        return schema

    def schema_by_id(self, schema_id: str) -> DeclaredSchema | None:
        """Return a schema, also one that its topic had before: retained events keep theirs. None for an unknown id."""
        return self._schemas_by_id.get(schema_id)

    def declare_topic(self, schema: DeclaredSchema) -> None:
        """Add a topic, or give its events another schema from now on. Raises `PayloadError`."""
        schema.check()
        self.log.add_topic(schema.topic)
        self._install(schema)

    def declare_channel(self, channel: str, members: list[str]) -> None:
        """Add a channel that carries the events of other topics; it keeps its members. Raises `UnknownTopicError`."""
        self.log.add_topic(channel, members)
        if channel in self.schemas:
            return
        self.schemas[channel] = None
        self._watchers[channel] = []
        for member in members:
            self._channels_of.setdefault(member, []).append(channel)

    def _install(self, schema: DeclaredSchema) -> None:
        self.schemas[schema.topic] = schema
        self._schemas_by_id[schema.schema_id] = schema
        self._watchers.setdefault(schema.topic, [])

    def order(self, fault: ordered.AnyFault) -> Order:
        """Order a fault; one that is due at once is carried out now. Raises `FaultRefusedError`, `PayloadError`,
        `UnknownTopicError`.
        """
        if fault.topic is not None and fault.topic not in self.schemas:
            raise UnknownTopicError(fault.topic)
        self._fault_effects.check(fault)
        order = self.faults.add(fault)
        if isinstance(order.fault, ordered.OrgFault) and self.faults.take_at_once(order):
            self._fault_effects.carry_out(order.fault)
        return order

    def watch(self, topic: str, wake: Callable[[], None]) -> Callable[[], None]:
        """Call `wake` after each event of the topic; return a function that ends that."""
        watchers = self._watchers[topic]
        watchers.append(wake)
        return lambda: watchers.remove(wake)

    def publish(
        self,
        topic: str,
        event_type: str | None,
        event_payload: str | None,
        *,
        event_uuid: str | None = None,
        created_at_ms: int | None = None,
        planned: Planned = Planned.ANSWER,
        facts: EventFacts | None = None,
    ) -> LedgerEntry:
        """Publish one platform event. Raises `UnknownTopicError`.

        `facts` saves reading a payload that the caller has just built.
        """
        created_at_ms = self.clock.now_ms() if created_at_ms is None else created_at_ms
        event = PlatformEvent(created_at_ms=created_at_ms, event_type=event_type, event_payload=event_payload)
        schema = self.event_schema(topic)
        event_uuid = event_uuid or self.new_id()
        serialised = protobuf_bytes.producer_event(event_uuid, schema.schema_id, schema.encode(event))
        facts = facts or read_facts(event_type, event_payload)
        return self._publish(
            PendingEvent(
                topic=topic,
                serialised=serialised,
                facts=facts,
                event_uuid=event_uuid,
                created_at_ms=created_at_ms,
                planned=planned,
            )
        )

    def publish_bytes(
        self, topic: str, payload: bytes, *, event_uuid: str | None = None, serialised: bytes | None = None
    ) -> LedgerEntry:
        """Publish payload bytes. As with Salesforce, nothing checks that they are Avro of the topic's schema.

        `serialised` is the whole ProducerEvent when the caller has one. Raises `UnknownTopicError`.
        """
        schema = self.schema(topic)
        event_uuid = event_uuid or self.new_id()
        try:
            event = self.event_schema(topic).decode(payload)
            facts, created_at_ms = read_facts(event.event_type, event.event_payload), event.created_at_ms
        except (PayloadError, UnknownTopicError):
            facts, created_at_ms = UNREADABLE, self.clock.now_ms()
        serialised = serialised or protobuf_bytes.producer_event(event_uuid, schema.schema_id, payload)
        return self._publish(
            PendingEvent(
                topic=topic, serialised=serialised, facts=facts, event_uuid=event_uuid, created_at_ms=created_at_ms
            )
        )

    def publish_change(self, change: EntityChange) -> LedgerEntry:
        """Publish the change event of an entity. Raises `PayloadError`, `UnknownTopicError`."""
        topic = change_topic(change.entity)
        schema = self.schema(topic)
        if not isinstance(schema, ChangeEventSchema):
            raise UnknownTopicError(topic)
        payload = schema.encode_change(
            change,
            transaction_key=self.new_id(),
            commit_number=FIRST_COMMIT_NUMBER + len(self.ledger),
            commit_timestamp=self.clock.now_ms(),
        )
        return self.publish_bytes(topic, payload)

    def answer_routing(self, answer: RoutingResultBody) -> RoutingRequest:
        """Take a `routingResult` call and publish its RoutingResult. Raises `CallRejectedError`."""
        request = self.desk.answer(answer, self.clock.now_ms())
        self._publish_result(request, answer.error_message, externally_routed=answer.externally_routed)
        return request

    def offer_work(self, body: WorkBody) -> AgentWork:
        """Take an `agentWork` call. Raises `CallRejectedError`."""
        work = self.service.offer(body)
        for notify in self.offered:
            notify(work)
        return work

    def end_session(self, body: SessionBody) -> None:
        """Take a `messagingSession` call and publish its SessionStatusChanged. Raises `CallRejectedError`."""
        session_id = self.service.end_session(body)
        payload = session_status_payload(body, session_id=session_id, entry_id=self.new_id(), at_ms=self.clock.now_ms())
        self.publish(self.settings.topics[0], "Interaction", entries.as_json(payload))

    def cancel_routing(self, request_id: str) -> RoutingRequest | None:
        """Withdraw a request and publish its RoutingResult; None when it is unknown or has ended otherwise."""
        request = self.desk.cancel(request_id, self.clock.now_ms())
        if request is not None:
            self._publish_result(request)
        return request

    def withdraw_unseen(self, topic: str, facts: EventFacts, *, event_uuid: str, created_at_ms: int) -> None:
        """Publish the RoutingResult of a withdrawn request before the request itself.

        Nearly simultaneous events can arrive in the opposite order. The caller publishes the request next.
        """
        request = self._open_request(
            topic, facts, event_uuid=event_uuid, created_at_ms=created_at_ms, planned=Planned.RESULT_FIRST
        )
        self.cancel_routing(request.request_id)

    def conclude_overdue_routing(self) -> None:
        """End the requests whose time is over and publish their RoutingResults."""
        for request in self.desk.conclude_overdue(self.clock.now_ms()):
            self._publish_result(request)

    def _open_request(
        self, topic: str, facts: EventFacts, *, event_uuid: str, created_at_ms: int, planned: Planned
    ) -> RoutingRequest:
        if facts.routing is None:
            raise ValueError(f"opening a routing request for event {event_uuid}: it is no RoutingRequested")
        return self.desk.open(
            facts.routing,
            topic=topic,
            event_uuid=event_uuid,
            conversation_id=facts.conversation_id,
            created_at_ms=created_at_ms,
            planned=planned,
        )

    def _publish_result(
        self, request: RoutingRequest, error_message: str | None = None, *, externally_routed: bool = False
    ) -> None:
        payload = routing_result_payload(
            request,
            entry_id=self.new_id(),
            at_ms=self.clock.now_ms(),
            error_message=error_message,
            externally_routed=externally_routed,
        )
        self.publish(request.topic, "Interaction", entries.as_json(payload))
        for notify in self.concluded:
            notify(request)

    def _publish(self, event: PendingEvent) -> LedgerEntry:
        if not self.faults.armed and not self._held:
            return self._append_to_log(event)
        copies = 1
        for fault in self.faults.event_published(event.topic):
            match fault:
                case ordered.Duplicate():
                    copies += 1
                case ordered.Swap():
                    self._held.setdefault(event.topic, []).append(event)
                    return event.provisional()
                case ordered.Damage() | ordered.WrongReplayId():
                    event = with_fault(event, fault)
        entry = self._append_to_log(event)
        for _ in range(copies - 1):
            self._append_to_log(event)
        for late in self._held.pop(event.topic, ()):
            self._append_to_log(late)
        for org_fault in self.faults.event_appended(event.topic):
            self._fault_effects.carry_out(org_fault)
        return entry

    def _append_to_log(self, event: PendingEvent) -> LedgerEntry:
        replay_id = self.log.append(event.topic, event.serialised, self.clock.now_ms(), shown_id=event.shown_id)
        facts = event.facts
        request_id = None
        if facts.routing is not None:
            request = self._open_request(
                event.topic,
                facts,
                event_uuid=event.event_uuid,
                created_at_ms=event.created_at_ms,
                planned=event.planned,
            )
            request_id = request.request_id
        elif facts.conversation_id:
            self.desk.note_conversation(facts.conversation_id, facts.session_id)
        entry = self.ledger.record(
            facts,
            event_uuid=event.event_uuid,
            replay_id=replay_id,
            topic=event.topic,
            created_at_ms=event.created_at_ms,
            request_id=request_id,
        )
        for topic in (event.topic, *self._channels_of.get(event.topic, ())):
            for wake in self._watchers[topic]:
                wake()
        return entry

    def _maintain(self, seconds: float) -> None:
        self.on_maintenance(seconds)
