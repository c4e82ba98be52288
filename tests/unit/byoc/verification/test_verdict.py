"""What the verdict calls lost, of routing requests."""

from collections.abc import Sequence

import pytest

from byoc.verification.evidence import Concluded, Evidence
from byoc.verification.verdict import judge
from connectors.sinks.interaction.journal import Intent
from schemas.records import OutboundEvent, RoutingOutcome, SalesforceCall, SalesforceCallResult

SETTLED_MS = 2_000


def outcome(kind: str) -> RoutingOutcome:
    return RoutingOutcome(
        request_id="second",
        revision=0,
        conversation_id="c",
        org_id="o",
        outcome=kind,
        routing_type="Transfer",
        target_kind="queue",
        ambiguous=False,
        created_at_ms=1_000,
        settled_at_ms=SETTLED_MS,
        request_event_uuid="asked",
    )


@pytest.mark.parametrize(
    ("ours", "theirs", "lost"),
    [
        ("refused", "refused", 0),
        ("timed_out", "refused", 0),
        pytest.param("routed", "refused", 1, id="routed, but refused for Salesforce"),
        pytest.param("failed", "refused", 1, id="the refusal of another request ended it"),
        pytest.param("failed", "routed", 1, id="failed, but routed for Salesforce"),
    ],
)
def test_an_outcome_must_agree_with_what_salesforce_concluded(ours: str, theirs: str, lost: int) -> None:
    evidence = Evidence(
        published=[],
        concluded=[Concluded(event_uuid="asked", concluded=theirs)],
        events=[],
        deliveries=[],
        tasks=[],
        outcomes=[outcome(ours)],
        calls=[],
        results=[],
        attempts=[],
        dead_letters=0,
        received=[],
    )
    assert len(judge(evidence).lost) == lost


REFUSED_AT_MS = 1_100  # Salesforce took the refusal of the first request: the second was made, at 1,000, and open


def crossing(
    *,
    theirs: str = "refused",
    ours: str = "failed",
    meant: str = "first",
    conversation: str = "c",
    tried_ms: Sequence[int] = (990,),
    received_ms: int = 1_200,
    completed_ms: int = REFUSED_AT_MS,
    word: str = "accepted",
) -> Evidence:
    """The refusal of `meant` was on its way while the rep made the second request."""
    call = SalesforceCall(
        call_id="call",
        conversation_id=conversation,
        org_id="o",
        api="routingResult",
        method="POST",
        body="{}",
        request_id=meant,
        created_at_ms=900,
    )
    result = SalesforceCallResult(
        call_id="call",
        conversation_id=conversation,
        api="routingResult",
        outcome=word,
        attempts=1,
        completed_at_ms=completed_ms,
    )
    asked = OutboundEvent(
        event_uuid="asked",
        replay_id=b"1",
        schema_id="s",
        topic="t",
        org_id="o",
        event_type="RoutingRequested",
        conversation_id="c",
        created_at_ms=1_000,
        received_at_ms=received_ms,
        payload="{}",
    )
    return Evidence(
        published=[],
        concluded=[Concluded(event_uuid="asked", concluded=theirs)],
        events=[asked],
        deliveries=[],
        tasks=[],
        outcomes=[outcome(ours)],
        calls=[call],
        results=[result],
        attempts=[Intent(call_id="call", offset=1, member="m", at_ms=each) for each in tried_ms],
        dead_letters=0,
        received=[],
    )


def test_a_request_made_while_the_only_attempt_for_another_was_on_its_way_is_shown_as_crossed() -> None:
    verdict = judge(crossing())
    assert (len(verdict.lost), len(verdict.crossed)) == (0, 1)
    assert verdict.is_clean()
    assert any(finding.startswith("crossed: ") for finding in verdict.first_findings())


@pytest.mark.parametrize(
    "evidence",
    [
        pytest.param(crossing(tried_ms=(500, 990)), id="the call was made again"),
        pytest.param(crossing(tried_ms=()), id="no attempt is known"),
        pytest.param(crossing(tried_ms=(1_200,)), id="the request was known when the call left"),
        pytest.param(crossing(meant="second"), id="the refusal was its own"),
        pytest.param(crossing(conversation="d"), id="the refusal was of another conversation"),
        pytest.param(crossing(completed_ms=999), id="the refusal had ended before the request was made"),
        pytest.param(crossing(word="in_doubt"), id="Salesforce is not known to have taken the refusal"),
        pytest.param(crossing(ours="routed"), id="routed is never refused"),
        pytest.param(crossing(theirs="routed"), id="failed is never routed"),
    ],
)
def test_what_else_ended_as_failed_and_as_refused_is_lost(evidence: Evidence) -> None:
    verdict = judge(evidence)
    assert (len(verdict.lost), len(verdict.crossed)) == (1, 0)


def test_the_results_of_calls_are_counted_by_api_and_outcome() -> None:
    results = [
        SalesforceCallResult(
            call_id=f"c{number}",
            conversation_id="c",
            api="agentWork",
            outcome=word,
            attempts=1,
            completed_at_ms=1,
        )
        for number, word in enumerate(["accepted", "accepted", "rejected"])
    ]
    evidence = Evidence(
        published=[],
        concluded=[],
        events=[],
        deliveries=[],
        tasks=[],
        outcomes=[],
        calls=[],
        results=results,
        attempts=[],
        dead_letters=0,
        received=[],
    )
    assert judge(evidence).calls == {"agentWork accepted": 2, "agentWork rejected": 1}
