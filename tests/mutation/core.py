"""Take each guard of the domain out, one at a time, and see the suite turn red: `python -m tests.mutation.core`.

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

from streams.core.routing.machine import TRANSITIONS, Event, State
from tests.mutation.mutant import OPTIONS, ROOT, Ending, Mutant, copied_sources, ending_of, tell

CORE = "tests/unit/streams/core"
TABLE = "tests/unit/streams/core/routing/test_routing_table.py"
CONSULTATIONS = "tests/property/test_consultations.py tests/unit/connectors/pubsub/converters/test_event_mapping.py"
PUBSUB = "connectors/pubsub"


def _core(name: str, file: str, old: str, new: str, tests: str = CORE, folder: str = "streams/core") -> Mutant:
    return Mutant(name, f"{folder}/{file}", old, new, tests)


_PASS = "if False:"

GUARDS = [
    _core(
        "guard 0: not an event type that delivers", "delivery.py", "if event.event_type not in _DELIV", "if 0 in _DELIV"
    ),
    _core("guard 1: types differ", "delivery.py", "    if not entry.type_matches:", f"    {_PASS}"),
    _core("guard 1: a state entry whose types differ", "apply.py", "elif not entry.type_matches:", "elif False:"),
    _core(
        "guard 2: visibility",
        "delivery.py",
        'if entry.visibility is not None and entry.visibility != "Default":',
        _PASS,
    ),
    _core(
        "guard 2: a strategy that is no word",
        "parsing/parse.py",
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
    _core("guard 7: not before", "apply.py", "    if state.seen(key) is not None:", f"    {_PASS}"),
    _core("never: a note", "apply.py", "elif entry.entry_type not in STATE:", "elif False:"),
    _core("never: answers of the end user", "delivery.py", "if message.message_type not in CONTAINERS:", _PASS),
    _core("never: an unknown format", "delivery.py", "if message.format_type not in FORMATS:", _PASS),
    _core("never: no content", "delivery.py", "message.text is None and message.content is None", "False"),
    _core("ephemeral: received stale", "apply.py", "event.received_at_ms >= expires_at_ms", "False"),
    _core("ephemeral: read stale", "apply.py", "        if now_ms >= expires_at_ms:", f"        {_PASS}"),
    _core("routing: no call at its deadline", "routing/outputs.py", "or now_ms >= deadline_ms(facts, rules)", ""),
    _core(
        "routing: no task too late",
        "routing/outputs.py",
        "if request.state != State.OPEN or now_ms >= answer_by_ms(facts, rules):",
        "if request.state != State.OPEN:",
    ),
    _core("routing: one answer", "routing/outputs.py", "if told.answer is not None or", "if"),
    _core("routing: one outcome", "routing/outputs.py", "or request.outcome == told.outcome", ""),
    _core("routing: undo only when over", "routing/work.py", "or request.state not in _UNDONE", ""),
    _core(
        "routing: undo while of use",
        "routing/work.py",
        "if now_ms >= at_ms + rules.result_window_ms:\n        return request\n    if Kind.ROUTE",
        "if False:\n        return request\n    if Kind.ROUTE",
    ),
    _core("routing: each work call once", "routing/work.py", "or name in told.work", ""),
    _core(
        "routing: work calls by rule only",
        "routing/work.py",
        "if decision is None or not rules.work_calls:",
        "if decision is None:",
    ),
    _core("routing: no work for targets outside", "routing/work.py", "or decision.externally_routed", ""),
    _core(
        "asked again: not what was declined before", "routing/attempts.py", "decision.decided_at_ms <= at_ms", "True"
    ),
    _core(
        "asked again: only what was accepted",
        "routing/attempts.py",
        "decision.decision == DecisionKind.ACCEPT and ",
        "",
    ),
    _core("asked again: only a decline", "routing/attempts.py", "moment.event != Event.WORK_DECLINED or ", ""),
    _core(
        "asked again: an older decision does not answer",
        "routing/attempts.py",
        "while left and left[0].decided_at_ms < moment.at_ms - rules.skew_ms:",
        "while False:",
    ),
    _core("asked again: once for each decline", "routing/outputs.py", "again <= request.told.asked_again or ", ""),
    _core(
        "asked again: not when the answer is there",
        "routing/outputs.py",
        "again <= request.told.asked_again or attempts[-1].decision is not None:",
        "again <= request.told.asked_again:",
    ),
    _core(
        "asked again: not when it is over",
        "routing/outputs.py",
        "if request.state != State.CLAIMED or now_ms",
        "if now_ms",
    ),
    _core(
        "asked again: not too late",
        "routing/outputs.py",
        "if request.state != State.CLAIMED or now_ms >= answer_by_ms(facts, rules):",
        "if request.state != State.CLAIMED:",
    ),
    _core(
        "asked again: a repeat is no answer",
        "routing/requests.py",
        "or any(each.decision_id == decision.decision_id for each in held)",
        "",
    ),
    _core(
        "offered again: not when it is over",
        "routing/work.py",
        "if request.state != State.CLAIMED or now_ms",
        "if now_ms",
    ),
    _core(
        "offered again: not at the deadline",
        "routing/work.py",
        "if request.state != State.CLAIMED or now_ms >= deadline_ms(facts, rules):",
        "if request.state != State.CLAIMED:",
    ),
    _core(
        "offered again: by rule only",
        "routing/work.py",
        "decision.decision != DecisionKind.ACCEPT or not rules.work_calls:",
        "decision.decision != DecisionKind.ACCEPT:",
    ),
    _core(
        "offered again: not after a refusal",
        "routing/work.py",
        "decision is None or decision.decision != DecisionKind.ACCEPT or",
        "decision is None or",
    ),
    _core(
        "offered again: declined work is not taken back",
        "conversation/updates.py",
        "replace(request, agent_work_id=None)",
        "request",
    ),
    _core(
        "offered again: results of each attempt",
        "routing/calls.py",
        "*(named(kind, attempt) for kind in _OF_AN_ATTEMPT for attempt in again)",
        "",
    ),
    _core(
        "seated: others after a decline",
        "routing/join.py",
        "any(moment.event == Event.WORK_DECLINED for moment in request.moments)",
        "False",
    ),
    _core("seated: never a contact outside", "routing/join.py", "return kind != TargetKind.EXTERNAL", "return True"),
    _core("removed: by rule only", "routing/work.py", "if not rules.remove_rerouted or ", "if "),
    _core("removed: only when someone joined", "routing/work.py", "or request.state != State.SEATED or", "or"),
    _core(
        "removed: not who joined",
        "routing/work.py",
        "not in staying | _newest_user(attempts)",
        "not in _newest_user(attempts)",
    ),
    _core(
        "removed: not who got the offer again",
        "routing/work.py",
        "not in staying | _newest_user(attempts)",
        "not in staying",
    ),
    _core(
        "removed: while of use",
        "routing/work.py",
        "if now_ms >= at_ms + rules.result_window_ms:\n        return request\n    attempts",
        "if False:\n        return request\n    attempts",
    ),
    _core("commands: once", "conversation/commands.py", "    if state.seen(key) is not None:", f"    {_PASS}"),
    _core(
        "commands: known ones",
        "conversation/commands.py",
        "if command.command not in CommandKind.__members__.values():",
        _PASS,
    ),
    _core("commands: by rule only", "conversation/commands.py", "if not rules.partner_commands:", _PASS),
    _core(
        "commands: in time",
        "conversation/commands.py",
        "if now_ms >= command.commanded_at_ms + rules.command_within_ms:",
        _PASS,
    ),
    _core(
        "commands: an identifier that the API knows",
        "conversation/commands.py",
        "or api_identifier(conversation) is None",
        "",
    ),
    _core(
        "commands: somebody is named", "conversation/commands.py", 'None if command.user_id else "user_absent"', "None"
    ),
    _core(
        "commands: not for a session that is over",
        "conversation/commands.py",
        "if is_over(conversation.session):",
        _PASS,
    ),
    _core(
        "commands: an end user that is known",
        "conversation/commands.py",
        "if conversation.channel_address_id is None or conversation.end_user_subject is None:",
        _PASS,
    ),
    _core(
        "commands: inactive by the id only",
        "conversation/commands.py",
        'return "session_unknown" if unnamed else None',
        "return None",
    ),
    _core(
        "commands: only words of the API",
        "conversation/commands.py",
        "if command.on_behalf_of in _BEHALF:",
        "if command.on_behalf_of:",
    ),
    _core("content: what has no place is kept", "content/taking.py", "    if left := part.left():", f"    {_PASS}"),
    _core(
        "content: what has no place in a title is kept",
        "content/parts.py",
        "    owner.keep(name, item.left())\n    return fields",
        "    return fields",
    ),
    _core(
        "content: odd things in an array are kept",
        "content/taking.py",
        "if len(objects) < len(found):",
        _PASS,
        "tests/property/test_content.py",
    ),
    _core(
        "content: words that are not known are kept",
        "content/taking.py",
        "if self._left.get(name) in known:",
        "if name in self._left:",
    ),
    _core(
        "content: a link has no number",
        "content/fallback.py",
        '        if as_filled_text(option.get("url")):',
        f"        {_PASS}",
    ),
    _core(
        "content: the identifier of old options",
        "content/parts.py",
        'chosen.text("optionId") if identifier is None else identifier',
        "identifier",
    ),
    _core(
        "consultations: announced in their own partition",
        "converters/byoc.py",
        "if CONSULT_INFO in payload:",
        _PASS,
        CONSULTATIONS,
        PUBSUB,
    ),
    _core(
        "consultations: only by their announcement",
        "converters/byoc.py",
        'if CONSULT_INFO not in (_text(entry.get("entryType")), _text(body.get("entryType"))):',
        _PASS,
        CONSULTATIONS,
        PUBSUB,
    ),
    _core(
        "routing: only words of the API",
        "routing/calls.py",
        "if cancel_reason in _CANCEL_REASONS:",
        "if cancel_reason:",
    ),
    _core("receipts: once", "conversation/receipts.py", "    if _has(state, key, step):", f"    {_PASS}"),
    _core(
        "receipts: only channels that want it",
        "conversation/receipts.py",
        "conversation.channel_address_id in wanted",
        "True",
    ),
    _core("receipts: only messages", "conversation/receipts.py", "and _is_message(each)", ""),
    _core("receipts: read is not lowered", "conversation/receipts.py", "and not _is_read(state, each, step)", ""),
    _core(
        "receipts: a conversation the API knows",
        "routing/calls.py",
        'None if key == f"{conversation.channel_address_id}:{subject}" else key',
        "key",
    ),
    _core(
        "acknowledgements: read is a high-water mark", "model/details.py", "mark.at_ms <= was.reps_read.at_ms", "False"
    ),
    _core("acknowledgements: the later stands", "model/details.py", "found.at_ms > known.at_ms", "True"),
    _core("uploads: pending does not undo", "model/details.py", 'or (known.status != "pending" == upload.status)', ""),
    _core("uploads: the later stands", "model/details.py", "known.at_ms > upload.at_ms", "False"),
    _core(
        "calls: acceptance stands",
        "routing/requests.py",
        "call.outcome == CallOutcome.ACCEPTED, call.at_ms",
        "False, call.at_ms",
    ),
    _core("calls: only of the request", "routing/call_results.py", "    if name is None:", f"    {_PASS}"),
    _core("routing: the work of one request only", "conversation/updates.py", "if len(requests) == 1 and ", "if "),
    _core(
        "state: receipts before their conversation",
        "apply.py",
        "elif not conversation.started_at_ms:",
        "elif 0:",
    ),
    _core("calls: a conversation that is gone", "routing/call_results.py", "if result.error_code in GONE:", _PASS),
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
