from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from byoc.partner.router_plan import Plan, Shares, decision_for, delay_ms_for, plan_for
from schemas.records import DecisionKind, RoutingTask, TargetKind


def task(target_kind: TargetKind = TargetKind.QUEUE, target_id: str | None = "00G1") -> RoutingTask:
    return RoutingTask(
        request_id="request-1",
        conversation_id="cv-1",
        org_id="00DHs000000DemoMAC",
        routing_type="Transfer",
        target_kind=target_kind.value,
        target_id=target_id,
        attempt=2,
        created_at_ms=1_000,
        answer_by_ms=51_000,
        deadline_ms=61_000,
        event_uuid="uuid-1",
    )


def test_shares_are_kept_over_many_requests() -> None:
    plans = Counter(plan_for(f"request-{number}", seed=7) for number in range(20_000))
    assert plans[Plan.ACCEPT] / 20_000 == pytest.approx(0.70, abs=0.02)
    assert plans[Plan.REFUSE] / 20_000 == pytest.approx(0.15, abs=0.02)
    assert plans[Plan.IGNORE] / 20_000 == pytest.approx(0.15, abs=0.02)


@given(st.text(), st.integers())
def test_the_same_request_has_the_same_plan_for_ever(request_id: str, seed: int) -> None:
    assert plan_for(request_id, seed) is plan_for(request_id, seed)
    assert delay_ms_for(request_id, seed, 200) == delay_ms_for(request_id, seed, 200)
    assert 0 <= delay_ms_for(request_id, seed, 200) < 200


def test_plans_do_not_change_between_releases() -> None:
    # a verifier in another process or version must come to the same plans
    plans = [plan_for(f"request-{number}", seed=7).value for number in range(8)]
    assert plans == ["ignore", "ignore", "refuse", "ignore", "accept", "accept", "accept", "ignore"]


def test_another_seed_gives_other_plans() -> None:
    names = [f"request-{number}" for number in range(100)]
    assert [plan_for(name, 1) for name in names] != [plan_for(name, 2) for name in names]


@pytest.mark.parametrize(
    ("shares", "plan"),
    [
        pytest.param(Shares(accept=1, refuse=0), Plan.ACCEPT, id="all accepted"),
        pytest.param(Shares(accept=0, refuse=1), Plan.REFUSE, id="all refused"),
        pytest.param(Shares(accept=0, refuse=0), Plan.IGNORE, id="all ignored"),
    ],
)
def test_whole_shares_leave_no_choice(shares: Shares, plan: Plan) -> None:
    assert {plan_for(f"request-{number}", 7, shares) for number in range(200)} == {plan}


@pytest.mark.parametrize(("accept", "refuse"), [(-0.1, 0.5), (0.5, -0.1), (0.8, 0.3)])
def test_impossible_shares_are_refused(accept: float, refuse: float) -> None:
    with pytest.raises(ValueError, match="together at most 1"):
        Shares(accept=accept, refuse=refuse)


@pytest.mark.parametrize(
    ("target_kind", "target_id", "user_id", "externally_routed"),
    [
        pytest.param(TargetKind.REP, "005Hs0000000001", "005Hs0000000001", False, id="the rep who was asked for"),
        pytest.param(TargetKind.QUEUE, "00G1", "005000000000001", False, id="a rep of the queue"),
        pytest.param(TargetKind.EXTERNAL, "ext-1", None, True, id="somebody outside Salesforce"),
    ],
)
def test_an_accepted_request_names_who_takes_it(
    target_kind: TargetKind, target_id: str, user_id: str | None, externally_routed: bool
) -> None:
    decision = decision_for(task(target_kind, target_id), Plan.ACCEPT, decided_at_ms=5_000)
    assert (decision.decision, decision.reason) == (DecisionKind.ACCEPT, None)
    assert (decision.user_id, decision.externally_routed) == (user_id, externally_routed)
    assert (decision.request_id, decision.conversation_id) == ("request-1", "cv-1")


def test_a_refusal_has_a_reason_and_nobody() -> None:
    decision = decision_for(task(TargetKind.EXTERNAL), Plan.REFUSE, decided_at_ms=5_000)
    assert (decision.decision, decision.reason, decision.user_id) == (DecisionKind.REFUSE, "no rep free", None)
    assert not decision.externally_routed


def test_a_repeated_decision_has_the_same_id() -> None:
    first = decision_for(task(), Plan.ACCEPT, decided_at_ms=5_000)
    again = decision_for(task(), Plan.ACCEPT, decided_at_ms=9_000)
    assert first.decision_id == again.decision_id == "request-1:2"


def test_an_ignored_request_has_no_decision() -> None:
    with pytest.raises(ValueError, match="ignored"):
        decision_for(task(), Plan.IGNORE, decided_at_ms=5_000)
