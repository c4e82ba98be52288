"""What the demo's router does with a request: accept, refuse or say nothing. Pure."""

from dataclasses import dataclass
from enum import StrEnum

from byoc.partner.seeded import seeded_fraction
from schemas.records import DecisionKind, RoutingDecision, RoutingTask, TargetKind

# who takes over when a queue or flow is asked for, or a rep declined: ids in the 15 characters that agents have
_REPS_ON_DUTY = ("005000000000001", "005000000000002", "005000000000003")


class Plan(StrEnum):
    """What the router does with a request."""

    ACCEPT = "accept"
    REFUSE = "refuse"
    IGNORE = "ignore"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """The shares of requests that are accepted and refused; the rest is ignored.

    Raises `ValueError` when a share is negative or both are more than 1.
    """

    accept: float = 0.70
    refuse: float = 0.15

    def __post_init__(self) -> None:
        """Raise `ValueError` for shares out of range."""
        if self.accept < 0 or self.refuse < 0 or self.accept + self.refuse > 1 + 1e-9:
            raise ValueError(f"shares accept={self.accept:g} refuse={self.refuse:g}: each from 0, together at most 1")


def plan_for(request_id: str, seed: int, shares: Shares | None = None) -> Plan:
    """Return the plan for a request. The same id, seed and shares give the same plan, in any process and order."""
    shares = shares or Shares()
    chance = seeded_fraction(seed, "plan", request_id)
    if chance < shares.accept:
        return Plan.ACCEPT
    return Plan.REFUSE if chance < shares.accept + shares.refuse else Plan.IGNORE


def delay_ms_for(request_id: str, seed: int, longest_ms: int) -> int:
    """Return how long the router waits before it answers: from 0 to `longest_ms`."""
    return int(seeded_fraction(seed, "delay", request_id) * longest_ms)


def decision_for(task: RoutingTask, plan: Plan, *, decided_at_ms: int) -> RoutingDecision:
    """The answer to a task. Its `decision_id` is the same for every repeat. Raises `ValueError` for `IGNORE`."""
    if plan is Plan.IGNORE:
        raise ValueError(f"request {task.request_id} is ignored: there is no decision")
    accepted = plan is Plan.ACCEPT
    return RoutingDecision(
        decision_id=f"{task.request_id}:{task.attempt}",
        request_id=task.request_id,
        conversation_id=task.conversation_id,
        decision=(DecisionKind.ACCEPT if accepted else DecisionKind.REFUSE).value,
        reason=None if accepted else "no rep free",
        user_id=_user_for(task) if accepted else None,
        externally_routed=accepted and task.target_kind == TargetKind.EXTERNAL,
        decided_at_ms=decided_at_ms,
    )


def _user_for(task: RoutingTask) -> str | None:
    """The rep who was asked for, or the first on duty, unless they declined; None when nobody is left."""
    if task.target_kind == TargetKind.EXTERNAL:
        return None
    asked_for = [task.target_id] if task.target_kind == TargetKind.REP else []
    return next((user for user in (*asked_for, *_REPS_ON_DUTY) if user not in task.declined_user_ids), None)
