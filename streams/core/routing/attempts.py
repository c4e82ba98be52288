"""The attempts of one request: how often the partner's router was asked, and what it decided each time.

The router is asked once. When a rep declines the work that it accepted, it is asked again, while decisions are still
taken; the deadline stays the same. A decision belongs to the attempt that was open when it was made. Only facts decide
this, so every fold of the log finds the same attempts.
"""

from typing import NamedTuple

from schemas.records import DecisionKind
from streams.core.model.routing_states import RoutingEvent
from streams.core.model.rules import Rules
from streams.core.model.state import MAX_MOMENTS, Decision, RoutingRequest

MAX_ATTEMPTS = 1 + MAX_MOMENTS


class Attempt(NamedTuple):
    """The router was asked at `asked_at_ms`, epoch ms. `decision` is what it decided; None while it has not."""

    asked_at_ms: int
    decision: Decision | None


def attempts_of(request: RoutingRequest, rules: Rules) -> list[Attempt]:
    """All attempts, oldest first; none while the request itself is not known.

    The first decision made in time counts, in the order of their topic. Of later ones only those count that come
    after a decline; the clocks of the router and of Salesforce may differ.
    """
    facts = request.facts
    if facts is None:
        return []
    limit_ms = facts.created_at_ms + rules.answer_by_ms
    left = [each for each in request.decisions if each.decided_at_ms < limit_ms]
    attempts = [Attempt(facts.created_at_ms, left.pop(0) if left else None)]
    for moment in sorted(request.moments, key=lambda each: each.at_ms):
        if moment.event != RoutingEvent.WORK_DECLINED or not _is_declined(attempts[-1], moment.at_ms):
            continue
        while left and left[0].decided_at_ms < moment.at_ms - rules.skew_ms:
            del left[0]
        attempts.append(Attempt(moment.at_ms, left.pop(0) if left else None))
    return attempts


def _is_declined(attempt: Attempt, at_ms: int) -> bool:
    """True when the router had accepted by then. A decline before that, or a second one, is of other work."""
    decision = attempt.decision
    return decision is not None and decision.decision == DecisionKind.ACCEPT and decision.decided_at_ms <= at_ms


def declined_user_ids(attempts: list[Attempt]) -> list[str]:
    """Who has declined, oldest first: the users of all decisions but the last attempt's."""
    users = (each.decision.user_id for each in attempts[:-1] if each.decision is not None)
    return list(dict.fromkeys(user for user in users if user))
