"""The transition table as Markdown, for `docs/routing.md`. Pure; a test compares the page with it."""

from itertools import groupby

from streams.core.model.routing_states import RoutingEvent, RoutingState
from streams.core.routing.machine import TRANSITIONS

_EVENT_WORDS = {
    RoutingEvent.REQUESTED: "RoutingRequested",
    RoutingEvent.REQUESTED_LATE: "RoutingRequested, received too late",
    RoutingEvent.ACCEPTED: "router accepts",
    RoutingEvent.REFUSED: "router refuses",
    RoutingEvent.ANSWER_BY_PASSED: "answer-by time passes",
    RoutingEvent.RESULT_SUCCESS: "RoutingResult None (success)",
    RoutingEvent.RESULT_CANCELLED: "RoutingResult Cancelled",
    RoutingEvent.RESULT_FAILED: "RoutingResult, other failure",
    RoutingEvent.SESSION_ENDED: "session Ended, Inactive or Error",
    RoutingEvent.WORK_DECLINED: "RoutingWorkResult Declined or TransferError",
    RoutingEvent.SEATED: "RoutingWorkResult Accepted, or the target joins",
    RoutingEvent.WINDOW_PASSED: "result window passes",
}


def routing_table() -> str:
    """Per state, a line for each move and one for the events that leave it as it is."""
    lines = ["| state | event | next | outcome |", "|---|---|---|---|"]
    rows = [(state, event, row) for (state, event), row in TRANSITIONS.items()]
    for state, group in groupby(rows, key=lambda row: row[0]):
        stays = []
        known = list(group)
        for _, event, row in known:
            if row.next is state and row.outcome is None:
                stays.append(_EVENT_WORDS[event])
            else:
                lines.append(f"| {_name(state)} | {_EVENT_WORDS[event]} | {_name(row.next)} | {row.outcome or ''} |")
        if stays:
            rest = "any other event" if len(known) == len(RoutingEvent) else "; ".join(stays)
            lines.append(f"| {_name(state)} | {rest} | same | |")
    return "\n".join(lines)


def _name(state: RoutingState) -> str:
    return "-" if state is RoutingState.NEW else state.value
