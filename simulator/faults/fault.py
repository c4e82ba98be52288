"""The faults that can be ordered, as messages of the admin API: what happens, to which calls or events, and when. Pure.

A fault of a call is looked for when a call begins, and again whenever its stream has sent something. A fault of an
event changes what is published. A fault of the org happens to all of it.
"""

from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta

from simulator.faults.rpc_errors import Status

RPCS = ("GetTopic", "GetSchema", "Subscribe", "ManagedSubscribe", "Publish", "PublishStream")
STREAMS = ("Subscribe", "ManagedSubscribe", "PublishStream")

Rpc: TypeAlias = Literal["GetTopic", "GetSchema", "Subscribe", "ManagedSubscribe", "Publish", "PublishStream"]
Count: TypeAlias = Annotated[int, Meta(ge=1)]
Seconds: TypeAlias = Annotated[float, Meta(ge=0)]


class _Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="do"):
    """The fields of every fault.

    `topic`: only calls or events of this topic. `times`: how often it happens; null: until it is deleted.
    """

    topic: str | None = None
    times: Count | None = 1


class CallFault(_Fault, frozen=True, kw_only=True):
    """Happens to a call.

    `rpc`: only this RPC. `client`: only calls whose access token is this one, or was issued to this client id or user.
    `after_events`: once the call has sent so many events (0: as soon as it is open, open streams at once); null: at the
    start of a call, before it is answered at all.
    """

    rpc: Rpc | None = None
    client: str | None = None
    after_events: Annotated[int, Meta(ge=0)] | None = None


class Fail(CallFault, frozen=True, kw_only=True, tag="fail"):
    """The call ends with a gRPC status.

    `error_code` is the trailer without its prefix; where `status` is null, the code decides it. Without `trailers`, or
    without a code, neither the code nor the rpc id is sent, as when a proxy removes them.
    """

    error_code: str | None = None
    status: Status | None = None
    text: str | None = None
    trailers: bool = True


class End(CallFault, frozen=True, kw_only=True, tag="end"):
    """The stream ends with status OK."""


class Silence(CallFault, frozen=True, kw_only=True, tag="silence"):
    """The call sends nothing more, not even keepalives, though HTTP/2 pings are answered. null seconds: for ever."""

    seconds: Seconds | None = None


class Slow(CallFault, frozen=True, kw_only=True, tag="slow"):
    """Each response comes `seconds` later; `times` counts responses."""

    seconds: Seconds


class Split(CallFault, frozen=True, kw_only=True, tag="split"):
    """A response carries at most `events`; `times` counts responses."""

    events: Count = 1


class Merge(CallFault, frozen=True, kw_only=True, tag="merge"):
    """A response waits for `seconds` for more events and credit, and carries all of them; `times` counts responses."""

    seconds: Seconds


class Reset(CallFault, frozen=True, kw_only=True, tag="reset"):
    """RST_STREAM without any trailer. Needs `wire_faults`."""

    http2_error: Annotated[int, Meta(ge=0, le=0xFFFFFFFF)] = 0


class GoAway(CallFault, frozen=True, kw_only=True, tag="goaway"):
    """The connection of the call gets a GOAWAY and is closed. Needs `wire_faults`."""

    http2_error: Annotated[int, Meta(ge=0, le=0xFFFFFFFF)] = 0


class Cut(CallFault, frozen=True, kw_only=True, tag="cut"):
    """The connection of the call is reset by TCP. Needs `wire_faults`."""


class BlackHole(CallFault, frozen=True, kw_only=True, tag="black_hole"):
    """The connection of the call stays open and carries nothing any more, pings included. Needs `wire_faults`."""


class EventFault(_Fault, frozen=True, kw_only=True):
    """Happens to an event when it is published, after `after_events` others of the topic."""

    after_events: Annotated[int, Meta(ge=0)] = 0


class Duplicate(EventFault, frozen=True, kw_only=True, tag="duplicate"):
    """The event is published twice: the same UUID, another replay id."""


class Swap(EventFault, frozen=True, kw_only=True, tag="swap"):
    """The event comes behind the next event of its topic."""


class Damage(EventFault, frozen=True, kw_only=True, tag="damage"):
    """The event does not fit its schema.

    `noise`: no Avro at all; `truncated`: the payload ends half-way; `surplus`: bytes behind its end; `empty`: no
    payload; `unknown_schema`, `no_schema`: the schema id names none.
    """

    how: Literal["noise", "truncated", "surplus", "empty", "unknown_schema", "no_schema"]


class WrongReplayId(EventFault, frozen=True, kw_only=True, tag="wrong_replay_id"):
    """The event carries no replay id, or a lower one than the event before it."""

    which: Literal["none", "lower"]


class OrgFault(_Fault, frozen=True, kw_only=True):
    """Happens to the org once: at once, or after `after_events` more events of `topic` (null: of any topic)."""

    after_events: Annotated[int, Meta(ge=0)] = 0


class MigrateOrg(OrgFault, frozen=True, kw_only=True, tag="migrate_org"):
    """The org moves: retained events are gone and positions are counted from another number.

    `invalid` old ids are refused from then on; `unrelated` ones are accepted, and mean some place among the new events.
    """

    old_ids: Literal["invalid", "unrelated"] = "invalid"


class NewField(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A nullable field that an administrator adds, and the value of every event from then on."""

    name: Annotated[str, Meta(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")]
    type: Literal["string", "long", "double", "boolean"]
    value: str | int | float | bool | None = None


class ChangeSchema(OrgFault, frozen=True, kw_only=True, tag="change_schema"):
    """The event of `topic` (default: the first) gets and loses fields; retained events keep their old schema."""

    add: list[NewField] = []
    remove: list[str] = []


class RevokeTokens(OrgFault, frozen=True, kw_only=True, tag="revoke_tokens"):
    """All tokens are refused from then on. `cut`: open streams end with `service.auth.error` too."""

    client: str | None = None
    cut: bool = False


class DeliveryAllocation(OrgFault, frozen=True, kw_only=True, tag="delivery_allocation"):
    """In a rolling day, `events` more may be delivered to all subscribers together; null: no limit."""

    events: Annotated[int, Meta(ge=0)] | None


class PublishAllocation(OrgFault, frozen=True, kw_only=True, tag="publish_allocation"):
    """In a rolling hour, `events` more may be published by RPC; null: no limit."""

    events: Annotated[int, Meta(ge=0)] | None


class Maintenance(OrgFault, frozen=True, kw_only=True, tag="maintenance"):
    """The Pub/Sub API stops for `seconds`: open calls end, and connections are refused."""

    seconds: Seconds = 1.0


class LoginFault(_Fault, frozen=True, kw_only=True, tag="login"):
    """A login or userinfo call is answered after `seconds`, with `http_status` or with a token that is null."""

    http_status: Annotated[int, Meta(ge=400, le=599)] | None = None
    null_token: bool = False
    seconds: Seconds = 0.0


WIRE = (Reset, GoAway, Cut, BlackHole)
AnyCallFault: TypeAlias = Fail | End | Silence | Slow | Split | Merge | Reset | GoAway | Cut | BlackHole
AnyEventFault: TypeAlias = Duplicate | Swap | Damage | WrongReplayId
AnyOrgFault: TypeAlias = MigrateOrg | ChangeSchema | RevokeTokens | DeliveryAllocation | PublishAllocation | Maintenance
AnyFault: TypeAlias = AnyCallFault | AnyEventFault | AnyOrgFault | LoginFault
