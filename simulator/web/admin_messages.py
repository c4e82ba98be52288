"""What the simulator's own calls take and return."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from simulator.faults.fault_book import Order
from simulator.org.ledger import LedgerEntry
from simulator.org.managed_subscriptions import ManagedSubscription
from simulator.org.open_calls import OpenCall
from simulator.service.routing_desk import RoutingRequest
from simulator.service.service_desk import AgentWork

LARGEST_PAGE = 10_000


class _Input(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An input; an unknown field is refused."""


class _Output(msgspec.Struct, frozen=True, kw_only=True):
    """A reply."""


class Page(_Input, frozen=True, kw_only=True):
    """`after`: the `next` of the page before."""

    after: Annotated[int, Meta(ge=0)] = 0
    limit: Annotated[int, Meta(ge=1, le=LARGEST_PAGE)] = LARGEST_PAGE


class PublishBody(_Input, frozen=True, kw_only=True):
    """One event: `payload` (JSON object or text) with its type; or `record`, by the topic's schema; or any bytes."""

    event_type: str | None = "Interaction"
    payload: dict[str, Any] | str | None = None
    record: dict[str, Any] | None = None
    payload_base64: str | None = None
    event_uuid: str | None = None
    created_at_ms: int | None = None


class TopicBody(_Input, frozen=True, kw_only=True):
    """A topic with an Avro schema of its own, or (`members`) a channel that carries other topics' events."""

    topic: Annotated[str, Meta(pattern=r"^/(event|data)/\w+$")]
    avro_schema: dict[str, Any] | None = None
    members: list[str] | None = None


class RevokeBody(_Input, frozen=True, kw_only=True):
    """Which token to revoke; all of them when none is named."""

    token: str | None = None


class AdvanceBody(_Input, frozen=True, kw_only=True):
    """How many seconds the clock moves forward."""

    seconds: Annotated[float, Meta(ge=0)]


class ManagedBody(_Input, frozen=True, kw_only=True):
    """A managed subscription; `developer_name` must be new."""

    developer_name: Annotated[str, Meta(pattern=r"^[A-Za-z]\w*$")]
    topic: str
    default_replay: Literal["LATEST", "EARLIEST"] = "LATEST"
    error_recovery_replay: Literal["LATEST", "EARLIEST"] = "LATEST"


class ManagedStateBody(_Input, frozen=True, kw_only=True):
    """RUN lets clients subscribe; STOP ends the open stream. `rewind_to`: the committed position goes back."""

    state: Literal["RUN", "STOP"] | None = None
    rewind_to: bytes | None = None


class Live(_Output, frozen=True, kw_only=True):
    """The process answers."""

    status: str


class LedgerPage(_Output, frozen=True, kw_only=True):
    """`finished`: this page is the last, nothing plays, no request is open."""

    events: list[LedgerEntry]
    next: int
    finished: bool


class RetainedEvent(_Output, frozen=True, kw_only=True):
    """An event as a subscriber would get it now. `record` is null when the payload does not fit its schema."""

    index: int
    replay_id: bytes
    event_uuid: str
    schema_id: str
    payload: bytes
    record: dict[str, Any] | None


class EventPage(_Output, frozen=True, kw_only=True):
    """Retained events of a topic in replay order; `next` is the `after` of the next page."""

    events: list[RetainedEvent]
    next: int


class TopicReply(_Output, frozen=True, kw_only=True):
    """`schema_id` is blank for a channel."""

    topic: str
    schema_id: str
    retained: int


class TopicList(_Output, frozen=True, kw_only=True):
    """All topics and channels."""

    topics: list[TopicReply]


class RoutingReply(_Output, frozen=True, kw_only=True):
    """Every routing request."""

    requests: list[RoutingRequest]


class FaultList(_Output, frozen=True, kw_only=True):
    """Every fault that was ordered and not deleted."""

    faults: list[Order]


class ManagedList(_Output, frozen=True, kw_only=True):
    """All managed subscriptions."""

    subscriptions: list[ManagedSubscription]


class ClockReply(_Output, frozen=True, kw_only=True):
    """The simulator's time, and how much of it was advanced by hand."""

    now_ms: int
    advanced_ms: int


class RevokeReply(_Output, frozen=True, kw_only=True):
    """How many valid tokens were revoked."""

    revoked: int


class AllocationReply(_Output, frozen=True, kw_only=True):
    """Events that passed in the window; `limit` is null when there is none."""

    used: int
    limit: int | None


class WorkReply(_Output, frozen=True, kw_only=True):
    """Work that was offered to reps, oldest first."""

    works: list[AgentWork]


class Stats(_Output, frozen=True, kw_only=True):
    """What was published, to whom it was delivered, and what is open now."""

    published: int
    by_expectation: dict[str, int]
    routing: dict[str, int]
    rejected_answers: int
    service_calls: dict[str, int]
    service_rejections: dict[str, int]
    tokens_issued: int
    topics: list[str]
    calls_opened: dict[str, int]
    open_calls: list[OpenCall]
    delivered: dict[str, int]
    delivery_allocation: AllocationReply
    publish_allocation: AllocationReply
