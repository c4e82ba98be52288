"""Makes the event that Salesforce would publish for a step of a script. Pure.

The facts beside each payload say what the script means by the event. They are not read back from the payload, so that
a test can compare the two.
"""

from dataclasses import dataclass

from simulator.events import entries
from simulator.events.entries import Json
from simulator.events.event_facts import EventFacts, RoutingRequestFacts
from simulator.events.expectation import Expectation
from simulator.scenario.message_formats import BUILDERS
from simulator.scenario.script import CHANNEL_ADDRESS_ID, RoutingPlan, Script, Step, StepKind
from simulator.scenario.system_entries import SYSTEM_ENTRY_STEPS, system_entry


@dataclass(frozen=True, slots=True)
class Rendered:
    """One event to publish."""

    event_type: str
    payload: Json
    facts: EventFacts


@dataclass(frozen=True, slots=True)
class Moment:
    """When a step happens: its number in the conversation, the time, the rep of that time, the session's start."""

    seq: int
    at_ms: int
    rep_user_id: str
    started_at_ms: int


_EXPECTED = {
    StepKind.MESSAGE: Expectation.DELIVER,
    StepKind.TYPING_STARTED: Expectation.EPHEMERAL,
    StepKind.TYPING_STOPPED: Expectation.EPHEMERAL,
    StepKind.PROGRESS: Expectation.EPHEMERAL,
    StepKind.NOTE: Expectation.WITHHOLD,
    StepKind.FLAG_RAISED: Expectation.WITHHOLD,
    StepKind.FLAG_LOWERED: Expectation.WITHHOLD,
    StepKind.INTERNAL: Expectation.WITHHOLD,
    StepKind.UNKNOWN: Expectation.WITHHOLD,
    StepKind.ECHO: Expectation.WITHHOLD,
    StepKind.CONSULTATION: Expectation.WITHHOLD,
    StepKind.OPT_OUT_CONFIRMED: Expectation.DELIVER,
    StepKind.AFTER_OPT_OUT: Expectation.WITHHOLD,
}
JUDGED_BY_HISTORY = frozenset({StepKind.CONSULTATION, StepKind.AFTER_OPT_OUT})
"""Messages that nothing forbids but what was said before them: an announcement, an opt-out."""


def render(script: Script, step: Step, moment: Moment) -> Rendered:
    """Return the event of a step; its text ends with `#<conversation number>-<seq>`."""
    if step.routing is not None:
        return _routing_requested(script, step.routing)
    entry = _entry(script, step, moment)
    sender, name, extra = _author(script, step, moment)
    conversation_id = step.variant if step.kind is StepKind.CONSULTATION else script.conversation_id
    payload = entries.interaction(
        channel_address_id=CHANNEL_ADDRESS_ID,
        conversation_id=conversation_id,
        end_user_subject=script.end_user_subject,
        entry_id=step.entry_id,
        sender=sender,
        sender_name=name,
        entry=entry,
        at_ms=moment.at_ms,
        extra=extra,
    )
    facts = EventFacts(
        event_type="Interaction",
        conversation_id=conversation_id,
        entry_type=entry["entryType"],
        entry_id=step.entry_id,
        expect=_EXPECTED.get(step.kind, Expectation.STATE),
        session_id=script.session_id if entry["entryType"] == "SessionStatusChanged" else None,
    )
    return Rendered("Interaction", payload, facts)


def render_state(script: Script, moment: Moment, entry: Json, *, sender: Json, name: str) -> Rendered:
    """Return the event of an entry that changes state only, such as a rep who joins after a routing request."""
    payload = entries.interaction(
        channel_address_id=CHANNEL_ADDRESS_ID,
        conversation_id=script.conversation_id,
        end_user_subject=script.end_user_subject,
        entry_id=entry["id"],
        sender=sender,
        sender_name=name,
        entry=entry,
        at_ms=moment.at_ms,
    )
    facts = EventFacts(
        event_type="Interaction",
        conversation_id=script.conversation_id,
        entry_type=entry["entryType"],
        entry_id=entry["id"],
        expect=Expectation.STATE,
    )
    return Rendered("Interaction", payload, facts)


def _author(script: Script, step: Step, moment: Moment) -> tuple[Json, str, Json | None]:
    if step.kind in SYSTEM_ENTRY_STEPS:
        return entries.participant("conversation", "automated", "System"), "System", None
    match step.kind:
        case StepKind.ECHO:
            return entries.end_user(script.end_user_subject), "Customer", None
        case StepKind.SESSION_STARTED | StepKind.SESSION_ENDED | StepKind.QUEUE_POSITION:
            return entries.participant("conversation", "automated", "System"), "System", None
        case StepKind.SUPERVISOR_JOINED | StepKind.SUPERVISOR_LEFT:
            supervisor = entries.participant("agent", script.supervisor_user_id, "Supervisor")
            return supervisor, "Supervisor", None
        case StepKind.INTERNAL:
            return entries.agent(moment.rep_user_id), script.rep_name, {"visibilityStrategy": "Internal"}
        case _:
            return entries.agent(moment.rep_user_id), script.rep_name, None


def _entry(script: Script, step: Step, moment: Moment) -> Json:
    marked = f"{step.text} #{script.number}-{moment.seq}"
    match step.kind:
        case StepKind.MESSAGE:
            entry = BUILDERS[step.variant](step.entry_id, marked)
        case StepKind.INTERNAL | StepKind.ECHO | StepKind.CONSULTATION | StepKind.AFTER_OPT_OUT:
            entry = entries.text_message(step.entry_id, marked)
        case StepKind.OPT_OUT_CONFIRMED:
            entry = entries.text_message(step.entry_id, marked) | {"messageReason": "Consent"}
        case StepKind.NOTE:
            entry = entries.note(step.entry_id, marked)
        case StepKind.FLAG_RAISED:
            entry = entries.flag_raise(step.entry_id, marked)
        case StepKind.FLAG_LOWERED:
            entry = {"entryType": "FlagLower", "id": step.entry_id}
        case StepKind.UNKNOWN:
            # Not in the partner contract, but known from the wider schemas: it carries an e-mail address.
            email = f"{script.end_user_subject}@mail.example"
            entry = {"entryType": "SendTranscriptRequestReceived", "id": step.entry_id, "emailAddress": email}
        case StepKind.PROGRESS:
            entry = entries.progress(step.entry_id, marked, moment.at_ms)
        case StepKind.TYPING_STARTED | StepKind.TYPING_STOPPED:
            started = step.kind is StepKind.TYPING_STARTED
            entry = entries.typing(step.entry_id, started=started, at_ms=moment.at_ms)
        case StepKind.DELIVERED | StepKind.READ:
            entry = entries.acknowledgement(
                step.entry_id,
                read=step.kind is StepKind.READ,
                acknowledged_entry_id=script.inbound_entry_id,
                recipient=entries.agent(moment.rep_user_id),
                at_ms=moment.at_ms,
            )
        case _:
            entry = _state_entry(script, step, moment)
    return entry


def _state_entry(script: Script, step: Step, moment: Moment) -> Json:
    match step.kind:
        case StepKind.QUEUE_POSITION:
            return entries.queue_position(step.entry_id, script.session_id, "0JRHs00000Psr12", step.number)
        case StepKind.SESSION_STARTED | StepKind.SESSION_ENDED:
            ended = step.kind is StepKind.SESSION_ENDED
            return entries.session_status(
                step.entry_id,
                session_id=script.session_id,
                channel_address_id=CHANNEL_ADDRESS_ID,
                conversation_id=script.conversation_id,
                status="Ended" if ended else "Active",
                previous="Active" if ended else None,
                started_at_ms=moment.started_at_ms,
                ended_at_ms=moment.at_ms if ended else None,
            )
        case StepKind.REP_JOINED | StepKind.REP_LEFT:
            operation = "add" if step.kind is StepKind.REP_JOINED else "remove"
            rep = entries.agent(moment.rep_user_id)
            return entries.participant_changed(step.entry_id, operation, rep, script.rep_name)
        case StepKind.SUPERVISOR_JOINED | StepKind.SUPERVISOR_LEFT:
            operation = "add" if step.kind is StepKind.SUPERVISOR_JOINED else "remove"
            supervisor = entries.participant("agent", script.supervisor_user_id, "Supervisor")
            return entries.participant_changed(step.entry_id, operation, supervisor, "Supervisor")
        case _:
            return system_entry(script, step, moment.at_ms)


def _routing_requested(script: Script, plan: RoutingPlan) -> Rendered:
    channel_data = None
    if plan.request_id is not None:
        # `simulatorPlan` is ours: it lets a partner's router in a test know that nobody is to answer.
        hints = {
            "eventId": plan.request_id,
            "routerParticipantSubject": plan.router_subject,
            "routingType": plan.routing_type,
            "conversationId": script.conversation_id,
            "simulatorPlan": plan.planned.value,
        }
        channel_data = entries.as_json(hints)
    work_item_id = script.session_id if plan.names_work_item else None
    payload = entries.routing_requested(
        channel_address_id=CHANNEL_ADDRESS_ID,
        conversation_id=script.conversation_id,
        end_user_subject=script.end_user_subject,
        routing_type=plan.routing_type,
        target=_target(plan),
        channel_data=channel_data,
        work_record_id=work_item_id,
    )
    routing = RoutingRequestFacts(
        routing_type=plan.routing_type,
        target_kind=plan.target_kind,
        target_id=plan.target_id,
        event_id=plan.request_id,
        work_item_id=work_item_id,
        router_subject=plan.router_subject if plan.request_id is not None else None,
        channel_address_id=CHANNEL_ADDRESS_ID,
        end_user_subject=script.end_user_subject,
    )
    facts = EventFacts(
        event_type="RoutingRequested",
        conversation_id=script.conversation_id,
        expect=Expectation.ROUTING_REQUEST,
        routing=routing,
    )
    return Rendered("RoutingRequested", payload, facts)


def _target(plan: RoutingPlan) -> Json:
    if plan.target_kind == "skills":
        return {"skillsList": ["returns", "german"]}
    field = {"rep": "userId", "external": "userId", "queue": "queueId", "flow": "flowId"}[plan.target_kind]
    return {field: plan.target_id}
