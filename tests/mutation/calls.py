"""The guards of calls that must not be made twice."""

from tests.mutation.mutant import Mutant

DOUBT = "test_doubt.py"
JOURNAL = "test_call_journal.py"
KILLS = "--timeout 300 test_calls_in_doubt.py"


def _sink(name: str, function: str, old: str, new: str, tests: str = DOUBT) -> Mutant:
    return Mutant(f"call: {name}", f"connectors.sinks.interaction:{function}", old, new, tests)


CALLS = [
    _sink("a result settles it", "what_to_do", "past.concluded", "False"),
    _sink(
        "what the log forbids is not repeated", "what_to_do", "log_forbids or now_ms >= until_ms", "now_ms >= until_ms"
    ),
    _sink("a doubt has an end", "what_to_do", "log_forbids or now_ms >= until_ms", "log_forbids"),
    _sink("a silent log proves nothing", "what_to_do", "Step.POST if passed else Step.ASK", "Step.POST"),
    _sink("the effect gets its time", "what_to_do", "past.attempted_at_ms + GRACE_MS", "past.attempted_at_ms"),
    _sink("a late first call looks", "what_to_do", "created_at_ms + LATE_MS < now_ms < until_ms", "False"),
    _sink(
        "an open request is answered, however late",
        "what_to_do",
        "log is not None and log.newer_request and log.result_since",
        "True",
    ),
    _sink("one more round is read", "RoutingEvents.take", "dict(self.read_to_ms)", "self.read_to_ms"),
    _sink(
        "no progress by a date",
        "RoutingEvents.take",
        "min(event.created_at_ms, event.received_at_ms)",
        "event.created_at_ms",
    ),
    _sink("a standstill is noticed before the tick", "Standstill.may_send", "now_s - self._ticked_s < STILL_S", "True"),
    _sink("a standstill is remembered", "Standstill.tick", "now_s - self._ticked_s >= STILL_S", "False"),
    _sink("the intent comes first", "_CallRequest.headers", "self._intend is not None", "False", KILLS),
    _sink(
        "routingResult must not be made twice",
        "APIS",
        'Api(path="routingResult", once=Once.UNTIL_CONCLUDED)',
        'Api(path="routingResult")',
        KILLS,
    ),
    _sink(
        "results are read",
        "CallJournal.past",
        "call_id in await asyncio.shield(reading.concluded)",
        "False",
        JOURNAL,
    ),
    _sink(
        "an old call is looked for further back", "CallJournal.past", "reading.since_ms > since_ms", "False", JOURNAL
    ),
    _sink(
        "an assignment is read anew",
        "CallJournal.assigned",
        "self._read(partitions, self._now_ms() - _REACH_BACK_MS)",
        "None",
        JOURNAL,
    ),
]
