"""What the verdict calls lost, of routing requests."""

import pytest

from byoc.verification.evidence import Concluded, Evidence
from byoc.verification.verdict import judge
from schemas.records import RoutingOutcome, SalesforceCallResult

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
        results=[],
        dead_letters=0,
        received=[],
    )
    assert len(judge(evidence).lost) == lost


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
        results=results,
        dead_letters=0,
        received=[],
    )
    assert judge(evidence).calls == {"agentWork accepted": 2, "agentWork rejected": 1}
