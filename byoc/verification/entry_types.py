"""Counts how the events of each entry type ended. Pure.

The rows are the processor's own table of entry types. Whether an event ended rightly is judged by the simulator's
ledger, not by that table: a delivery counts where the partner accepted it; an event that was not delivered gets the
fate that the ledger expects for it, or is lost.
"""

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

from byoc.verification.evidence import Evidence, Published
from simulator.events.expectation import Expectation
from streams.core.model.entries import ROUTING_REQUESTED
from streams.core.model.entry_types import ENTRY_TYPES, ROUTING_RESULT, DeliveryClass

UNKNOWN = "(unknown)"  # every type that the public schema does not name, and none at all


class Fate(StrEnum):
    """Where an event ended; each published event has one."""

    DELIVERED = "delivered"
    WITHHELD = "withheld"
    STATE = "state"
    ROUTING = "routing"
    STALE = "stale"  # typing or progress that was too old to be worth sending
    REPEATED = "repeated"  # published a second time; only the first counts
    LOST = "lost"


_UNDELIVERED: dict[str, Fate] = {
    Expectation.DELIVER: Fate.LOST,
    Expectation.EPHEMERAL: Fate.STALE,
    Expectation.WITHHOLD: Fate.WITHHELD,
    Expectation.STATE: Fate.STATE,
    Expectation.ROUTING_REQUEST: Fate.ROUTING,
    Expectation.ROUTING_RESULT: Fate.ROUTING,
}


# What a person is shown as the class of a type; for `ROUTING_RESULT`, which is a state entry, it is routing.
_CLASS_WORDS = {
    DeliveryClass.DELIVER: "deliver",
    DeliveryClass.EPHEMERAL: "ephemeral",
    DeliveryClass.STATE: "state",
    DeliveryClass.NEVER: "withhold",
}
_ROUTING = "routing"
_WORD_OF = {name: _CLASS_WORDS[row.delivery_class] for name, row in ENTRY_TYPES.items() if row.in_schema}
_WORD_OF[ROUTING_RESULT] = _ROUTING


@dataclass(slots=True)
class TypeCount:
    """One entry type: its class by the delivery rules, how many were published, and their fates, which add up."""

    entry_type: str
    expected: str
    published: int = 0
    fates: Counter[Fate] = field(default_factory=Counter)


def count_types(evidence: Evidence) -> list[TypeCount]:
    """A row for each type of the public schema, also when none was published; then requests and unknown types."""
    rows = {name: TypeCount(name, word) for name, word in _WORD_OF.items()}
    rows[ROUTING_REQUESTED] = TypeCount(ROUTING_REQUESTED, _ROUTING)
    rows[UNKNOWN] = TypeCount(UNKNOWN, _CLASS_WORDS[DeliveryClass.NEVER])
    accepted = {line.delivery_id for line in evidence.received if not line.repeat}
    reached = {delivery.event_uuid for delivery in evidence.deliveries if delivery.delivery_id in accepted}
    mirrored = {(event.event_uuid, event.replay_id) for event in evidence.events}
    for event in evidence.published:
        row = rows[_name(event)]
        row.published += 1
        row.fates[_fate(event, reached, mirrored)] += 1
    return list(rows.values())


def _name(event: Published) -> str:
    if event.expect == Expectation.ROUTING_REQUEST:
        return ROUTING_REQUESTED
    return event.entry_type if event.entry_type in _WORD_OF else UNKNOWN


def _fate(event: Published, reached: set[str], mirrored: set[tuple[str, bytes]]) -> Fate:
    if (event.event_uuid, event.replay_id) not in mirrored:
        return Fate.LOST
    if event.duplicate_of_seq is not None:
        return Fate.REPEATED
    return Fate.DELIVERED if event.event_uuid in reached else _UNDELIVERED[event.expect]
