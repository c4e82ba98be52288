"""Where a routing request can be, and what can happen to it. The state keeps the values of both as words.

`streams.core.routing.machine` has the table of transitions between them.
"""

from enum import StrEnum


class RoutingState(StrEnum):
    """Where a routing request is."""

    NEW = "NEW"  # nothing has been read of it
    ORPHAN = "ORPHAN"  # a result without its request
    OPEN = "OPEN"  # with the partner's router
    EXPIRED = "EXPIRED"  # was too old when the source read it
    CLAIMED = "CLAIMED"  # the router took it; Salesforce has not confirmed
    REFUSED = "REFUSED"  # the router refused it
    TIMED_OUT = "TIMED_OUT"  # the router stayed silent
    DONE = "DONE"  # Salesforce reports success; nobody has joined yet
    SEATED = "SEATED"  # the target joined
    CANCELLED = "CANCELLED"  # the rep or the end of the session withdrew it
    FAILED = "FAILED"  # Salesforce reports failure, or never confirmed


class RoutingEvent(StrEnum):
    """What can happen to a routing request."""

    REQUESTED = "requested"
    REQUESTED_LATE = "requested_late"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    ANSWER_BY_PASSED = "answer_by_passed"
    RESULT_SUCCESS = "result_success"
    RESULT_CANCELLED = "result_cancelled"
    RESULT_FAILED = "result_failed"
    SESSION_ENDED = "session_ended"
    WORK_DECLINED = "work_declined"
    SEATED = "seated"
    WINDOW_PASSED = "window_passed"
