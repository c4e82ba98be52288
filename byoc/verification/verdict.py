"""The verdict: lost, duplicated, reordered, leaked. Pure.

Judged by the simulator's ledger, which classifies each event by its own reading of the delivery rules: the processor
is never its own judge. Each finding is kept as a sentence, so that a failed run says what is wrong and where.
"""

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from byoc.verification.entry_types import TypeCount, count_types
from byoc.verification.evidence import Evidence, Published
from schemas.records import CallOutcome, DeliveryKind, Outcome, RoutingOutcome

# Which final outcomes agree with Salesforce's conclusion. Where two are allowed, the router's own deadline or refusal
# and Salesforce's event crossed: both tell the truth, by event time ours came first. Failed is never refused: the call
# `routingResult` names no request, and such a request was ended by a call that was meant for another one (`_crossed`).
AGREEING: dict[str, frozenset[str]] = {
    "routed": frozenset({Outcome.ROUTED}),
    "refused": frozenset({Outcome.REFUSED, Outcome.TIMED_OUT}),
    "timed_out": frozenset({Outcome.TIMED_OUT, Outcome.EXPIRED, Outcome.FAILED, Outcome.REFUSED}),
    "cancelled": frozenset({Outcome.CANCELLED, Outcome.REFUSED, Outcome.TIMED_OUT, Outcome.EXPIRED}),
}
SENT = ("deliver", "ephemeral")
Name = TypeVar("Name", bound=Hashable)
SHOWN = 5  # findings of each kind that are printed


@dataclass(slots=True)
class Verdict:
    """The counts of the last line, and the findings behind those that must be 0."""

    published: int = 0
    mirrored: int = 0
    delivered: int = 0
    withheld: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    by_expectation: Counter[str] = field(default_factory=Counter)
    ephemeral: int = 0
    by_type: list[TypeCount] = field(default_factory=list)
    calls: Counter[str] = field(default_factory=Counter)
    repeats: int = 0
    dead_letters: int = 0
    lost: list[str] = field(default_factory=list)
    duplicated: list[str] = field(default_factory=list)
    reordered: list[str] = field(default_factory=list)
    leaked: list[str] = field(default_factory=list)
    crossed: list[str] = field(default_factory=list)  # shown, and no fault of ours

    def is_clean(self) -> bool:
        """Say whether nothing was lost, duplicated, reordered or leaked."""
        return not (self.lost or self.duplicated or self.reordered or self.leaked)

    def last_line(self) -> str:
        """Return the line that other programs read."""
        counts = {
            "published": self.published,
            "mirrored": self.mirrored,
            "delivered": self.delivered,
            "withheld": self.withheld,
            "routed": self.outcomes[Outcome.ROUTED],
            "refused": self.outcomes[Outcome.REFUSED],
            "timed_out": self.outcomes[Outcome.TIMED_OUT],
            "cancelled": self.outcomes[Outcome.CANCELLED],
            "lost": len(self.lost),
            "duplicated": len(self.duplicated),
            "reordered": len(self.reordered),
            "leaked": len(self.leaked),
        }
        return " ".join(f"{name}={count}" for name, count in counts.items())

    def all_findings(self) -> list[str]:
        """All findings, as sentences."""
        return [*self.lost, *self.duplicated, *self.reordered, *self.leaked]

    def first_findings(self) -> list[str]:
        """The first findings of each kind, as sentences."""
        kinds = {"lost": self.lost, "duplicated": self.duplicated, "reordered": self.reordered, "leaked": self.leaked}
        kinds["crossed"] = self.crossed
        return [f"{kind}: {finding}" for kind, found in kinds.items() for finding in found[:SHOWN]]


def judge(evidence: Evidence) -> Verdict:
    """Compare what was published with what arrived."""
    verdict = Verdict(
        published=len(evidence.published),
        by_expectation=Counter(e.expect for e in evidence.published if e.duplicate_of_seq is None),
        by_type=count_types(evidence),
        calls=Counter(f"{result.api} {result.outcome}" for result in evidence.results),
        dead_letters=evidence.dead_letters,
        repeats=sum(line.repeat for line in evidence.received),
    )
    _judge_mirror(evidence, verdict)
    _judge_deliveries(evidence, verdict)
    _judge_routing(evidence, verdict)
    return verdict


def _judge_mirror(evidence: Evidence, verdict: Verdict) -> None:
    """Every published event once in the events topic, in replay order per conversation."""
    found = [(event.event_uuid, event.replay_id) for event in evidence.events]
    verdict.mirrored = len(set(found))
    verdict.duplicated += [f"event {name[0]} is {n} times in the events topic" for name, n in _repeated(found)]
    present = set(found)
    for event in evidence.published:
        if (event.event_uuid, event.replay_id) not in present:
            verdict.lost.append(f"event {event.event_uuid} ({event.expect}) is not in the events topic")
    order = {(event.event_uuid, event.replay_id): number for number, event in enumerate(evidence.published)}
    _check_order(
        verdict,
        "events topic",
        ((e.conversation_id, order.get((e.event_uuid, e.replay_id), -1)) for e in evidence.events),
    )


def _judge_deliveries(evidence: Evidence, verdict: Verdict) -> None:
    """Every deliverable message once in the deliveries topic and at the partner, in order; nothing else there."""
    first: dict[str, Published] = {}
    for event in evidence.published:
        first.setdefault(event.event_uuid, event)
    order = {uuid: number for number, uuid in enumerate(first)}
    verdict.withheld = sum(1 for event in first.values() if event.expect == "withhold")

    sources = {delivery.delivery_id: delivery.event_uuid for delivery in evidence.deliveries}
    for delivery in evidence.deliveries:
        source = first.get(delivery.event_uuid)
        if source is None or source.expect not in SENT:
            expected = "unknown" if source is None else f"{source.entry_type}, expected {source.expect}"
            verdict.leaked.append(f"delivery {delivery.delivery_id} comes of event {delivery.event_uuid} ({expected})")
    by_event = [delivery.event_uuid for delivery in evidence.deliveries]
    verdict.duplicated += [f"event {uuid} was delivered {n} times" for uuid, n in _repeated(by_event)]

    accepted = [line for line in evidence.received if not line.repeat]
    messages = {line.delivery_id for line in accepted if line.kind == DeliveryKind.MESSAGE}
    verdict.delivered = len(messages)
    verdict.ephemeral = len(accepted) - len(messages)
    for line in accepted:
        if line.delivery_id not in sources:
            verdict.leaked.append(f"the partner received {line.delivery_id}, which is not in the deliveries topic")
    received = [line.delivery_id for line in accepted]
    verdict.duplicated += [f"the partner accepted {name} {n} times" for name, n in _repeated(received)]
    reached = {sources[name] for name in messages if name in sources}
    in_topic = set(by_event)
    for uuid, event in first.items():
        if event.expect == "deliver" and uuid not in reached:
            place = "reached the partner" if uuid in in_topic else "became a delivery"
            verdict.lost.append(f"message of event {uuid} (conversation {event.conversation_id}) never {place}")
    _check_order(
        verdict, "deliveries topic", ((d.conversation_id, order.get(d.event_uuid, -1)) for d in evidence.deliveries)
    )
    _check_order(
        verdict,
        "partner's log",
        ((line.conversation_id, order.get(sources.get(line.delivery_id, ""), -1)) for line in accepted),
    )


def _judge_routing(evidence: Evidence, verdict: Verdict) -> None:
    """Every attempt is announced at most once; every request has one final outcome, which agrees with Salesforce's."""
    tasks = [(task.request_id, task.attempt) for task in evidence.tasks]
    verdict.duplicated += [f"routing request {name[0]} was announced {n} times" for name, n in _repeated(tasks)]
    told = [(outcome.request_id, outcome.revision) for outcome in evidence.outcomes]
    verdict.duplicated += [f"outcome {name} was published {n} times" for name, n in _repeated(told)]
    # by event: a request without an event id has an identity of ours, which Salesforce does not know
    final = {o.request_event_uuid: o for o in sorted(evidence.outcomes, key=lambda outcome: outcome.revision)}
    verdict.outcomes = Counter(outcome.outcome for outcome in final.values())
    known = {request.event_uuid for request in evidence.concluded}
    verdict.leaked += [
        f"outcome of a routing request {name} that was never made" for name in final if name not in known
    ]
    for request in evidence.concluded:
        outcome = final.get(request.event_uuid)
        if outcome is None:
            verdict.lost.append(f"routing request {request.event_uuid} has no outcome")
        elif request.concluded is None or outcome.outcome not in AGREEING[request.concluded]:
            ours, theirs = outcome.outcome, request.concluded
            found = verdict.crossed if _crossed(outcome, theirs, evidence) else verdict.lost
            found.append(f"routing request {request.event_uuid} ended as {ours}, for Salesforce as {theirs}")


def _crossed(outcome: RoutingOutcome, concluded: str | None, evidence: Evidence) -> bool:
    """Whether the rep made this request while the refusal of another one was on its way, which then ended this one.

    Only a refusal counts that was attempted once, by the journal, and before the source had this request: there was
    nothing then that could have said so. A call that was made again, or that left later, is ours to answer for.
    """
    if (outcome.outcome, concluded) != (Outcome.FAILED, "refused"):
        return False
    received_ms = min(
        (e.received_at_ms for e in evidence.events if e.event_uuid == outcome.request_event_uuid), default=0
    )
    accepted_ms = {
        each.call_id: each.completed_at_ms for each in evidence.results if each.outcome == CallOutcome.ACCEPTED
    }
    for call in evidence.calls:
        if call.conversation_id != outcome.conversation_id or call.api != "routingResult":
            continue
        tried_ms = [each.at_ms for each in evidence.attempts if each.call_id == call.call_id]
        if (
            call.request_id != outcome.request_id
            and len(tried_ms) == 1
            and tried_ms[0] < received_ms
            and accepted_ms.get(call.call_id, 0) >= outcome.created_at_ms
        ):
            return True
    return False


def _repeated(names: Sequence[Name]) -> list[tuple[Name, int]]:
    return [(name, count) for name, count in Counter(names).items() if count > 1]


def _check_order(verdict: Verdict, where: str, found: Iterable[tuple[str, int]]) -> None:
    """`found` is (conversation, place in the ledger) as read; unknown events (-1) are judged elsewhere."""
    last: dict[str, int] = defaultdict(lambda: -1)
    for conversation_id, place in found:
        if place < 0:
            continue
        if place < last[conversation_id]:
            verdict.reordered.append(
                f"conversation {conversation_id}: event {place} after {last[conversation_id]} in the {where}"
            )
        last[conversation_id] = max(place, last[conversation_id])
