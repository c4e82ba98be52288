"""One Salesforce org in memory: its event bus, its schemas, its tokens, its routing and the ledger of all of it.

Everything that publishes goes through here, so every event is in the ledger, wakes the subscriptions of its topic, and
starts a routing timer when it is a RoutingRequested. Calls are quick and never wait; one event loop owns the object.
"""

from collections.abc import Callable

from simulator import entries, frames
from simulator.clock import Clock
from simulator.event_log import EventLog, UnknownTopicError
from simulator.event_schema import EventSchema, PayloadError, PlatformEvent
from simulator.facts import Expectation, Facts, read_facts
from simulator.ledger import Entry, Ledger
from simulator.routing_desk import Answer, Planned, Request, RoutingDesk
from simulator.routing_results import routing_result_payload
from simulator.seeded import new_uuid, seeded
from simulator.settings import Settings
from simulator.tokens import Tokens

_UNREADABLE = Facts(event_type="", conversation_id="", expect=Expectation.WITHHOLD)


class Org:
    """The state behind every interface of the simulator."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.settings = settings
        self.clock = clock
        self.instance_url = ""  # known once the HTTP server listens
        self.log = EventLog(
            settings.topics,
            rng=seeded(settings.seed, "replay ids"),
            retention_ms=settings.retention_ms,
            now_ms=clock.now_ms(),
        )
        self.ledger = Ledger()
        self.desk = RoutingDesk(settings.routing_timeout_ms)
        self.tokens = Tokens(settings.org_id, seeded(settings.seed, "tokens"))
        self.schemas = {
            topic: EventSchema(topic, settings.type_field, settings.payload_field) for topic in settings.topics
        }
        self.concluded: list[Callable[[Request], None]] = []
        self._ids = seeded(settings.seed, "ids")
        self._watchers: dict[str, list[Callable[[], None]]] = {topic: [] for topic in settings.topics}

    def new_id(self) -> str:
        """A UUID of the org's own sequence."""
        return new_uuid(self._ids)

    def schema(self, topic: str) -> EventSchema:
        """Raises `UnknownTopicError`."""
        if topic not in self.schemas:
            raise UnknownTopicError(topic)
        return self.schemas[topic]

    def schema_by_id(self, schema_id: str) -> EventSchema | None:
        return next((schema for schema in self.schemas.values() if schema.schema_id == schema_id), None)

    def watch(self, topic: str, wake: Callable[[], None]) -> Callable[[], None]:
        """Call `wake` after each event of the topic; return what ends that."""
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
        facts: Facts | None = None,
    ) -> Entry:
        """Publish one platform event; `facts` spares reading the payload that the caller has just built.

        Raises `UnknownTopicError`.
        """
        created_at_ms = self.clock.now_ms() if created_at_ms is None else created_at_ms
        event = PlatformEvent(created_at_ms=created_at_ms, event_type=event_type, event_payload=event_payload)
        schema = self.schema(topic)
        event_uuid = event_uuid or self.new_id()
        serialised = frames.producer_event(event_uuid, schema.schema_id, schema.encode(event))
        facts = facts or read_facts(event_type, event_payload)
        return self._append(
            topic, serialised, facts, event_uuid=event_uuid, created_at_ms=created_at_ms, planned=planned
        )

    def publish_bytes(
        self, topic: str, payload: bytes, *, event_uuid: str | None = None, serialised: bytes | None = None
    ) -> Entry:
        """Publish ready payload bytes; like Salesforce, nothing checks that they are Avro of the topic's schema.

        `serialised` is the whole ProducerEvent when the caller has one. Raises `UnknownTopicError`.
        """
        schema = self.schema(topic)
        event_uuid = event_uuid or self.new_id()
        try:
            event = schema.decode(payload)
            facts, created_at_ms = read_facts(event.event_type, event.event_payload), event.created_at_ms
        except PayloadError:
            facts, created_at_ms = _UNREADABLE, self.clock.now_ms()
        serialised = serialised or frames.producer_event(event_uuid, schema.schema_id, payload)
        return self._append(topic, serialised, facts, event_uuid=event_uuid, created_at_ms=created_at_ms)

    def answer_routing(self, answer: Answer) -> Request:
        """Take a `routingResult` call and publish its RoutingResult. Raises `AnswerRejectedError`."""
        request = self.desk.answer(answer, self.clock.now_ms())
        self._publish_result(request, answer.error_message, externally_routed=answer.externally_routed)
        return request

    def cancel_routing(self, request_id: str) -> Request | None:
        """Let the rep withdraw a request and publish its RoutingResult; None when it has ended otherwise."""
        request = self.desk.cancel(request_id, self.clock.now_ms())
        if request is not None:
            self._publish_result(request)
        return request

    def withdraw_unseen(self, topic: str, facts: Facts, *, event_uuid: str, created_at_ms: int) -> None:
        """Publish the RoutingResult of a withdrawn request whose own event is still to come.

        Nearly simultaneous events can land on the bus in the opposite order; the caller publishes the request next.
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
        self, topic: str, facts: Facts, *, event_uuid: str, created_at_ms: int, planned: Planned
    ) -> Request:
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
        self, request: Request, error_message: str | None = None, *, externally_routed: bool = False
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

    def _append(
        self,
        topic: str,
        serialised: bytes,
        facts: Facts,
        *,
        event_uuid: str,
        created_at_ms: int,
        planned: Planned = Planned.ANSWER,
    ) -> Entry:
        replay_id = self.log.append(topic, serialised, self.clock.now_ms())
        request_id = None
        if facts.routing is not None:
            request = self._open_request(
                topic, facts, event_uuid=event_uuid, created_at_ms=created_at_ms, planned=planned
            )
            request_id = request.request_id
        elif facts.conversation_id:
            self.desk.note_conversation(facts.conversation_id, facts.session_id)
        entry = self.ledger.record(
            facts,
            event_uuid=event_uuid,
            replay_id=replay_id,
            topic=topic,
            created_at_ms=created_at_ms,
            request_id=request_id,
        )
        for wake in self._watchers[topic]:
            wake()
        return entry
