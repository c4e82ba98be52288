"""A partition of the processor in memory, and builders for what it reads. Times are ms after `T0`."""

import itertools
import json
from collections.abc import Iterable, Sequence
from typing import Any

from msgspec.structs import replace

from schemas.records import (
    Delivery,
    DeliveryReceipt,
    OutboundEvent,
    PartnerCommand,
    Record,
    RoutingDecision,
    RoutingOutcome,
    RoutingTask,
    SalesforceCall,
    SalesforceCallResult,
)
from streams.core.apply import InputRecord, apply, apply_receipts, due_at_ms, expire
from streams.core.model.keys import digest, routing_key
from streams.core.model.rules import Rules
from streams.core.model.state import Conversation, RoutingRequest, Seen, Told, Value
from streams.core.model.step import CONVERSATIONS, ROUTING, SEEN, Step

T0 = 1_767_225_600_000
SECOND = 1_000
CONVERSATION = "c0ffee00-0000-4000-8000-0000000000a1"
CHANNEL = "c0ffee00-0000-4000-8000-0000000000c1"
ORG = "00DHs000000AbCdEAF"
END_USER = "cust-4711"
REP = "005Hs00000FgHiJ"
WORK_ITEM = "0MwHs00000XyZ12"
RULES = Rules()

_uuids = itertools.count(1)


class MemoryState:
    """The three tables as dictionaries; what `streams.core` reads."""

    def __init__(self) -> None:
        self.tables: dict[str, dict[str, Value]] = {CONVERSATIONS: {}, ROUTING: {}, SEEN: {}}

    def conversation(self, conversation_id: str) -> Conversation | None:
        found = self.tables[CONVERSATIONS].get(conversation_id)
        return found if isinstance(found, Conversation) else None

    def request(self, conversation_id: str, request_id: str) -> RoutingRequest | None:
        found = self.tables[ROUTING].get(routing_key(conversation_id, request_id))
        return found if isinstance(found, RoutingRequest) else None

    def seen(self, key: str) -> Seen | None:
        found = self.tables[SEEN].get(key)
        return found if isinstance(found, Seen) else None

    def take(self, step: Step) -> None:
        """Write a step, as the runtime does."""
        if step.conversation is not None:
            self.tables[CONVERSATIONS][step.conversation.key] = step.conversation
        for request in step.requests:
            self.tables[ROUTING][request.key] = request
        self.tables[SEEN].update(step.seen)
        for table, key in step.dropped:
            del self.tables[table][key]

    def facts(self) -> dict[str, dict[str, Value]]:
        """The tables without what has been told: what every fold of the log must agree on."""
        routing = {
            key: _untold(value) for key, value in self.tables[ROUTING].items() if isinstance(value, RoutingRequest)
        }
        return {**self.tables, ROUTING: routing}


def _untold(request: RoutingRequest) -> Value:
    return replace(request, told=Told())


def _came(record: InputRecord) -> int:
    match record:
        case OutboundEvent():
            return record.received_at_ms
        case RoutingDecision():
            return record.decided_at_ms
        case DeliveryReceipt():
            return record.at_ms
        case PartnerCommand():
            return record.commanded_at_ms
        case _:
            return record.completed_at_ms


class Partition:
    """Applies records and lets time pass; keeps every output and count."""

    def __init__(self, rules: Rules = RULES) -> None:
        self.rules = rules
        self.state = MemoryState()
        self.outputs: list[Record] = []
        self.counts: list[tuple[str, str]] = []

    def read(self, record: InputRecord, at: int | None = None) -> Step:
        """Apply one record; `at` is the wall clock in ms after T0, by default when the record came."""
        if at is None:
            at = _came(record) - T0
        return self._take(apply(self.state, record, T0 + at, self.rules))

    def read_together(self, receipts: Sequence[DeliveryReceipt]) -> Step:
        """Apply receipts that were read in one batch."""
        return self._take(apply_receipts(self.state, receipts, self.rules))

    def pass_time(self, to: int) -> list[Record]:
        """Expire what is due until T0 + `to`, in the order it is due; return what left."""
        before = len(self.outputs)
        now_ms = T0 + to
        while due := sorted(self._due(now_ms)):
            at_ms, table, key = due[0]
            self._take(expire(self.state, table, key, max(at_ms, T0), self.rules))
        return self.outputs[before:]

    def expire_at(self, to: int) -> list[Record]:
        """Expire what is due with the clock at T0 + `to` already: the partition was away until then."""
        before = len(self.outputs)
        now_ms = T0 + to
        for _, table, key in sorted(self._due(now_ms)):
            self._take(expire(self.state, table, key, now_ms, self.rules))
        return self.outputs[before:]

    def _due(self, now_ms: int) -> Iterable[tuple[int, str, str]]:
        for table, values in self.state.tables.items():
            for key, value in values.items():
                due = due_at_ms(value)
                if due is not None and due <= now_ms:
                    yield due, table, key

    def _take(self, step: Step) -> Step:
        self.state.take(step)
        self.outputs += step.outputs
        self.counts += step.counts
        return step

    @property
    def conversation(self) -> Conversation:
        found = self.state.conversation(CONVERSATION)
        assert found is not None
        return found

    def request(self, request_id: str) -> RoutingRequest:
        found = self.state.request(CONVERSATION, request_id)
        assert found is not None
        return found

    @property
    def deliveries(self) -> list[Delivery]:
        return [each for each in self.outputs if isinstance(each, Delivery)]

    @property
    def tasks(self) -> list[RoutingTask]:
        return [each for each in self.outputs if isinstance(each, RoutingTask)]

    @property
    def calls(self) -> list[SalesforceCall]:
        return [each for each in self.outputs if isinstance(each, SalesforceCall)]

    @property
    def outcomes(self) -> list[RoutingOutcome]:
        return [each for each in self.outputs if isinstance(each, RoutingOutcome)]

    def outcome_words(self) -> list[str]:
        return [each.outcome for each in self.outcomes]

    def withheld(self) -> list[str]:
        return [label for name, label in self.counts if name == "withheld"]


def event(
    payload: object,
    *,
    at: int = 0,
    received: int | None = None,
    event_type: str = "Interaction",
    uuid: str | None = None,
    replay_id: bytes = b"\x00",
    conversation_id: str = CONVERSATION,
    extra_fields: object = None,
) -> OutboundEvent:
    """A platform event created at T0 + `at`, received 20 ms later by default. A str payload goes as it is."""
    return OutboundEvent(
        event_uuid=uuid or f"event-{next(_uuids)}",
        replay_id=replay_id,
        schema_id="schema-1",
        topic="/event/ByocOutbound__e",
        org_id=ORG,
        event_type=event_type,
        conversation_id=conversation_id,
        created_at_ms=T0 + at,
        received_at_ms=T0 + (at + 20 if received is None else received),
        payload=payload if isinstance(payload, str) else json.dumps(payload),
        extra_fields=None if extra_fields is None else json.dumps(extra_fields),
    )


def party(role: str, subject: str, app_type: str = "custom") -> dict[str, str]:
    return {"appType": app_type, "subject": subject, "role": role}


def envelope(
    body: dict[str, Any],
    *,
    entry_id: str | None = "e1",
    sender: object = None,
    recipient: object = None,
    **entry_fields: object,
) -> dict[str, Any]:
    """An Interaction payload around an entryPayload. `entry_fields` override fields of the entry."""
    entry: dict[str, Any] = {
        "identifier": entry_id,
        "entryType": body.get("entryType"),
        "sender": sender or party("Agent", "005Hs00000AbCdE", "agent"),
        "senderDisplayName": "Ana R.",
        "clientTimestamp": T0,
        "transcriptedTimestamp": T0,
        "clientDuration": 0,
        "entryPayload": body,
    }
    entry.update(entry_fields)
    return {
        "channelAddressIdentifier": CHANNEL,
        "conversationIdentifier": CONVERSATION,
        "recipient": party("EndUser", END_USER) if recipient is None else recipient,
        "payload": entry,
    }


def text_body(text: str = "Hello", entry_id: str = "e1", entry_type: str = "Message") -> dict[str, Any]:
    static = {"formatType": "Text", "text": text}
    return static_body(static, entry_id, entry_type)


def static_body(static: dict[str, Any], entry_id: str = "e1", entry_type: str = "Message") -> dict[str, Any]:
    message = {"messageType": "StaticContentMessage", "id": entry_id, "staticContent": static}
    return {"entryType": entry_type, "id": entry_id, "abstractMessage": message}


def message(text: str = "Hello", *, entry_id: str = "e1", at: int = 0, uuid: str | None = None) -> OutboundEvent:
    """A rep's plain text."""
    return event(envelope(text_body(text, entry_id), entry_id=entry_id), at=at, uuid=uuid)


def entry(
    entry_type: str,
    fields: dict[str, Any] | None = None,
    *,
    at: int = 0,
    received: int | None = None,
    entry_id: str | None = None,
    uuid: str | None = None,
    sender: object = None,
) -> OutboundEvent:
    """Any other entry; `fields` are of its entryPayload. Each has its own entry id unless one is given."""
    entry_id = entry_id or f"entry-{next(_uuids)}"
    body = {"entryType": entry_type, "id": entry_id, **(fields or {})}
    return event(envelope(body, entry_id=entry_id, sender=sender), at=at, received=received, uuid=uuid)


def typing(*, at: int = 0, received: int | None = None, entry_id: str = "t1") -> OutboundEvent:
    return entry("TypingStartedIndicator", {"timestamp": T0 + at}, at=at, received=received, entry_id=entry_id)


def session(status: str, *, at: int = 0, session_id: str = WORK_ITEM) -> OutboundEvent:
    fields = {"sessionId": session_id, "sessionStatus": status, "conversationIdentifier": CONVERSATION}
    return entry("SessionStatusChanged", fields, at=at)


def participant(
    operation: str, subject: str = REP, role: str = "Agent", *, at: int = 0, name: str | None = None
) -> OutboundEvent:
    change = {"operation": operation, "participant": party(role, subject, "agent"), "displayName": name}
    return entry("ParticipantChanged", {"entries": [change]}, at=at)


def consent(status: str, *, at: int = 0) -> OutboundEvent:
    return entry("EndUserConsentUpdated", {"endUserSubject": END_USER, "consentStatus": status}, at=at)


def requested(
    request_id: str | None = "r1",
    *,
    at: int = 0,
    received: int | None = None,
    routing_type: str | None = "Transfer",
    work_item: str | None = WORK_ITEM,
    router: str | None = None,
    uuid: str | None = None,
    **parameters: object,
) -> OutboundEvent:
    """A `RoutingRequested` event, for a rep unless other routingParameters are given."""
    data = {"eventId": request_id, "routerParticipantSubject": router, "routingType": routing_type}
    target: dict[str, object] = {"userId": REP, **parameters}
    target.setdefault("channelData", json.dumps(data) if request_id else None)
    payload = {
        "channelAddressIdentifier": CHANNEL,
        "recipient": party("EndUser", END_USER),
        "payload": {
            "conversationIdentifier": CONVERSATION,
            "routingType": routing_type,
            "routingParameters": target,
            "workRecordId": work_item,
        },
    }
    return event(payload, at=at, received=received, event_type="RoutingRequested", uuid=uuid)


def result(
    failure_type: str | None = "None",
    *,
    at: int = SECOND,
    received: int | None = None,
    routing_type: str | None = "Transfer",
    record_id: str | None = None,
    sender: object = None,
    entry_id: str | None = None,
    uuid: str | None = None,
    **fields: object,
) -> OutboundEvent:
    """A `RoutingResult` entry."""
    body: dict[str, object] = {
        "routingType": routing_type,
        "failureType": failure_type,
        "errorMessages": [],
        "recordId": record_id,
        **fields,
    }
    return entry("RoutingResult", body, at=at, received=received, sender=sender, entry_id=entry_id, uuid=uuid)


def decision(
    kind: str = "accept",
    *,
    at: int = 2 * SECOND,
    request_id: str = "r1",
    decision_id: str | None = None,
    reason: str | None = None,
    externally_routed: bool = False,
    user_id: str | None = None,
) -> RoutingDecision:
    return RoutingDecision(
        decision_id=decision_id or f"decision-{next(_uuids)}",
        request_id=request_id,
        conversation_id=CONVERSATION,
        decision=kind,
        reason=reason,
        externally_routed=externally_routed,
        user_id=user_id,
        decided_at_ms=T0 + at,
    )


def command(word: str = "end_session", *, at: int = SECOND, command_id: str = "c1", **fields: str) -> PartnerCommand:
    at_ms = T0 + at
    return PartnerCommand(
        command_id=command_id, conversation_id=CONVERSATION, command=word, commanded_at_ms=at_ms, **fields
    )


def receipt(
    status: str = "delivered", *, entry_id: str = "e1", at: int = SECOND, delivery_id: str | None = None
) -> DeliveryReceipt:
    """What became of the delivery of a Message, unless another delivery is named."""
    return DeliveryReceipt(
        delivery_id=delivery_id or digest("Message", CONVERSATION, entry_id),
        conversation_id=CONVERSATION,
        entry_id=entry_id,
        status=status,
        reported_by="test",
        at_ms=T0 + at,
    )


def answered(
    call: SalesforceCall, outcome: str = "accepted", *, at: int = 3 * SECOND, code: int | None = None, **ids: str
) -> SalesforceCallResult:
    """What became of a call."""
    return SalesforceCallResult(
        call_id=call.call_id,
        conversation_id=call.conversation_id,
        api=call.api,
        request_id=call.request_id,
        outcome=outcome,
        error_code=code,
        attempts=1,
        completed_at_ms=T0 + at,
        ids=json.dumps(ids) if ids else None,
    )
