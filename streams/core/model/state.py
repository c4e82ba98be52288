"""What the processor remembers, one value per key of the tables `conversations`, `routing` and `seen`.

THEORY. A value holds facts, what follows from them, and (routing only) what has been sent already.

* Facts come from the log alone, with the log's own times (`created_at_ms`, `received_at_ms`, `decided_at_ms`). They do
  not depend on when a record was read, nor on how records of different topics interleave.
* What follows (`state`, `outcome`, `due_at_ms`) is computed from the facts and from the deadlines that are known to
  have passed, so it can always be computed again.
* `Told` says which outputs were sent. It may differ between two histories of the same log (a time-out was announced
  before the result was read, or was not) and is left out when two states are compared.

Values are arrays on the wire (msgpack in changelogs): fields may only be added at the end, with a default.
All values are bounded: none contains its history.
"""

from typing import Protocol

import msgspec

from streams.core.model.details import Details
from streams.core.model.keys import routing_key

MAX_PARTICIPANTS = 16  # Salesforce allows far fewer in a conference
MAX_OPEN_REQUESTS = 16  # requests of one conversation that a result can still be bound to
MAX_ORPHANS = 8  # results of one conversation that wait for their request
MAX_RESULTS = 4  # results bound to one request: early success, cancel, and spare
MAX_DECISIONS = 8  # decisions kept for one request: one for each time that its router can be asked, and spare
MAX_MOMENTS = 4  # declined, seated, session ended; more of them change nothing that matters
MAX_ROUTING_TYPES = 8  # routing types counted per conversation; an open enumeration


class Participant(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """Someone in the conversation. `left_at_ms` is None while they are in it."""

    subject: str
    role: str | None = None
    app_type: str | None = None
    display_name: str | None = None
    joined_at_ms: int | None = None
    left_at_ms: int | None = None


class Session(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """The current messaging session: `id` has 15 characters; `status` and `ended_by` (a role) are Salesforce's."""

    id: str | None = None
    status: str | None = None
    changed_at_ms: int | None = None
    started_at_ms: int | None = None
    ended_by: str | None = None


class Counters(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """How many entries of this conversation ended in each way. Typing and progress are not counted here."""

    delivered: int = 0
    withheld: int = 0
    state: int = 0
    routing_requests: int = 0


class RoutingResult(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """The facts of one `RoutingResult` entry that correlation and outcomes need.

    `verdict` is a `RoutingEvent` value (success, cancelled or failed). `identifiers` are all ids in the entry that
    could name the request.
    """

    event_uuid: str
    created_at_ms: int
    received_at_ms: int
    verdict: str
    routing_type: str | None = None
    failure_type: str | None = None
    reason: str | None = None
    cancel_reason: str | None = None
    record_id: str | None = None
    pending_service_routing_id: str | None = None
    router_subject: str | None = None
    queue_id: str | None = None
    agent_id: str | None = None
    identifiers: tuple[str, ...] = ()


class Decision(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """The facts of one `RoutingDecision` of the partner's router."""

    decision_id: str
    decision: str
    decided_at_ms: int
    reason: str | None = None
    user_id: str | None = None
    externally_routed: bool = False


class Moment(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """Something that happened to a request besides decisions and results; `event` is a `RoutingEvent` value.

    `subject` is who joined, where an entry said so.
    """

    event: str
    at_ms: int
    subject: str | None = None


class Told(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """The outputs that were sent for one request.

    `answer` is the decision that went to Salesforce as `routingResult` ("accept" or "refuse"), `outcome` the outcome
    published last and `revision` the number the next one gets. `answer_waits` is true once it was counted that an
    answer could not be sent because no work item was known. `work` names the other calls made (`operations.call_name`).
    `asked_again` is the number of tasks after the first.
    """

    task: bool = False
    answer: str | None = None
    answer_waits: bool = False
    outcome: str | None = None
    revision: int = 0
    work: tuple[str, ...] = ()
    asked_again: int = 0


class RequestFacts(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """The facts of one `RoutingRequested` event. All deadlines of the request are counted from `created_at_ms`."""

    event_uuid: str
    created_at_ms: int
    received_at_ms: int
    org_id: str
    routing_type: str
    target_kind: str
    attempt: int
    conversation_identifier: str | None = None
    target_id: str | None = None
    skills: tuple[str, ...] = ()
    channel_address_id: str | None = None
    end_user_subject: str | None = None
    channel_data: str | None = None
    router_subject: str | None = None
    fallback_queue_id: str | None = None


class CallState(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """The result of a call made for a request; `kind` is the call's name (`operations.call_name`)."""

    kind: str
    outcome: str
    at_ms: int
    error_code: int | None = None
    agent_work_id: str | None = None
    pending_service_routing_id: str | None = None


class RoutingRequest(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """One routing request: its facts, its state, and what was sent for it.

    `facts` is None while only decisions for the request, or results of its calls, have been read. `work_item_id` is the
    first work item known for it. `ambiguous`: a result bound to it could have meant another request. `passed_ms` is the
    last of its own deadlines known to have passed. `state` is a `RoutingState` value, `outcome` a `records.Outcome`
    value once it is settled. `agent_work_id` is the work that Salesforce named for it last.
    """

    conversation_id: str
    request_id: str
    facts: RequestFacts | None = None
    decisions: tuple[Decision, ...] = ()
    results: tuple[RoutingResult, ...] = ()
    moments: tuple[Moment, ...] = ()
    work_item_id: str | None = None
    ambiguous: bool = False
    result_came_first: bool = False
    passed_ms: int | None = None
    state: str = ""
    outcome: str | None = None
    settled_at_ms: int | None = None
    due_at_ms: int | None = None
    told: Told = Told()
    calls: tuple[CallState, ...] = ()
    agent_work_id: str | None = None

    @property
    def key(self) -> str:
        """Its key in the table `routing`."""
        return routing_key(self.conversation_id, self.request_id)


class Conversation(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """One conversation as it is now.

    `end_user_subject` is the first end user its events named; messages for anyone else are withheld. `consent` is
    Salesforce's word (`OptIn`, `OptOut`). `open_request_ids` are the requests a result can still be bound to, oldest
    first; `orphans` the results that wait for their request. `attempts` counts requests by routing type.
    `no_delivery` marks a rep-to-rep consultation. `ended_at_ms` is None while it lives. `details` is None while nothing
    rare has happened to it.
    """

    conversation_id: str
    org_id: str
    channel_address_id: str | None = None
    end_user_subject: str | None = None
    participants: tuple[Participant, ...] = ()
    session: Session = Session()
    consent: str | None = None
    open_request_ids: tuple[str, ...] = ()
    orphans: tuple[RoutingResult, ...] = ()
    attempts: tuple[tuple[str, int], ...] = ()
    counters: Counters = Counters()
    started_at_ms: int = 0
    last_activity_ms: int = 0
    ended_at_ms: int | None = None
    no_delivery: bool = False
    due_at_ms: int | None = None
    details: Details | None = None

    @property
    def key(self) -> str:
        """Its key in the table `conversations`."""
        return self.conversation_id


class Seen(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """An entry that has been applied. It may be forgotten from `expires_at_ms` on."""

    expires_at_ms: int


Value = Conversation | RoutingRequest | Seen


class StateReader(Protocol):
    """What a turn may read. A read sees all earlier records of the partition, and gives the same during one turn."""

    def conversation(self, conversation_id: str) -> Conversation | None:
        """The conversation; None when nothing is known of it."""
        ...

    def request(self, conversation_id: str, request_id: str) -> RoutingRequest | None:
        """The routing request; None when nothing is known of it."""
        ...

    def seen(self, key: str) -> Seen | None:
        """The entry of the table `seen` under this key (`keys.seen_key`); None when it is not there (any more)."""
        ...
