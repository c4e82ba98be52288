"""The play: the same seed gives the same script, and the ledger says the truth about what was published."""

import asyncio
import itertools
import re
from collections import Counter
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from simulator.events import entries
from simulator.events.event_facts import read_facts
from simulator.events.expectation import EXPECTED_OF, Expectation
from simulator.org.org import Org
from simulator.scenario.options import DEFAULT_SHARES, ActivityKind, ScenarioOptions
from simulator.scenario.pacing import Pacer
from simulator.scenario.player import Player
from simulator.scenario.render import JUDGED_BY_HISTORY, Moment, render
from simulator.scenario.script import ROLL_CALL, Script, StepKind, write_script
from simulator.service.errors import CallRejectedError
from simulator.service.request_bodies import RoutingResultBody, WorkBody
from simulator.service.routing_desk import Conclusion, Planned
from simulator.settings import Settings
from simulator.system_clock import SystemClock
from tests.support.published import Published, published_events

SCRIPTS = [write_script(ScenarioOptions(), seed=5, number=number) for number in range(1, 200)]
AT_MS = 1_767_225_600_000


def moment(script: Script, seq: int) -> Moment:
    return Moment(seq, AT_MS, script.rep_user_id, AT_MS)


async def play(*, routing_timeout_s: float = 0.05, **options: Any) -> tuple[Org, list[Published]]:
    """Play to the end, as fast as possible, with nobody who answers; routing requests time out soon."""
    org = Org(Settings(routing_timeout_s=routing_timeout_s), SystemClock())
    playing = asyncio.create_task(Player(org, ScenarioOptions(**({"rate": 0.0} | options)), play_number=0).run())
    async with asyncio.timeout(60):
        while not playing.done():
            org.conclude_overdue_routing()
            await asyncio.sleep(0.002)
    playing.result()
    return org, published_events(org)


def test_a_seed_and_a_number_always_give_the_same_script() -> None:
    def scripts(seed: int) -> list[Script]:
        return [write_script(ScenarioOptions(), seed=seed, number=number) for number in range(1, 20)]

    assert scripts(5) == scripts(5)
    assert scripts(5) != scripts(6)


def test_no_id_of_a_play_is_used_twice() -> None:
    ids = [value for script in SCRIPTS for step in script.steps for value in (step.event_uuid, step.entry_id)]
    assert len(ids) == len(set(ids))
    assert len({script.conversation_id for script in SCRIPTS}) == len(SCRIPTS)


def test_what_the_play_means_by_an_event_is_what_its_payload_says() -> None:
    kinds = set()
    for script in SCRIPTS:
        for seq, step in enumerate(script.steps, 1):
            rendered = render(script, step, moment(script, seq))
            read = read_facts(rendered.event_type, entries.as_json(rendered.payload))
            if step.kind in JUDGED_BY_HISTORY:
                assert (read.expect, rendered.facts.expect) == (Expectation.DELIVER, Expectation.WITHHOLD)
                read = replace(read, expect=rendered.facts.expect)
            assert read == rendered.facts
            kinds.add(step.kind)
    assert kinds == set(StepKind)


def test_texts_end_with_the_number_of_the_conversation_and_the_seq() -> None:
    script = next(script for script in SCRIPTS if any(step.variant == "Text" for step in script.steps))
    step = next(step for step in script.steps if step.variant == "Text")
    payload = render(script, step, moment(script, 17)).payload
    text = payload["payload"]["entryPayload"]["abstractMessage"]["staticContent"]["text"]
    assert text.endswith(f" #{script.number}-17")


def test_the_mixture_follows_the_shares() -> None:
    counted = Counter(step.kind for script in SCRIPTS for step in script.steps)
    messages = sum(DEFAULT_SHARES.values()) / DEFAULT_SHARES[ActivityKind.MESSAGE]
    assert counted[StepKind.MESSAGE] > sum(counted.values()) / messages / 2
    only_notes = ScenarioOptions(shares=dict.fromkeys(DEFAULT_SHARES, 0.0) | {ActivityKind.NOTE: 1.0})
    middle = {step.kind for step in write_script(only_notes, seed=1, number=1).steps[2:-2]}
    assert middle == {StepKind.NOTE}


@pytest.mark.parametrize("seed", range(1, 13))
def test_the_first_conversations_play_every_step_there_is_whatever_the_seed(seed: int) -> None:
    scripts = [write_script(ScenarioOptions(), seed=seed, number=number) for number in range(1, ROLL_CALL + 1)]
    assert {step.kind for script in scripts for step in script.steps} == set(StepKind)


def test_a_kind_without_weight_is_not_called() -> None:
    options = ScenarioOptions(shares={ActivityKind.CONSULT: 0})
    scripts = [write_script(options, seed=5, number=number) for number in range(1, ROLL_CALL + 1)]
    assert {step.kind for script in scripts for step in script.steps} == set(StepKind) - {
        StepKind.CONSULT,
        StepKind.CONSULTATION,
    }


def test_the_first_reps_work_is_accepted_before_anyone_is_asked_for() -> None:
    options = ScenarioOptions(shares={ActivityKind.WORK_ACCEPTED: 20, ActivityKind.ROUTING: 20})
    for number in range(1, 40):
        kinds = [step.kind for step in write_script(options, seed=5, number=number).steps]
        accepted = [at for at, kind in enumerate(kinds) if kind is StepKind.WORK_ACCEPTED]
        asked = [at for at, kind in enumerate(kinds) if kind is StepKind.ROUTING_REQUESTED]
        assert not (accepted and asked) or max(accepted) < min(asked)


@pytest.mark.parametrize("seed", [1, 2, 3, 7, 11])
async def test_a_play_of_a_few_hundred_events_publishes_every_entry_type(seed: int) -> None:
    _, events = await play(events=400, seed=seed)
    counted = Counter(event.entry.entry_type for event in events if event.entry.expect is not Expectation.WITHHOLD)
    kept = {event.entry.entry_type for event in events if event.entry.expect is Expectation.WITHHOLD}
    assert len(EXPECTED_OF) == 20
    for entry_type, expectation in EXPECTED_OF.items():
        assert entry_type in (kept if expectation is Expectation.WITHHOLD else counted)


def test_an_event_is_about_one_kilobyte() -> None:
    sizes = [
        len(entries.as_json(render(script, step, moment(script, 1)).payload))
        for script in SCRIPTS
        for step in script.steps
        if step.kind is StepKind.MESSAGE
    ]
    assert 800 < sum(sizes) / len(sizes) < 1300


async def test_a_play_publishes_about_as_many_events_as_asked_for_and_ends_every_conversation() -> None:
    org, events = await play(events=600, conversations=15)
    scripted = [event for event in events if event.entry.expect is not Expectation.ROUTING_RESULT]
    assert 600 <= len(scripted) < 700
    assert org.desk.open_count == 0
    by_conversation: dict[str, list[Published]] = {}
    for event in events:
        by_conversation.setdefault(event.entry.conversation_id, []).append(event)
    announced = {consulted(event) for event in events}
    for name, conversation in by_conversation.items():
        assert [event.entry.seq for event in conversation] == list(range(1, len(conversation) + 1))
        once = [event for event in conversation if event.entry.duplicate_of_seq is None]
        if name in announced:
            assert {event.entry.expect for event in once} == {Expectation.WITHHOLD}
            continue
        assert once[0].session_status == "Active"
        assert once[-1].session_status == "Ended"


def consulted(event: Published) -> str | None:
    """The conversation that an event announces as a consultation."""
    if event.entry.entry_type != "ConsultConversationInfo":
        return None
    body: dict[str, str] = msgspec.json.decode(event.event_payload or "")["payload"]["entryPayload"]
    return body["conversationIdentifier"]


async def test_the_ledger_says_what_a_reader_of_the_events_would_say() -> None:
    _, events = await play(events=600, duplicate_share=0.1)
    silenced: set[str | None] = set()  # consultations, and end users who opted out
    for event in events:
        facts = read_facts(event.event_type, event.event_payload)
        silenced.add(consulted(event))
        if event.entry.conversation_id in silenced and facts.expect is Expectation.DELIVER:
            confirms = '"messageReason":"Consent"' in (event.event_payload or "")
            repeats = event.entry.duplicate_of_seq is not None
            facts = facts if confirms or repeats else replace(facts, expect=Expectation.WITHHOLD)
        if '"consentStatus":"OptOut"' in (event.event_payload or ""):
            silenced.add(event.entry.conversation_id)
        if event.entry.duplicate_of_seq is not None and facts.expect is not event.entry.expect:
            continue  # a repeat keeps the expectation of the first
        assert (facts.expect, facts.conversation_id, facts.entry_id) == (
            event.entry.expect,
            event.entry.conversation_id,
            event.entry.entry_id,
        )
        if event.entry.expect is Expectation.DELIVER and '"formatType":"Text"' in (event.event_payload or ""):
            seq = event.entry.duplicate_of_seq or event.entry.seq
            assert re.search(rf" #\d+-{seq}\"", event.event_payload or "")


async def test_a_duplicate_has_the_uuid_and_payload_of_the_first_and_another_replay_id() -> None:
    _, events = await play(events=400, duplicate_share=0.2)
    first = {(event.entry.conversation_id, event.entry.seq): event for event in events}
    repeats = [event for event in events if event.entry.duplicate_of_seq is not None]
    assert len(repeats) > 40
    for event in repeats:
        original = first[event.entry.conversation_id, event.entry.duplicate_of_seq or 0]
        assert event.entry.event_uuid == original.entry.event_uuid
        assert event.event_payload == original.event_payload
        assert event.entry.replay_id > original.entry.replay_id


async def test_two_plays_with_one_seed_publish_the_same_conversations() -> None:
    async def texts() -> dict[str, list[str | None]]:
        _, events = await play(events=300, shares={ActivityKind.ROUTING: 0}, seed=9)
        return {
            event.entry.event_uuid: [event.entry.conversation_id, event.entry.entry_type, event.entry.entry_id]
            for event in events
        }

    assert await texts() == await texts()


@pytest.mark.parametrize(
    ("share", "planned", "concluded", "timeout_s"),
    [
        pytest.param("ignore_share", Planned.IGNORE, Conclusion.TIMED_OUT, 0.05, id="ignored"),
        # Withdrawn at half of the time at the latest: on a busy machine that must not come after its end.
        pytest.param("cancel_share", Planned.CANCEL, Conclusion.CANCELLED, 4.0, id="withdrawn"),
        pytest.param("result_first_share", Planned.RESULT_FIRST, Conclusion.CANCELLED, 0.05, id="result first"),
    ],
)
async def test_routing_ends_as_planned_with_one_result_each(
    share: str, planned: Planned, concluded: Conclusion, timeout_s: float
) -> None:
    shares = {"ignore_share": 0, "cancel_share": 0, "result_first_share": 0} | {share: 1}
    options: dict[str, Any] = {
        "events": 100,
        "steps": 5,
        "shares": {ActivityKind.ROUTING: 20},
        "duplicate_share": 0,
    } | shares
    org, events = await play(routing_timeout_s=timeout_s, **options)
    requests = org.desk.requests()
    assert len(requests) > 5
    assert {(request.planned, request.concluded) for request in requests} == {(planned, concluded)}
    results = [event for event in events if event.entry.expect is Expectation.ROUTING_RESULT]
    assert len(results) == len(requests)
    asked = [event for event in events if event.entry.expect is Expectation.ROUTING_REQUEST]
    first_is_result = [
        result.entry.index < request.entry.index
        for request in asked
        for result in results
        if result.entry.conversation_id == request.entry.conversation_id
    ]
    assert any(first_is_result)
    if planned is Planned.RESULT_FIRST:
        for request in asked:
            before = events[request.entry.index - 2]
            assert before.entry.expect is Expectation.ROUTING_RESULT
            assert before.entry.conversation_id == request.entry.conversation_id
            assert before.entry.created_at_ms >= request.entry.created_at_ms


async def test_after_an_accepted_transfer_the_reps_change_places() -> None:
    org = Org(Settings(routing_timeout_s=30), SystemClock())
    options = ScenarioOptions(
        events=60,
        rate=0,
        shares={ActivityKind.ROUTING: 20},
        ignore_share=0,
        cancel_share=0,
        result_first_share=0,
        seed=3,
    )
    playing = asyncio.create_task(Player(org, options, play_number=0).run())
    async with asyncio.timeout(30):
        while not playing.done():
            accept_all(org)
            await asyncio.sleep(0.002)
    playing.result()
    assert {request.concluded for request in org.desk.requests()} == {Conclusion.ROUTED}
    joins = [event for event in published_events(org) if event.entry.entry_type == "ParticipantChanged"]
    inside = [request for request in org.desk.requests() if request.target_kind != "external"]
    conversations = {request.conversation_id for request in org.desk.requests()}
    assert sum('"operation":"add"' in (event.event_payload or "") for event in joins) >= len(inside) + len(
        conversations
    )


def accept_all(org: Org) -> None:
    for request in org.desk.requests():
        if request.concluded is None:
            try:
                org.answer_routing(
                    RoutingResultBody(
                        work_item_id=(request.work_item_id or "")[:15],
                        conversation_id=request.conversation_id,
                        routing_type=request.routing_type,
                        success=True,
                        externally_routed=request.target_kind == "external",
                        error_message=None,
                    )
                )
            except CallRejectedError as error:
                pytest.fail(f"{request}: {error}")


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({"events": 0}, id="no events"),
        pytest.param({"rate": -1}, id="negative rate"),
        pytest.param({"shares": {"dance": 1}}, id="unknown kind"),
        pytest.param({"shares": dict.fromkeys(DEFAULT_SHARES, 0)}, id="nothing to play"),
        pytest.param({"ignore_share": 1.5}, id="share above one"),
        pytest.param({"ignore_share": 0.6, "cancel_share": 0.6}, id="shares above one together"),
        pytest.param({"speed": 3}, id="unknown option"),
    ],
)
def test_options_that_no_play_can_follow_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(msgspec.json.encode(wrong), type=ScenarioOptions)


def test_the_pace_is_kept_in_small_slices() -> None:
    pacer = Pacer(2000, 0.0)
    published = []
    for slice_number in range(1, 201):
        due = pacer.due(slice_number * 0.005)
        pacer.count(due)
        published.append(due)
    assert sum(published) == 2000
    assert max(published) <= 11


def test_after_a_pause_there_is_no_burst() -> None:
    pacer = Pacer(1000, 0.0)
    assert pacer.due(10.0) == 100
    pacer.count(100)
    assert pacer.due(10.1005) == 100


def test_a_slow_pace_gives_one_event_at_a_time() -> None:
    pacer = Pacer(2, 0.0)
    assert pacer.due(0.4) == 0
    assert pacer.due(0.6) == 1


def test_a_rep_who_was_asked_for_by_name_is_the_one_who_joins() -> None:
    plans = [step.routing for script in SCRIPTS for step in script.steps if step.routing is not None]
    asked = [plan for plan in plans if plan.target_kind == "rep"]
    assert asked
    assert [plan.joining_user_id for plan in asked] == [plan.target_id for plan in asked]


def a_partner_of(org: Org, *, offers: int) -> asyncio.Task[None]:
    """Offers each request's work `offers` times, the first time with its answer, each time to another rep."""
    reps = itertools.count(1)

    async def answering() -> None:
        made: Counter[str] = Counter()
        while True:
            for request in org.desk.requests():
                works = org.service.works_for(request.request_id)
                declined = [work.status for work in works] == ["Declined"] * len(works)
                if request.work_item_id is None or not declined or made[request.request_id] >= offers:
                    continue
                made[request.request_id] += 1
                org.offer_work(
                    WorkBody(
                        user_id=f"005{next(reps):012d}",
                        work_item_id=request.work_item_id,
                        conversation_id=request.conversation_id,
                        correlation_id=request.request_id,
                    )
                )
                if request.concluded is None:
                    answer = RoutingResultBody(
                        work_item_id=request.work_item_id,
                        conversation_id=request.conversation_id,
                        routing_type=request.routing_type,
                        success=True,
                        externally_routed=False,
                        error_message=None,
                    )
                    org.answer_routing(answer)
            await asyncio.sleep(0.001)

    return asyncio.create_task(answering())


@pytest.mark.parametrize("offers", [2, 1], ids=["offered again", "given up"])
async def test_who_is_offered_the_work_first_declines_and_the_next_one_joins(offers: int) -> None:
    org = Org(Settings(routing_timeout_s=0.5), SystemClock())
    shares = {"ignore_share": 0, "cancel_share": 0, "result_first_share": 0, "decline_share": 1}
    only = dict.fromkeys(DEFAULT_SHARES, 0.0) | {ActivityKind.ROUTING: 1.0}
    options: dict[str, Any] = {"events": 30, "steps": 2, "rate": 0.0, "conversations": 4, "shares": only, **shares}
    partner = a_partner_of(org, offers=offers)
    try:
        async with asyncio.timeout(20):
            await Player(org, ScenarioOptions(duplicate_share=0, **options), play_number=0).run()
    finally:
        partner.cancel()
    told = [msgspec.json.decode(event.event_payload or "")["payload"] for event in published_events(org)]
    for request in org.desk.requests():
        assert (request.planned, request.concluded) == (Planned.DECLINE, Conclusion.ROUTED)
        assert len(org.service.works_for(request.request_id)) == offers
    declined = [entry for entry in told if entry.get("entryType") == "RoutingWorkResult"]
    assert len(declined) == len(org.desk.requests()) > 3
    assert {entry["entryPayload"]["workType"] for entry in declined} == {"Declined"}
    joined = [
        entry["entryPayload"]["entries"][0]["participant"]["subject"]
        for entry in told
        if entry.get("senderDisplayName") == "New rep" and entry["entryPayload"]["entries"][0]["operation"] == "add"
    ]
    outside = sum(request.target_kind == "external" for request in org.desk.requests())
    assert len(joined) == len(declined) - outside
    seconds = {
        work.user_id for request in org.desk.requests() for work in org.service.works_for(request.request_id)[1:]
    }
    assert set(joined) <= seconds if offers == 2 else not seconds & set(joined)
