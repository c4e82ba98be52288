"""Take each guard of the domain out, one at a time, and see the suite turn red: `python -m tests.mutants`.

Works on a copy of the sources. Prints a table, mutant by mutant, and ends with 1 when one survives.
"""

import contextlib
import io
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import click
import pytest

from streams.core.routing import TRANSITIONS, Event, State
from tests.support.mutation import OPTIONS, ROOT, Ending, Mutant, copied_sources, ending_of, tell

CORE = "tests/unit/core"
TABLE = "tests/unit/core/test_core_routing_table.py"


def _core(name: str, file: str, old: str, new: str) -> Mutant:
    return Mutant(name, f"streams/core/{file}", old, new, CORE)


_PASS = "if False:"

GUARDS = [
    _core(
        "guard 0: not an event type that delivers", "delivery.py", "if event.event_type not in _DELIV", "if 0 in _DELIV"
    ),
    _core("guard 1: types differ", "delivery.py", "    if not entry.type_matches:", f"    {_PASS}"),
    _core(
        "guard 1: a state entry whose types differ", "conversation.py", "elif not entry.type_matches:", "elif False:"
    ),
    _core(
        "guard 2: visibility",
        "delivery.py",
        'if entry.visibility is not None and entry.visibility != "Default":',
        _PASS,
    ),
    _core(
        "guard 2: a strategy that is no word",
        "parse.py",
        "return strategy or _UNREADABLE",
        'return strategy or "Default"',
    ),
    _core(
        "guard 3: no recipient",
        "delivery.py",
        "if entry.recipient_subject is None or entry.recipient_role is None:",
        _PASS,
    ),
    _core("guard 3: recipient's role", "delivery.py", 'if entry.recipient_role != "EndUser":', _PASS),
    _core(
        "guard 3: the whole subject",
        "delivery.py",
        "if entry.recipient_subject != conversation.end_user_subject:",
        'if entry.recipient_subject[:15] != (conversation.end_user_subject or "")[:15]:',
    ),
    _core(
        "guard 3: a consultation", "delivery.py", "Withheld.CONSULTATION if conversation.no_delivery else None", "None"
    ),
    _core(
        "guard 4: sender's role", "delivery.py", "return _SENDER_REASONS.get(role, Withheld.SENDER_ROLE)", "return None"
    ),
    _core(
        "guard 4: supervisors by rule only",
        "delivery.py",
        'role == "Supervisor" and rules.supervisor_messages',
        'role == "Supervisor"',
    ),
    _core("guard 5: recipients without the end user", "delivery.py", "if entry.recipients is not None and", "if 0 and"),
    _core("guard 6: consent", "delivery.py", 'if conversation.consent == "OptOut" and', "if 0 and"),
    _core("guard 6: but the confirmation leaves", "delivery.py", "and not _confirms_consent(entry)", ""),
    _core("guard 7: not before", "conversation.py", "    if state.seen(key) is not None:", f"    {_PASS}"),
    _core("never: a note", "conversation.py", "elif entry.entry_type not in STATE:", "elif False:"),
    _core("never: answers of the end user", "delivery.py", "if message.message_type not in CONTAINERS:", _PASS),
    _core("never: an unknown format", "delivery.py", "if message.format_type not in FORMATS:", _PASS),
    _core("never: no content", "delivery.py", "message.text is None and message.content is None", "False"),
    _core("ephemeral: received stale", "conversation.py", "event.received_at_ms >= expires_at_ms", "False"),
    _core("ephemeral: read stale", "conversation.py", "        if now_ms >= expires_at_ms:", f"        {_PASS}"),
    _core("routing: no call at its deadline", "answers.py", "or now_ms >= deadline_ms(facts, rules)", ""),
    _core("routing: no task too late", "answers.py", "or now_ms >= answer_by_ms(facts, rules)", ""),
    _core("routing: one answer", "answers.py", "if told.answer is not None or", "if"),
    _core("routing: one outcome", "answers.py", "or request.outcome == told.outcome", ""),
    _core("routing: undo only when over", "work.py", "or request.state not in _UNDONE", ""),
    _core("routing: undo while of use", "work.py", "if now_ms >= at_ms + rules.result_window_ms:", _PASS),
    _core("routing: each work call once", "work.py", "or kind.value in told.work", ""),
    _core("routing: work calls by rule only", "work.py", "or not rules.work_calls", ""),
    _core("routing: no work for targets outside", "work.py", "or decision.externally_routed", ""),
    _core("routing: only words of the API", "calls.py", "if cancel_reason in _CANCEL_REASONS:", "if cancel_reason:"),
    _core("receipts: once", "receipts.py", "    if _has(state, key, step):", f"    {_PASS}"),
    _core("receipts: only channels that want it", "receipts.py", "conversation.channel_address_id in wanted", "True"),
    _core("receipts: only messages", "receipts.py", "and _is_message(each)", ""),
    _core("receipts: read is not lowered", "receipts.py", "and not _is_read(state, each, step)", ""),
    _core(
        "receipts: a conversation the API knows",
        "calls.py",
        'or key == f"{conversation.channel_address_id}:',
        'or key == f":',
    ),
    _core("acknowledgements: read is a high-water mark", "details.py", "mark.at_ms <= was.reps_read.at_ms", "False"),
    _core("acknowledgements: the later stands", "details.py", "found.at_ms > known.at_ms", "True"),
    _core("uploads: pending does not undo", "details.py", 'or (known.status != "pending" == upload.status)', ""),
    _core("uploads: the later stands", "details.py", "known.at_ms > upload.at_ms", "False"),
    _core(
        "calls: acceptance stands",
        "requests.py",
        "call.outcome == CallOutcome.ACCEPTED, call.at_ms",
        "False, call.at_ms",
    ),
    _core("calls: only of the request", "call_results.py", "    if kind is None:", f"    {_PASS}"),
    _core("routing: the work of one request only", "updates.py", "if len(requests) == 1 and ", "if "),
    _core(
        "state: receipts before their conversation",
        "conversation.py",
        "elif not conversation.started_at_ms:",
        "elif 0:",
    ),
    _core("calls: a conversation that is gone", "call_results.py", "if result.error_code in GONE:", _PASS),
]


def table_tests() -> int:
    """Run the tests of the transition table in this process; pytest's exit code."""
    with contextlib.redirect_stdout(io.StringIO()):
        return int(pytest.main([*OPTIONS, str(ROOT / TABLE)]))


def row_ending(key: tuple[State, Event]) -> Ending:
    """Take one row out of the transition table of this process and run the tests of the table."""
    order, row = list(TRANSITIONS), TRANSITIONS.pop(key)
    try:
        return Ending(table_tests() == pytest.ExitCode.TESTS_FAILED)
    finally:
        rest = {**TRANSITIONS, key: row}
        TRANSITIONS.clear()
        TRANSITIONS.update({each: rest[each] for each in order})


def mutants(copy: Path) -> Iterator[tuple[str, Callable[[], Ending]]]:
    """Name of each mutant, and what tells whether the suite kills it."""
    for guard in GUARDS:
        yield guard.name, partial(ending_of, guard, copy)
    for state, event in list(TRANSITIONS):
        yield f"row: {state} + {event}", partial(row_ending, (state, event))


@click.command()
@click.option("--only", default="", help="Mutants whose name contains this, such as `row:` or `guard 3`.")
def main(only: str) -> None:
    """Print which mutants the suite kills."""
    if table_tests() != pytest.ExitCode.OK:
        raise click.ClickException("the tests of the table are red without any mutant")
    with copied_sources() as copy:
        sys.exit(0 if tell(mutants(copy), only) else 1)


if __name__ == "__main__":
    main()
