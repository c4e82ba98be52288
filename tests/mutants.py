"""Take each guard of the domain out, one at a time, and see the suite turn red: `python -m tests.mutants`.

Works on a copy of the sources. Prints a table, mutant by mutant, and ends with 1 when one survives.
"""

import contextlib
import io
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import click
import pytest

from streams.core.routing import TRANSITIONS, Event, State

ROOT = Path(__file__).parents[1]
COPIED = ("bench", "byoc", "connectors", "docs", "schemas", "simulator", "streams", "tests", "pyproject.toml")
PATIENCE_S = 120
OPTIONS = ("-x", "-q", "-p", "no:cacheprovider", "-p", "no:randomly")
CORE = "tests/unit/core"
TABLE = "tests/unit/core/test_core_routing_table.py"


@dataclass(frozen=True, slots=True)
class Mutant:
    """A text of a file under `streams/core`, what it is replaced by, and the tests that must notice."""

    name: str
    file: str
    old: str
    new: str
    tests: str = CORE


_PASS = "if False:"

GUARDS = [
    Mutant(
        "guard 0: not an event type that delivers", "delivery.py", "if event.event_type not in _DELIV", "if 0 in _DELIV"
    ),
    Mutant("guard 1: types differ", "delivery.py", "    if not entry.type_matches:", f"    {_PASS}"),
    Mutant(
        "guard 1: a state entry whose types differ", "conversation.py", "elif not entry.type_matches:", "elif False:"
    ),
    Mutant(
        "guard 2: visibility",
        "delivery.py",
        'if entry.visibility is not None and entry.visibility != "Default":',
        _PASS,
    ),
    Mutant(
        "guard 2: a strategy that is no word",
        "parse.py",
        "return strategy or _UNREADABLE",
        'return strategy or "Default"',
    ),
    Mutant(
        "guard 3: no recipient",
        "delivery.py",
        "if entry.recipient_subject is None or entry.recipient_role is None:",
        _PASS,
    ),
    Mutant("guard 3: recipient's role", "delivery.py", 'if entry.recipient_role != "EndUser":', _PASS),
    Mutant(
        "guard 3: the whole subject",
        "delivery.py",
        "if entry.recipient_subject != conversation.end_user_subject:",
        'if entry.recipient_subject[:15] != (conversation.end_user_subject or "")[:15]:',
    ),
    Mutant(
        "guard 3: a consultation", "delivery.py", "Withheld.CONSULTATION if conversation.no_delivery else None", "None"
    ),
    Mutant(
        "guard 4: sender's role", "delivery.py", "return _SENDER_REASONS.get(role, Withheld.SENDER_ROLE)", "return None"
    ),
    Mutant(
        "guard 4: supervisors by rule only",
        "delivery.py",
        'role == "Supervisor" and rules.supervisor_messages',
        'role == "Supervisor"',
    ),
    Mutant(
        "guard 5: recipients without the end user", "delivery.py", "if entry.recipients is not None and", "if 0 and"
    ),
    Mutant("guard 6: consent", "delivery.py", 'if conversation.consent == "OptOut" and', "if 0 and"),
    Mutant("guard 6: but the confirmation leaves", "delivery.py", "and not _confirms_consent(entry)", ""),
    Mutant("guard 7: not before", "conversation.py", "    if state.seen(key) is not None:", f"    {_PASS}"),
    Mutant("never: a note", "conversation.py", "elif entry.entry_type not in STATE:", "elif False:"),
    Mutant("never: answers of the end user", "delivery.py", "if message.message_type not in CONTAINERS:", _PASS),
    Mutant("never: an unknown format", "delivery.py", "if message.format_type not in FORMATS:", _PASS),
    Mutant("never: no content", "delivery.py", "message.text is None and message.content is None", "False"),
    Mutant("ephemeral: received stale", "conversation.py", "event.received_at_ms >= expires_at_ms", "False"),
    Mutant("ephemeral: read stale", "conversation.py", "        if now_ms >= expires_at_ms:", f"        {_PASS}"),
    Mutant("routing: no call at its deadline", "answers.py", "or now_ms >= deadline_ms(facts, rules)", ""),
    Mutant("routing: no task too late", "answers.py", "or now_ms >= answer_by_ms(facts, rules)", ""),
    Mutant("routing: one answer", "answers.py", "if told.answer is not None or", "if"),
    Mutant("routing: one outcome", "answers.py", "or request.outcome == told.outcome", ""),
    Mutant("routing: undo only when over", "work.py", "or request.state not in _UNDONE", ""),
    Mutant("routing: undo while of use", "work.py", "if now_ms >= at_ms + rules.result_window_ms:", _PASS),
    Mutant("routing: each work call once", "work.py", "or kind.value in told.work", ""),
    Mutant("routing: work calls by rule only", "work.py", "or not rules.work_calls", ""),
    Mutant("routing: no work for targets outside", "work.py", "or decision.externally_routed", ""),
    Mutant("routing: only words of the API", "calls.py", "if cancel_reason in _CANCEL_REASONS:", "if cancel_reason:"),
    Mutant("receipts: once", "receipts.py", "    if _has(state, key, step):", f"    {_PASS}"),
    Mutant("receipts: only channels that want it", "receipts.py", "conversation.channel_address_id in wanted", "True"),
    Mutant("receipts: only messages", "receipts.py", "and _is_message(each)", ""),
    Mutant("receipts: read is not lowered", "receipts.py", "and not _is_read(state, each, step)", ""),
    Mutant(
        "receipts: a conversation the API knows",
        "calls.py",
        'or key == f"{conversation.channel_address_id}:',
        'or key == f":',
    ),
    Mutant("acknowledgements: read is a high-water mark", "details.py", "mark.at_ms <= was.reps_read.at_ms", "False"),
    Mutant("acknowledgements: the later stands", "details.py", "found.at_ms > known.at_ms", "True"),
    Mutant("uploads: pending does not undo", "details.py", 'or (known.status != "pending" == upload.status)', ""),
    Mutant("uploads: the later stands", "details.py", "known.at_ms > upload.at_ms", "False"),
    Mutant(
        "calls: acceptance stands",
        "requests.py",
        "call.outcome == CallOutcome.ACCEPTED, call.at_ms",
        "False, call.at_ms",
    ),
    Mutant("calls: only of the request", "call_results.py", "    if kind is None:", f"    {_PASS}"),
    Mutant("routing: the work of one request only", "updates.py", "if len(requests) == 1 and ", "if "),
    Mutant(
        "state: receipts before their conversation",
        "conversation.py",
        "elif not conversation.started_at_ms:",
        "elif 0:",
    ),
    Mutant("calls: a conversation that is gone", "call_results.py", "if result.error_code in GONE:", _PASS),
]


def table_tests() -> int:
    """Run the tests of the transition table in this process; pytest's exit code."""
    with contextlib.redirect_stdout(io.StringIO()):
        return int(pytest.main([*OPTIONS, str(ROOT / TABLE)]))


def is_row_killed(key: tuple[State, Event]) -> bool:
    """Take one row out of the transition table of this process and run the tests of the table."""
    order, row = list(TRANSITIONS), TRANSITIONS.pop(key)
    try:
        return table_tests() == pytest.ExitCode.TESTS_FAILED
    finally:
        rest = {**TRANSITIONS, key: row}
        TRANSITIONS.clear()
        TRANSITIONS.update({each: rest[each] for each in order})


def is_killed(mutant: Mutant, copy: Path) -> bool:
    """Run the mutant's tests on the copy; true when they turn red."""
    path = copy / "streams" / "core" / mutant.file
    source = path.read_text(encoding="utf-8")
    if source.count(mutant.old) != 1:
        raise click.ClickException(
            f"mutant {mutant.name!r}: its text is {source.count(mutant.old)} times in {path.name}"
        )
    path.write_text(source.replace(mutant.old, mutant.new), encoding="utf-8")
    try:
        ran = subprocess.run(
            [sys.executable, "-m", "pytest", *OPTIONS, mutant.tests],
            cwd=copy,
            env={"PYTHONPATH": str(copy), "PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            timeout=PATIENCE_S,
            check=False,
        )
        return ran.returncode == 1
    finally:
        path.write_text(source, encoding="utf-8")


def mutants(copy: Path) -> Iterator[tuple[str, Callable[[], bool]]]:
    """Name of each mutant, and what tells whether the suite kills it."""
    for guard in GUARDS:
        yield guard.name, partial(is_killed, guard, copy)
    for state, event in list(TRANSITIONS):
        yield f"row: {state} + {event}", partial(is_row_killed, (state, event))


@click.command()
@click.option("--only", default="", help="Mutants whose name contains this, such as `row:` or `guard 3`.")
def main(only: str) -> None:
    """Print which mutants the suite kills."""
    killed: list[bool] = []
    if table_tests() != pytest.ExitCode.OK:
        raise click.ClickException("the tests of the table are red without any mutant")
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for name in COPIED:
            source = ROOT / name
            (shutil.copytree if source.is_dir() else shutil.copy)(source, copy / name)
        for name, kills in mutants(copy):
            if only in name:
                began = time.monotonic()
                killed.append(kills())
                click.echo(f"{'killed' if killed[-1] else 'SURVIVED':9} {time.monotonic() - began:5.1f} s  {name}")
    click.echo(f"mutants={len(killed)} killed={sum(killed)} survived={killed.count(False)}")
    sys.exit(0 if all(killed) else 1)


if __name__ == "__main__":
    main()
