"""Whether a call may be made: for the first time, or again when nobody knows whether it was made. Pure.

`routingResult` and `route` name a conversation and no routing request. Made twice, or late, they can reach the request
that the rep has made meanwhile, and end it. So such a call is made again only when the log of events shows that the
attempt in doubt had no effect: the events of Salesforce have passed the attempt by `GRACE_MS`, and neither a routing
result nor a newer request of the conversation is among them. The repeat is then as safe as a first call.
"""

from dataclasses import dataclass
from enum import StrEnum

# An effect is published as an event within a second; the rest is for clocks that differ and for a request that was
# still on its way when its sender died.
GRACE_MS = 5_000
# A first call that is younger is made unasked: to ask costs a read of the log.
LATE_MS = 5_000


class Once(StrEnum):
    """Which events of a conversation, behind the call's routing request, forbid to make the call."""

    HARMLESS = "a repeat hits what it names, or nothing"
    UNTIL_CONCLUDED = "a newer request, or a routing result"
    UNTIL_NEWER = "a newer request"  # what undoes a request is made after its result


class Step(StrEnum):
    """What to do with a call now."""

    POST = "post"
    SKIP = "skip"  # its result is known already
    WITHHOLD = "withhold"  # it was never made, and its request is over
    END_IN_DOUBT = "end in doubt"
    ASK = "ask"  # look at the log (again)


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What the journal knows of a call: when it was last attempted, epoch ms, and whether its result is recorded."""

    attempted_at_ms: int | None = None
    concluded: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LogView:
    """What the events say of a call's routing request, read to an end that was the present when it was asked.

    `passed_ms` is the time, epoch ms, up to which all events of the request's source have been read; None when the
    request's own event was not found. `readable` is false when Kafka did not answer.
    """

    newer_request: bool = False
    result_since: bool = False
    passed_ms: int | None = None
    readable: bool = True


def what_to_do(once: Once, created_at_ms: int, until_ms: int, past: Past, log: LogView | None, now_ms: int) -> Step:
    """The next step for a call.

    `created_at_ms` is the call's, `until_ms` its deadline or what stands for it; `log` is None before it was asked.
    """
    if past.concluded:
        return Step.SKIP
    if once is Once.HARMLESS:
        return Step.POST
    log_forbids = log is not None and (log.newer_request or (log.result_since and once is Once.UNTIL_CONCLUDED))
    if past.attempted_at_ms is None:
        # a request that was never answered can still be open beside a newer one: only with a result it is over
        if log is not None and log.newer_request and log.result_since:
            return Step.WITHHOLD
        return Step.ASK if log is None and created_at_ms + LATE_MS < now_ms < until_ms else Step.POST
    if log_forbids or now_ms >= until_ms:
        return Step.END_IN_DOUBT
    passed = log is not None and log.passed_ms is not None and log.passed_ms >= past.attempted_at_ms + GRACE_MS
    return Step.POST if passed else Step.ASK
