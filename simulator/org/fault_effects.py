"""Carries out the faults of the org: a migration, a new schema, revoked tokens, allocations, maintenance. Pure."""

from collections.abc import Callable
from dataclasses import dataclass

from simulator.clock import Clock
from simulator.events.event_schema import AddedField, DeclaredSchema, EventSchema, PlatformEvent
from simulator.faults import fault as ordered
from simulator.faults.rpc_errors import closed_by_migration, token_refused
from simulator.org.allocation import Allocation
from simulator.org.event_log import EventLog
from simulator.org.open_calls import OpenCalls
from simulator.org.tokens import Tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultEffects:
    """The parts of an org that a fault changes.

    `schema` returns the present schema of a topic (None: of the first), `install` sets another. `maintenance` is called
    with the seconds for which the Pub/Sub API stops.
    """

    clock: Clock
    log: EventLog
    tokens: Tokens
    schema: Callable[[str | None], EventSchema]
    install: Callable[[DeclaredSchema], None]
    calls: OpenCalls
    deliveries: Allocation
    publishes: Allocation
    maintenance: Callable[[float], None]

    def check(self, fault: ordered.AnyFault) -> None:
        """Try now what would fail when the fault is due. Raises `PayloadError`, `UnknownTopicError`."""
        if isinstance(fault, ordered.ChangeSchema):
            self._changed(fault).encode(PlatformEvent(created_at_ms=0, event_type=None, event_payload=None))

    def carry_out(self, fault: ordered.OrgFault) -> None:
        """Carry out a fault that is due."""
        now_ms = self.clock.now_ms()
        match fault:
            case ordered.MigrateOrg(old_ids=old_ids):
                self.log.migrate(unrelated=old_ids == "unrelated")
                self.calls.cut(closed_by_migration())
            case ordered.ChangeSchema():
                self.install(self._changed(fault))
            case ordered.RevokeTokens(client=client, cut=cut):
                tokens = self.tokens.valid(client)
                for token in tokens:
                    self.tokens.revoke(token)
                if cut:
                    self.calls.cut(token_refused(), tokens=tokens)
            case ordered.DeliveryAllocation(events=events):
                self.deliveries.allow(events, now_ms)
            case ordered.PublishAllocation(events=events):
                self.publishes.allow(events, now_ms)
            case ordered.Maintenance(seconds=seconds):
                self.maintenance(seconds)

    def _changed(self, fault: ordered.ChangeSchema) -> EventSchema:
        added = tuple(AddedField(new.name, new.type, new.value) for new in fault.add)
        return self.schema(fault.topic).changed(added, frozenset(fault.remove))
