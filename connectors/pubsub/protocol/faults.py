"""What to do about a failed Pub/Sub call: the `error-code` trailer decides first, the gRPC status second. Pure.

One status can mean opposite things (`service.unavailable` comes with INTERNAL; INVALID_ARGUMENT is a lost replay id or
a mistake of ours), so the trailer decides whenever there is one. A code takes the rule of its longest known prefix, so
that a code which Salesforce adds later is treated as its family is. Statuses are names here, not grpc's objects.

To treat another code in its own way, add a row to `_BY_CODE`.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final

CODE_PREFIX: Final = "sfdc.platform.eventbus.grpc."


class Action(Enum):
    """What to do about a failed call."""

    RETRY = "retry"  # wait, then go on after the last received position
    REFRESH_TOKEN = "refresh_token"  # noqa: S105 - the token was refused: fetch a new one, then do as for RETRY
    REPLAY_LOST = "replay_lost"  # the position no longer exists: do what the gap policy says
    UNCLEAR = "unclear"  # a stream: do as for RETRY; one event: retry a few times, then give the event up
    FAIL = "fail"  # end the task: repeating the call cannot help


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What to do about a code or a status. `pause_s` is the least wait before the next attempt."""

    action: Action
    pause_s: float = 0.0
    remedy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A failed call, and what to do about it.

    `what` is a sentence for people, `remedy` what they can do. `code` is the trailer without its prefix. Salesforce's
    support asks for `rpc_id`.
    """

    action: Action
    what: str
    code: str | None = None
    status: str | None = None
    rpc_id: str | None = None
    pause_s: float = 0.0
    remedy: str = ""

    def __str__(self) -> str:
        """`what`, with the facts that are known."""
        facts = [f"{name}={value}" for name, value in self._facts() if value]
        return f"{self.what} ({', '.join(facts)})" if facts else self.what

    @property
    def reason(self) -> str:
        """One word for metrics: the code, else the status."""
        return self.code or self.status or self.action.value

    def _facts(self) -> tuple[tuple[str, str | None], ...]:
        return (("status", self.status), ("code", self.code), ("rpc_id", self.rpc_id))


class RpcError(Exception):
    """A Pub/Sub call failed; `fault` says what to do about it."""

    def __init__(self, fault: Fault) -> None:
        """The message is the fault's text."""
        super().__init__(str(fault))
        self.fault = fault


_CREDENTIALS = "check the connected app's permissions and salesforce.client.id"
_SUBSCRIBE_RIGHT = "check salesforce.topics and that the integration user may read the event"
_OUR_BUG = "this is a defect of the connector: report it with the rpc_id"
_QUOTA = "the org's event delivery allocation is used up: it frees over 24 h; the position is kept"

# Code, or the beginning that the codes of a family share -> rule. The longest that matches decides. Sources: the error
# table of the Pub/Sub API guide, and answers that were seen.
_BY_CODE: Final[dict[str, Rule]] = {
    "service.": Rule(action=Action.RETRY),
    "service.auth.error": Rule(action=Action.REFRESH_TOKEN, remedy=_CREDENTIALS),
    "service.auth.": Rule(action=Action.FAIL, remedy=_CREDENTIALS),
    # Salesforce asks to slow down; a minute keeps a fleet of tasks from making it worse
    "service.protection.": Rule(action=Action.RETRY, pause_s=60.0),
    "service.tenant.license": Rule(action=Action.FAIL, remedy="the org has no licence for the Pub/Sub API"),
    "concurrent.client.limit.": Rule(action=Action.RETRY, pause_s=60.0),
    "topic.": Rule(action=Action.FAIL, remedy=_SUBSCRIBE_RIGHT),
    "topic.api.unavailable": Rule(action=Action.RETRY),
    "schema.": Rule(action=Action.UNCLEAR, remedy=_SUBSCRIBE_RIGHT),
    "schema.api.unavailable": Rule(action=Action.RETRY),
    "schema.meta.permission": Rule(action=Action.FAIL, remedy=_SUBSCRIBE_RIGHT),
    "schema.validation.failed": Rule(action=Action.UNCLEAR),
    "subscription.": Rule(action=Action.UNCLEAR),
    "subscription.topic.": Rule(action=Action.FAIL, remedy=_SUBSCRIBE_RIGHT),
    "subscription.internal.error": Rule(action=Action.RETRY),
    # every further attempt costs allocation too: stay away for a quarter of an hour
    "subscription.limit.exceeded": Rule(action=Action.RETRY, pause_s=900.0, remedy=_QUOTA),
    "subscription.fetch.": Rule(action=Action.FAIL, remedy=_OUR_BUG),
    "subscription.fetch.replayid.corrupted": Rule(action=Action.REPLAY_LOST),
    "subscription.fetch.replay.repeated": Rule(action=Action.RETRY),
    "subscription.fetch.overflow": Rule(action=Action.RETRY),
}

_BY_STATUS: Final[dict[str, Rule]] = {
    "UNAUTHENTICATED": Rule(action=Action.REFRESH_TOKEN, remedy=_CREDENTIALS),
    "PERMISSION_DENIED": Rule(action=Action.FAIL, remedy=_SUBSCRIBE_RIGHT),
    "NOT_FOUND": Rule(action=Action.FAIL, remedy=_SUBSCRIBE_RIGHT),
    "INVALID_ARGUMENT": Rule(action=Action.FAIL, remedy=_OUR_BUG),
    "UNIMPLEMENTED": Rule(
        action=Action.FAIL, remedy="check salesforce.pubsub.endpoint: nothing there speaks the Pub/Sub API"
    ),
    "RESOURCE_EXHAUSTED": Rule(action=Action.RETRY, pause_s=60.0),
    "UNAVAILABLE": Rule(action=Action.RETRY),
    "CANCELLED": Rule(action=Action.RETRY),  # by the server or a proxy; our own cancellation is no fault
    "DEADLINE_EXCEEDED": Rule(action=Action.RETRY),
}
_OTHER: Final = Rule(action=Action.UNCLEAR)

# The text that comes with a corrupted replay id; some proxies drop trailers.
_REPLAY_TEXT: Final = "replay id validation failed"


def classify(
    *, code: str | None, status: str, details: str, doing: str, rpc_id: str | None = None, about_one_event: bool = False
) -> Fault:
    """The fault of a failed call. `code` is its `error-code` trailer, `status` the name of its gRPC status.

    `doing` says what the call was for; it begins the sentence for people. `about_one_event`: the call was made for one
    event (it fetched the event's schema), so NOT_FOUND is UNCLEAR and does not end the task.
    """
    short = code.removeprefix(CODE_PREFIX) if code else None
    rule = _rule(short, status, details)
    if about_one_event and not short and status in ("NOT_FOUND", "INVALID_ARGUMENT"):
        rule = _OTHER
    return Fault(
        action=rule.action,
        what=f"{doing}: {_first_line(details) or 'no details'}",
        code=short,
        status=status,
        rpc_id=rpc_id,
        pause_s=rule.pause_s,
        remedy=rule.remedy,
    )


def _rule(code: str | None, status: str, details: str) -> Rule:
    if code:
        known = max((prefix for prefix in _BY_CODE if code.startswith(prefix)), key=len, default=None)
        if known is not None:
            return _BY_CODE[known]
    if not code and status == "INVALID_ARGUMENT" and _REPLAY_TEXT in details.lower():
        return Rule(action=Action.REPLAY_LOST)
    return _BY_STATUS.get(status, _OTHER)


def _first_line(details: str) -> str:
    lines = details.strip().splitlines()
    return lines[0][:300] if lines else ""
