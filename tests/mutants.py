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
CONSULTATIONS = "tests/property/test_consultations.py tests/unit/connectors/test_event_mapping.py"
PUBSUB = "connectors/pubsub"


@dataclass(frozen=True, slots=True)
class Mutant:
    """A text of a file of `folder`, what it is replaced by, and the tests that must notice, one word each."""

    name: str
    file: str
    old: str
    new: str
    tests: str = CORE
    folder: str = "streams/core"


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
    Mutant(
        "routing: no task too late",
        "answers.py",
        "if request.state != State.OPEN or now_ms >= answer_by_ms(facts, rules):",
        "if request.state != State.OPEN:",
    ),
    Mutant("routing: one answer", "answers.py", "if told.answer is not None or", "if"),
    Mutant("routing: one outcome", "answers.py", "or request.outcome == told.outcome", ""),
    Mutant("routing: undo only when over", "work.py", "or request.state not in _UNDONE", ""),
    Mutant(
        "routing: undo while of use",
        "work.py",
        "if now_ms >= at_ms + rules.result_window_ms:\n        return request\n    if Kind.ROUTE",
        "if False:\n        return request\n    if Kind.ROUTE",
    ),
    Mutant("routing: each work call once", "work.py", "or name in told.work", ""),
    Mutant(
        "routing: work calls by rule only",
        "work.py",
        "if decision is None or not rules.work_calls:",
        "if decision is None:",
    ),
    Mutant("routing: no work for targets outside", "work.py", "or decision.externally_routed", ""),
    Mutant("asked again: not what was declined before", "attempts.py", "decision.decided_at_ms <= at_ms", "True"),
    Mutant("asked again: only what was accepted", "attempts.py", "decision.decision == DecisionKind.ACCEPT and ", ""),
    Mutant("asked again: only a decline", "attempts.py", "moment.event != Event.WORK_DECLINED or ", ""),
    Mutant(
        "asked again: an older decision does not answer",
        "attempts.py",
        "while left and left[0].decided_at_ms < moment.at_ms - rules.skew_ms:",
        "while False:",
    ),
    Mutant("asked again: once for each decline", "answers.py", "again <= request.told.asked_again or ", ""),
    Mutant(
        "asked again: not when the answer is there",
        "answers.py",
        "again <= request.told.asked_again or attempts[-1].decision is not None:",
        "again <= request.told.asked_again:",
    ),
    Mutant(
        "asked again: not when it is over", "answers.py", "if request.state != State.CLAIMED or now_ms", "if now_ms"
    ),
    Mutant(
        "asked again: not too late",
        "answers.py",
        "if request.state != State.CLAIMED or now_ms >= answer_by_ms(facts, rules):",
        "if request.state != State.CLAIMED:",
    ),
    Mutant(
        "asked again: a repeat is no answer",
        "requests.py",
        "or any(each.decision_id == decision.decision_id for each in held)",
        "",
    ),
    Mutant("offered again: not when it is over", "work.py", "if request.state != State.CLAIMED or now_ms", "if now_ms"),
    Mutant(
        "offered again: not at the deadline",
        "work.py",
        "if request.state != State.CLAIMED or now_ms >= deadline_ms(facts, rules):",
        "if request.state != State.CLAIMED:",
    ),
    Mutant(
        "offered again: by rule only",
        "work.py",
        "decision.decision != DecisionKind.ACCEPT or not rules.work_calls:",
        "decision.decision != DecisionKind.ACCEPT:",
    ),
    Mutant(
        "offered again: not after a refusal",
        "work.py",
        "decision is None or decision.decision != DecisionKind.ACCEPT or",
        "decision is None or",
    ),
    Mutant(
        "offered again: declined work is not taken back",
        "updates.py",
        "replace(request, agent_work_id=None)",
        "request",
    ),
    Mutant(
        "offered again: results of each attempt",
        "calls.py",
        "*(named(kind, attempt) for kind in _OF_AN_ATTEMPT for attempt in again)",
        "",
    ),
    Mutant(
        "seated: others after a decline",
        "join.py",
        "any(moment.event == Event.WORK_DECLINED for moment in request.moments)",
        "False",
    ),
    Mutant("seated: never a contact outside", "join.py", "return kind != TargetKind.EXTERNAL", "return True"),
    Mutant("removed: by rule only", "work.py", "if not rules.remove_rerouted or ", "if "),
    Mutant("removed: only when someone joined", "work.py", "or request.state != State.SEATED or", "or"),
    Mutant(
        "removed: not who joined", "work.py", "not in staying | _newest_user(attempts)", "not in _newest_user(attempts)"
    ),
    Mutant(
        "removed: not who got the offer again", "work.py", "not in staying | _newest_user(attempts)", "not in staying"
    ),
    Mutant(
        "removed: while of use",
        "work.py",
        "if now_ms >= at_ms + rules.result_window_ms:\n        return request\n    attempts",
        "if False:\n        return request\n    attempts",
    ),
    Mutant("commands: once", "commands.py", "    if state.seen(key) is not None:", f"    {_PASS}"),
    Mutant("commands: known ones", "commands.py", "if command.command not in CommandKind.__members__.values():", _PASS),
    Mutant("commands: by rule only", "commands.py", "if not rules.partner_commands:", _PASS),
    Mutant(
        "commands: in time", "commands.py", "if now_ms >= command.commanded_at_ms + rules.command_within_ms:", _PASS
    ),
    Mutant("commands: an identifier that the API knows", "commands.py", "or api_identifier(conversation) is None", ""),
    Mutant("commands: somebody is named", "commands.py", 'None if command.user_id else "user_absent"', "None"),
    Mutant("commands: not for a session that is over", "commands.py", "if is_over(conversation.session):", _PASS),
    Mutant(
        "commands: an end user that is known",
        "commands.py",
        "if conversation.channel_address_id is None or conversation.end_user_subject is None:",
        _PASS,
    ),
    Mutant(
        "commands: inactive by the id only",
        "commands.py",
        'return "session_unknown" if unnamed else None',
        "return None",
    ),
    Mutant(
        "commands: only words of the API",
        "commands.py",
        "if command.on_behalf_of in _BEHALF:",
        "if command.on_behalf_of:",
    ),
    Mutant("content: what has no place is kept", "taking.py", "    if left := part.left():", f"    {_PASS}"),
    Mutant(
        "content: what has no place in a title is kept",
        "content_parts.py",
        "    owner.keep(name, item.left())\n    return fields",
        "    return fields",
    ),
    Mutant(
        "content: odd things in an array are kept",
        "taking.py",
        "if len(objects) < len(found):",
        _PASS,
        "tests/property/test_content.py",
    ),
    Mutant(
        "content: words that are not known are kept",
        "taking.py",
        "if self._left.get(name) in known:",
        "if name in self._left:",
    ),
    Mutant(
        "content: a link has no number",
        "fallback.py",
        '        if as_filled_text(option.get("url")):',
        f"        {_PASS}",
    ),
    Mutant(
        "content: the identifier of old options",
        "content_parts.py",
        'chosen.text("optionId") if identifier is None else identifier',
        "identifier",
    ),
    Mutant(
        "consultations: announced in their own partition",
        "mapping.py",
        "if CONSULT_INFO in payload:",
        _PASS,
        CONSULTATIONS,
        PUBSUB,
    ),
    Mutant(
        "consultations: only by their announcement",
        "mapping.py",
        'if CONSULT_INFO not in (_text(entry.get("entryType")), _text(body.get("entryType"))):',
        _PASS,
        CONSULTATIONS,
        PUBSUB,
    ),
    Mutant("routing: only words of the API", "calls.py", "if cancel_reason in _CANCEL_REASONS:", "if cancel_reason:"),
    Mutant("receipts: once", "receipts.py", "    if _has(state, key, step):", f"    {_PASS}"),
    Mutant("receipts: only channels that want it", "receipts.py", "conversation.channel_address_id in wanted", "True"),
    Mutant("receipts: only messages", "receipts.py", "and _is_message(each)", ""),
    Mutant("receipts: read is not lowered", "receipts.py", "and not _is_read(state, each, step)", ""),
    Mutant(
        "receipts: a conversation the API knows",
        "calls.py",
        'None if key == f"{conversation.channel_address_id}:{subject}" else key',
        "key",
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
    Mutant("calls: only of the request", "call_results.py", "    if name is None:", f"    {_PASS}"),
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
    path = copy / mutant.folder / mutant.file
    source = path.read_text(encoding="utf-8")
    if source.count(mutant.old) != 1:
        raise click.ClickException(
            f"mutant {mutant.name!r}: its text is {source.count(mutant.old)} times in {path.name}"
        )
    path.write_text(source.replace(mutant.old, mutant.new), encoding="utf-8")
    try:
        ran = subprocess.run(
            [sys.executable, "-m", "pytest", *OPTIONS, *mutant.tests.split()],
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
