"""The script of one conversation: its people and its steps. Pure; a seed and a number always give the same script.

Everything random is drawn here, ids included. Times and sequence numbers are added when the script is played.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from simulator.events.seeded import SeededRandom, new_record_id, new_uuid, seeded
from simulator.scenario.message_formats import OTHER_FORMATS, PLAIN_TEXT
from simulator.scenario.options import ActivityKind, ScenarioOptions
from simulator.scenario.sentences import some_text, some_whisper
from simulator.service.routing_desk import Planned

CHANNEL_ADDRESS_ID = "c0ffee00-0000-4000-8000-0000000000c1"
ROLL_CALL = 8  # the first conversations of a play, which share every kind among them
_LONGEST_REPEAT_GAP = 3  # steps between an event and its duplicate
_TARGETS = ("rep", "queue", "flow", "external", "skills")


class StepKind(StrEnum):
    """What happens in a step: one for each event of an activity, and those that begin and end a conversation."""

    SESSION_STARTED = "session_started"
    REP_JOINED = "rep_joined"
    MESSAGE = "message"
    TYPING_STARTED = "typing_started"
    TYPING_STOPPED = "typing_stopped"
    DELIVERED = "delivered"
    READ = "read"
    NOTE = "note"
    FLAG_RAISED = "flag_raised"
    FLAG_LOWERED = "flag_lowered"
    INTERNAL = "internal"
    UNKNOWN = "unknown"
    ECHO = "echo"
    QUEUE_POSITION = "queue_position"
    PROGRESS = "progress"
    SUPERVISOR_JOINED = "supervisor_joined"
    SUPERVISOR_LEFT = "supervisor_left"
    ROUTING_REQUESTED = "routing_requested"
    CONSENT = "consent"
    UPLOAD = "upload"
    DELIVERY_FAILED = "delivery_failed"
    CONSULT = "consult"
    CONSULTATION = "consultation"  # what is said in it
    TRANSFER_PROGRESS = "transfer_progress"
    CONFERENCED = "conferenced"
    WORK_ACCEPTED = "work_accepted"
    OPTED_OUT = "opted_out"
    OPT_OUT_CONFIRMED = "opt_out_confirmed"
    AFTER_OPT_OUT = "after_opt_out"
    REP_LEFT = "rep_left"
    SESSION_ENDED = "session_ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class RoutingPlan:
    """Whom a routing request asks for, how it is planned to end, and who joins when it succeeds."""

    request_id: str | None  # None: the event carries no channelData
    routing_type: str
    target_kind: str
    target_id: str | None
    router_subject: str
    planned: Planned
    names_work_item: bool
    cancel_after: float  # share of the routing time-out
    joining_user_id: str
    declining_entry_id: str
    joining_entry_id: str
    leaving_entry_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step. `repeat_after` says after how many more steps its event comes a second time."""

    kind: StepKind
    entry_id: str
    event_uuid: str
    text: str = ""
    variant: str = ""
    number: int = 0
    repeat_after: int | None = None
    routing: RoutingPlan | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """One conversation from the start of its session to the end."""

    number: int
    conversation_id: str
    end_user_subject: str
    session_id: str
    rep_user_id: str
    rep_name: str
    supervisor_user_id: str
    inbound_entry_id: str
    steps: tuple[Step, ...]

    @property
    def events(self) -> int:
        """Return how many events the steps publish, repeats included and results of routing left out."""
        return len(self.steps) + sum(step.repeat_after is not None for step in self.steps)


def write_script(options: ScenarioOptions, *, seed: int, number: int) -> Script:
    """Return the script of the conversation with this number."""
    rng = seeded(seed, f"conversation {number}")
    conversation_id = new_uuid(rng)
    steps = [_step(rng, StepKind.SESSION_STARTED), _step(rng, StepKind.REP_JOINED)]
    for kind, whole in _middle(rng, options, number):
        steps.extend(_steps_of(rng, kind, options, whole=whole))
    steps += [_step(rng, StepKind.REP_LEFT), _step(rng, StepKind.SESSION_ENDED)]
    return Script(
        number=number,
        conversation_id=conversation_id,
        end_user_subject=f"cust-{rng.randrange(10**9):09d}",
        session_id=new_record_id(rng, "0Mw"),
        rep_user_id=new_record_id(rng, "005"),
        rep_name=rng.choice(("Ana R.", "Ben K.", "Chloé D.", "Dario M.", "Emi S.")),
        supervisor_user_id=new_record_id(rng, "005"),
        inbound_entry_id=new_uuid(rng),
        steps=tuple(_with_repeats(rng, steps, options.duplicate_share)),
    )


def _middle(rng: SeededRandom, options: ScenarioOptions, number: int) -> list[tuple[ActivityKind, bool]]:
    """The activities in their order; True for those that play every step they have."""
    weights = options.weights()
    count = rng.randint(max(1, options.steps // 2), options.steps * 3 // 2)
    drawn = rng.choices([ActivityKind(name) for name in weights], weights=list(weights.values()), k=count)
    middle = [(kind, False) for kind in drawn]
    for kind in _called(weights, number):
        middle.insert(rng.randint(0, len(middle)), (kind, True))
    # Accepted work before any routing request: it is the first rep's, and must not count as the joining that a request
    # waits for. An opt-out after everything that is to be delivered.
    return sorted(middle, key=lambda each: (each[0] is not ActivityKind.WORK_ACCEPTED, each[0] is ActivityKind.OPT_OUT))


def _called(weights: dict[str, float], number: int) -> list[ActivityKind]:
    """The activities that this conversation plays in any case, so that the first `ROLL_CALL` conversations play all."""
    wanted = [ActivityKind(name) for name, weight in weights.items() if weight > 0]
    return wanted[number - 1 :: ROLL_CALL] if number <= ROLL_CALL else []


def _steps_of(rng: SeededRandom, kind: ActivityKind, options: ScenarioOptions, *, whole: bool) -> list[Step]:
    """The steps of one kind: those that are drawn, or with `whole` one of each that it has."""
    match kind:
        case ActivityKind.MESSAGE:
            plain = rng.random() < options.plain_text_share
            variant = PLAIN_TEXT if plain else rng.choice(OTHER_FORMATS)
            steps = [_step(rng, StepKind.MESSAGE, text=some_text(rng), variant=variant)]
        case ActivityKind.ROUTING:
            steps = [_step(rng, StepKind.ROUTING_REQUESTED, routing=_routing(rng, options))]
        case ActivityKind.FLAG:
            steps = [_step(rng, StepKind.FLAG_RAISED, text=some_whisper(rng)), _step(rng, StepKind.FLAG_LOWERED)]
        case ActivityKind.NOTE | ActivityKind.INTERNAL:
            steps = [_step(rng, StepKind(kind.value), text=some_whisper(rng))]
        case ActivityKind.TYPING:
            steps = [_step(rng, StepKind.TYPING_STARTED), _step(rng, StepKind.TYPING_STOPPED)]
            steps = steps if whole else steps[: rng.randint(1, 2)]
        case ActivityKind.RECEIPT:
            # Read before delivered is normal.
            receipts = (StepKind.READ, StepKind.DELIVERED)
            steps = [_step(rng, each) for each in (receipts if whole else (rng.choice(receipts),))]
        case ActivityKind.SUPERVISOR:
            steps = [_step(rng, StepKind.SUPERVISOR_JOINED), _step(rng, StepKind.SUPERVISOR_LEFT)]
        case ActivityKind.QUEUE_POSITION:
            steps = [_step(rng, StepKind.QUEUE_POSITION, number=rng.randint(1, 20))]
        case ActivityKind.UNKNOWN | ActivityKind.ECHO | ActivityKind.PROGRESS:
            steps = [_step(rng, StepKind(kind.value), text=some_text(rng))]
        case ActivityKind.CONSULT | ActivityKind.OPT_OUT:
            steps = _silencing(rng, kind)
        case (
            ActivityKind.CONSENT
            | ActivityKind.UPLOAD
            | ActivityKind.DELIVERY_FAILED
            | ActivityKind.TRANSFER_PROGRESS
            | ActivityKind.CONFERENCED
            | ActivityKind.WORK_ACCEPTED
        ):
            steps = [_step(rng, StepKind(kind.value))]
    return steps


def _silencing(rng: SeededRandom, kind: ActivityKind) -> list[Step]:
    """Steps with messages that must be withheld only because of a step before them."""
    if kind is ActivityKind.CONSULT:
        other = new_uuid(rng)  # another conversation, between reps
        said = [_step(rng, StepKind.CONSULTATION, variant=other, text=some_whisper(rng)) for _ in range(2)]
        return [_step(rng, StepKind.CONSULT, variant=other), *said]
    kinds = (StepKind.OPTED_OUT, StepKind.OPT_OUT_CONFIRMED, StepKind.AFTER_OPT_OUT)
    return [_step(rng, each, text=some_text(rng)) for each in kinds]


def _routing(rng: SeededRandom, options: ScenarioOptions) -> RoutingPlan:
    draw = rng.random()
    planned = Planned.ANSWER
    for candidate, share in (
        (Planned.IGNORE, options.ignore_share),
        (Planned.CANCEL, options.cancel_share),
        (Planned.RESULT_FIRST, options.result_first_share),
    ):
        if draw < share:
            planned = candidate
            break
        draw -= share
    if planned is Planned.ANSWER and rng.random() < options.decline_share:
        planned = Planned.DECLINE
    routing_type = rng.choice(("Transfer", "Transfer", "Conference"))
    # A conference with a contact outside is not supported by Salesforce.
    targets = [kind for kind in _TARGETS if not (kind == "external" and routing_type == "Conference")]
    target_kind = rng.choice(targets)
    prefixes = {"rep": "005", "queue": "00G", "flow": "300"}
    target_id = new_record_id(rng, prefixes[target_kind]) if target_kind in prefixes else None
    joining_user_id = new_record_id(rng, "005")
    # Without channelData a request has no id of its own; such a one is left to the partner.
    bare = planned is Planned.ANSWER and rng.random() < 0.1
    return RoutingPlan(
        request_id=None if bare else new_uuid(rng),
        routing_type=routing_type,
        target_kind=target_kind,
        target_id=f"ext-agent-{rng.randint(1, 99)}" if target_kind == "external" else target_id,
        router_subject=new_uuid(rng),
        planned=planned,
        names_work_item=rng.random() < 0.5,
        cancel_after=rng.uniform(0.1, 0.5),
        # a rep who was asked for by name is the one who joins
        joining_user_id=target_id if target_kind == "rep" and target_id else joining_user_id,
        declining_entry_id=new_uuid(rng),
        joining_entry_id=new_uuid(rng),
        leaving_entry_id=new_uuid(rng),
    )


def _step(
    rng: SeededRandom,
    kind: StepKind,
    *,
    text: str = "",
    variant: str = "",
    number: int = 0,
    routing: RoutingPlan | None = None,
) -> Step:
    return Step(
        kind=kind,
        entry_id=new_uuid(rng),
        event_uuid=new_uuid(rng),
        text=text,
        variant=variant,
        number=number,
        routing=routing,
    )


def _with_repeats(rng: SeededRandom, steps: list[Step], share: float) -> list[Step]:
    return [
        replace(step, repeat_after=rng.randint(0, _LONGEST_REPEAT_GAP)) if rng.random() < share else step
        for step in steps
    ]
