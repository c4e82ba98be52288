"""The values of the public topics, one frozen class per Avro schema of `schemas/avro`.

A class and its newest `.avsc` have the same fields in the same order (a test compares them). Absent is `None`; times
are epoch milliseconds, UTC, with the unit in the name. Words such as `outcome` are open enumerations: the constants
below are what we write, a reader must accept others.

`gc=False`, here and in the processor's core: a frozen value of frozen values cannot be part of a cycle, so Python's
collector need not know it. That is 1.5 of 24 us per event.
"""

from enum import StrEnum

import msgspec


class DeliveryKind(StrEnum):
    """`Delivery.kind`: what the receiver should do with it."""

    MESSAGE = "message"
    TYPING_STARTED = "typing_started"
    TYPING_STOPPED = "typing_stopped"
    PROGRESS = "progress"


class TargetKind(StrEnum):
    """`RoutingTask.target_kind`: who is asked for."""

    REP = "rep"
    QUEUE = "queue"
    FLOW = "flow"
    BOT = "bot"
    EXTERNAL = "external"
    SKILLS = "skills"
    UNKNOWN = "unknown"


class DecisionKind(StrEnum):
    """`RoutingDecision.decision`: the router's answer."""

    ACCEPT = "accept"
    REFUSE = "refuse"


class Outcome(StrEnum):
    """`RoutingOutcome.outcome`: how a request ended."""

    ROUTED = "routed"
    REFUSED = "refused"
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"
    FAILED = "failed"
    EXPIRED = "expired"


class CommandKind(StrEnum):
    """`PartnerCommand.command`: what the partner wants done at Salesforce."""

    END_SESSION = "end_session"
    INACTIVATE_SESSION = "inactivate_session"
    REMOVE_PARTICIPANT = "remove_participant"


class ReceiptStatus(StrEnum):
    """`DeliveryReceipt.status`."""

    DELIVERED = "delivered"
    READ = "read"
    FAILED = "failed"


class CallOutcome(StrEnum):
    """`SalesforceCallResult.outcome`."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"  # a permanent error: repeating the call cannot help
    EXPIRED = "expired"  # its deadline came first; it was not sent, or not again
    FAILED = "failed"  # retries ran out
    IN_DOUBT = "in_doubt"  # it may have been made; to make it again could end another request


class OutboundEvent(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One platform event as the Pub/Sub API handed it over: the envelope in fields, the payload untouched."""

    event_uuid: str
    replay_id: bytes
    schema_id: str
    topic: str
    org_id: str
    event_type: str
    conversation_id: str
    created_at_ms: int
    received_at_ms: int
    payload: str
    extra_fields: str | None = None


class Delivery(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One message or indicator for the end user. `delivery_id` is the same for every repeat."""

    delivery_id: str
    conversation_id: str
    org_id: str
    entry_id: str
    kind: str
    channel_address_id: str | None = None
    end_user_subject: str | None = None
    sender_role: str | None = None
    sender_name: str | None = None
    message_type: str | None = None
    format_type: str | None = None
    text: str | None = None
    content: str | None = None
    created_at_ms: int
    expires_at_ms: int | None = None
    event_uuid: str


class RoutingTask(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """An open routing request with its two deadlines, for the partner's router.

    When someone declines, the request is written again with the next `attempt`; `declined_user_ids` names all who
    declined.
    """

    request_id: str
    conversation_id: str
    org_id: str
    routing_type: str
    target_kind: str
    target_id: str | None = None
    skills: list[str] = []
    channel_address_id: str | None = None
    end_user_subject: str | None = None
    work_item_id: str | None = None
    channel_data: str | None = None
    attempt: int
    created_at_ms: int
    answer_by_ms: int
    deadline_ms: int
    event_uuid: str
    declined_user_ids: list[str] = []


class RoutingDecision(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """The answer of the partner's router to a `RoutingTask`. `decided_at_ms` is compared with the deadline."""

    decision_id: str
    request_id: str
    conversation_id: str
    decision: str
    reason: str | None = None
    user_id: str | None = None
    externally_routed: bool
    decided_at_ms: int


class RoutingOutcome(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """How a routing request ended. The highest `revision` of a `request_id` is the final one."""

    request_id: str
    revision: int
    conversation_id: str
    org_id: str
    outcome: str
    routing_type: str
    target_kind: str
    target_id: str | None = None
    work_item_id: str | None = None
    failure_type: str | None = None
    reason: str | None = None
    ambiguous: bool
    created_at_ms: int
    settled_at_ms: int
    request_event_uuid: str
    result_event_uuid: str | None = None


class DeliveryReceipt(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """The result of a delivery, as the sink or the partner reports it."""

    delivery_id: str
    conversation_id: str
    entry_id: str
    status: str
    reason: str | None = None
    reported_by: str
    at_ms: int


class PartnerCommand(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """An order of the partner for a conversation. `command_id` is the same for every repeat."""

    command_id: str
    conversation_id: str
    command: str
    user_id: str | None = None
    on_behalf_of: str | None = None
    commanded_at_ms: int


class SalesforceCall(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A call to the Interaction Service API, to be made by the sink. `call_id` is the same for every repeat."""

    call_id: str
    conversation_id: str
    org_id: str
    api: str
    method: str
    body: str
    request_id: str | None = None
    created_at_ms: int
    deadline_ms: int | None = None


class SalesforceCallResult(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """The result of a `SalesforceCall`. `ids` is a JSON object of the record ids in the answer."""

    call_id: str
    conversation_id: str
    api: str
    request_id: str | None = None
    outcome: str
    http_status: int | None = None
    error_code: int | None = None
    error_message: str | None = None
    attempts: int
    completed_at_ms: int
    ids: str | None = None


Record = (
    OutboundEvent
    | Delivery
    | RoutingTask
    | RoutingDecision
    | RoutingOutcome
    | DeliveryReceipt
    | PartnerCommand
    | SalesforceCall
    | SalesforceCallResult
)
