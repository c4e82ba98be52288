"""Hypothesis strategies: what can happen to one conversation, and ways in which the processor may read it.

A history is two logs, the events and the router's decisions, each in an order of its own; events may be lost, late,
repeated under other replay ids and out of the order of their times. A reading interleaves the two logs, and lets the
clock and the timers run at any moment between two records.
"""

from dataclasses import dataclass

from hypothesis import strategies as st
from msgspec.structs import replace

from schemas.records import OutboundEvent, RoutingDecision
from tests.support.domain import (
    END_USER,
    REP,
    SECOND,
    WORK_ITEM,
    consent,
    decision,
    entry,
    envelope,
    event,
    message,
    participant,
    party,
    requested,
    result,
    session,
    text_body,
    typing,
)

REQUEST_IDS = ("r1", "r2", "r3")
# Times around every limit, and between them: 50 s, 60 s, 120 s, 180 s.
MOMENTS_MS = sorted(
    {max(0, edge * SECOND + shift) for edge in (0, 1, 20, 50, 60, 120, 180) for shift in (-1, 0, 1)} | {240 * SECOND}
)
HORIZON_MS = 24 * 3600 * SECOND  # all deadlines are past, all retentions are not

times = st.sampled_from(MOMENTS_MS)
lags = st.sampled_from([0, 20, 5 * SECOND, 50 * SECOND, 70 * SECOND, 125 * SECOND])


@dataclass(frozen=True, slots=True)
class History:
    """The two logs of one conversation."""

    events: list[OutboundEvent]
    decisions: list[RoutingDecision]


@dataclass(frozen=True, slots=True)
class Reading:
    """One way to read a history. Each step: which log, how far the clock moves first, whether timers run then."""

    steps: list[tuple[bool, int, bool]]


@st.composite
def requests(draw: st.DrawFn) -> OutboundEvent:
    at = draw(times)
    request_id = draw(st.sampled_from(REQUEST_IDS))
    return requested(
        request_id,
        at=at,
        received=at + draw(lags),
        routing_type=draw(st.sampled_from(["Transfer", "Conference", None])),
        work_item=draw(st.sampled_from([WORK_ITEM, None])),
        router=draw(st.sampled_from([None, "router-1"])),
        userId=draw(st.sampled_from([REP, None])),
        uuid=f"uuid-{request_id}-{at}",
    )


@st.composite
def results(draw: st.DrawFn) -> OutboundEvent:
    at = draw(times)
    named = draw(st.sampled_from([None, None, *REQUEST_IDS]))
    hints: dict[str, object] = {} if named is None else {"eventId": named}
    if draw(st.booleans()):
        hints["pendingServiceRoutingId"] = draw(st.sampled_from(["psr-1", "psr-2"]))
    if draw(st.booleans()):
        hints["routingConfigurationDetails"] = {"agentId": REP}
    return result(
        draw(st.sampled_from(["None", "None", "Cancelled", "RoutingError", None])),
        at=at,
        received=at + draw(lags),
        routing_type=draw(st.sampled_from(["Transfer", "Conference", None])),
        record_id=draw(st.sampled_from([WORK_ITEM, None])),
        sender=draw(st.sampled_from([None, party("Router", "router-1")])),
        **hints,  # type: ignore[arg-type]  # hints are entry fields
    )


@st.composite
def changes(draw: st.DrawFn) -> OutboundEvent:
    at = draw(times)
    kind = draw(st.sampled_from(["session", "participant", "work", "consent"]))
    if kind == "session":
        return session(draw(st.sampled_from(["Active", "Ended", "Inactive"])), at=at)
    if kind == "participant":
        operation = draw(st.sampled_from(["add", "remove"]))
        return participant(operation, draw(st.sampled_from([REP, "005Other"])), at=at)
    if kind == "work":
        word = draw(st.sampled_from(["Declined", "Accepted", "Assigned"]))
        return entry("RoutingWorkResult", {"workType": word, "workTargetId": WORK_ITEM, "workId": "0Bz1"}, at=at)
    return consent(draw(st.sampled_from(["OptIn", "OptOut"])), at=at)


@st.composite
def notices(draw: st.DrawFn) -> OutboundEvent:
    """What Salesforce tells about the end user's own entries and place, and progress."""
    at = draw(times)
    kind = draw(st.sampled_from(["queue", "read", "upload", "progress"]))
    if kind == "queue":
        return entry("QueuePosition", {"workItemId": WORK_ITEM, "position": draw(st.integers(1, 3))}, at=at)
    if kind == "read":
        read = {"acknowledgedConversationEntryIdentifier": "in-1", "acknowledgementTimestamp": at}
        return entry(draw(st.sampled_from(["ReadAcknowledgement", "DeliveryAcknowledgement"])), read, at=at)
    if kind == "upload":
        word = draw(st.sampled_from(["Pending", "Completed", "Error"]))
        told = {"id": "a1", "attachmentUploadResult": {"resultType": f"{word}AttachmentUploadResult"}}
        return entry(
            "MessageUpdated", {"updatedMessage": {"id": "in-1", "staticContent": {"attachments": [told]}}}, at=at
        )
    return entry("ProgressIndicator", {}, at=at, received=at + draw(lags))


def state_entries() -> st.SearchStrategy[OutboundEvent]:
    """Entries that change the state and reach nobody, and progress."""
    return st.one_of(changes(), changes(), notices())


@st.composite
def entries_for_people(draw: st.DrawFn) -> OutboundEvent:
    """Messages and what looks like one: only some may reach the end user."""
    at = draw(times)
    entry_id = draw(st.sampled_from(["e1", "e2", "e3", "e4"]))
    kind = draw(st.sampled_from(["message", "typing", "note", "internal", "echo", "unknown", "other", "mismatch"]))
    if kind == "message":
        return message(f"text of {entry_id}", entry_id=entry_id, at=at)
    if kind == "typing":
        return typing(at=at, received=at + draw(lags), entry_id=entry_id)
    forbidden = "FORBIDDEN"
    body = text_body(forbidden, entry_id)
    match kind:
        case "note":
            payload = envelope(text_body(forbidden, entry_id, "Note"), entry_id=entry_id)
        case "unknown":
            payload = envelope(text_body(forbidden, entry_id, "Telegram"), entry_id=entry_id)
        case "internal":
            payload = envelope(body, entry_id=entry_id, visibilityStrategy="Internal")
        case "echo":
            payload = envelope(body, entry_id=entry_id, sender=party("EndUser", END_USER))
        case "other":
            payload = envelope(body, entry_id=entry_id, recipient=party("Agent", "005Other"))
        case _:
            payload = envelope(body, entry_id=entry_id, entryType="Note")
    return event(payload, at=at)


@st.composite
def decisions(draw: st.DrawFn) -> RoutingDecision:
    return decision(
        draw(st.sampled_from(["accept", "refuse"])),
        at=draw(times),
        request_id=draw(st.sampled_from([*REQUEST_IDS, "unknown"])),
        decision_id=draw(st.sampled_from(["d1", "d2", "d3"])),
    )


@st.composite
def repeated(draw: st.DrawFn, events: list[OutboundEvent]) -> list[OutboundEvent]:
    """The events with some of them again, later in the log, under another replay id, some with another UUID."""
    log = list(events)
    if events:
        for again in draw(st.lists(st.sampled_from(events), max_size=3)):
            uuid = draw(st.sampled_from([again.event_uuid, again.event_uuid + "-again"]))
            first = log.index(again)
            at = draw(st.integers(first + 1, len(log)))
            log.insert(at, replace(again, replay_id=b"\x09", event_uuid=uuid))
    return log


@st.composite
def histories(draw: st.DrawFn, *, people: bool = True) -> History:
    parts = [requests(), requests(), results(), results(), state_entries()]
    if people:
        parts.append(entries_for_people())
    log = draw(st.lists(st.one_of(*parts), min_size=1, max_size=10))
    return History(draw(repeated(log)), draw(st.lists(decisions(), max_size=4)))


@st.composite
def readings(draw: st.DrawFn, history: History) -> Reading:
    """An interleaving of the two logs, with moves of the clock in ms and timers at any point."""
    turns = [True] * len(history.events) + [False] * len(history.decisions)
    moves = st.sampled_from([0, 0, 1, 10 * SECOND, 50 * SECOND, 60 * SECOND])
    order = draw(st.permutations(turns))
    return Reading([(turn, draw(moves), draw(st.booleans())) for turn in order])
