"""A run that an older version has played: the same inputs make the same state and the same outputs, byte by byte.

No field is left out of the comparison: with the clock at the timestamps of the recorded records, also what has been
told is the same. Two things depend on how a worker's reads fell and are compared without it: the segments that
transactions cut the seen entries into, and the order of calls that come of different topics.
"""

from collections import defaultdict
from collections.abc import Iterable

import pytest

from schemas import records
from schemas.codec import DecodeError, decode, encode
from tests.support.recorded import INPUTS, OUTPUTS, Fold, Recorded, folded, state_of, written_value


@pytest.fixture(scope="module")
def run() -> Recorded:
    return Recorded("v0_1")


@pytest.fixture(scope="module")
def fold(run: Recorded) -> Fold:
    return folded(run)


def by_conversation(found: Iterable[tuple[str, bytes]]) -> dict[str, list[bytes]]:
    values: defaultdict[str, list[bytes]] = defaultdict(list)
    for conversation_id, value in found:
        values[conversation_id].append(value)
    return dict(values)


def in_any_order(values: dict[str, list[bytes]]) -> dict[str, list[bytes]]:
    return {conversation_id: sorted(found) for conversation_id, found in values.items()}


def test_the_recording_is_complete(run: Recorded) -> None:
    assert {name: len(run.topic(name)) for name in run.counts} == run.counts
    assert set(run.counts) >= {*INPUTS, *OUTPUTS, "dead_letters", "connect_offsets", "conversations", "routing", "seen"}


@pytest.mark.parametrize("name", [*INPUTS, *OUTPUTS])
def test_a_recorded_record_is_read_and_written_again_with_the_same_bytes(run: Recorded, name: str) -> None:
    unreadable = {letter.value for letter in run.topic("dead_letters")}
    read = 0
    for kept in run.topic(name):
        value = kept.value or b""
        try:
            record = decode((INPUTS | OUTPUTS)[name], value)
        except DecodeError:
            assert value in unreadable
            continue
        read += 1
        assert encode(record) == value
        assert record.conversation_id.encode() == kept.key  # type: ignore[attr-defined]  # all records have one
    assert read > 0


@pytest.mark.parametrize("table", ["conversations", "routing"])
def test_the_recorded_inputs_fold_into_the_recorded_state(run: Recorded, fold: Fold, table: str) -> None:
    written = {}
    for value in fold.tables[table].values():
        written.update(written_value(table, value))
    assert written == run.state(table)


def test_the_recorded_inputs_fold_into_the_recorded_seen_entries(run: Recorded, fold: Fold) -> None:
    recorded = state_of(seen=run.state("seen"))
    assert {entry: recorded.seen(entry) for entry in fold.tables["seen"]} == fold.tables["seen"]
    forgotten = fold.all_seen - set(fold.tables["seen"])
    assert forgotten
    assert [entry for entry in forgotten if recorded.seen(entry) is not None] == []


@pytest.mark.parametrize("name", OUTPUTS)
def test_the_recorded_inputs_make_the_recorded_outputs_in_their_order(run: Recorded, fold: Fold, name: str) -> None:
    made = by_conversation(
        (record.conversation_id, encode(record)) for record in fold.outputs if isinstance(record, OUTPUTS[name])
    )
    recorded = by_conversation(((kept.key or b"").decode(), kept.value or b"") for kept in run.topic(name))
    if name == "salesforce_calls":
        made, recorded = in_any_order(made), in_any_order(recorded)
    assert made == recorded


def test_what_could_not_be_read_is_what_was_dead_lettered(run: Recorded, fold: Fold) -> None:
    assert sorted(fold.unreadable) == sorted(letter.value or b"" for letter in run.topic("dead_letters"))


def test_the_recording_has_every_outcome_and_every_call(run: Recorded) -> None:
    outcomes = {decode(records.RoutingOutcome, kept.value or b"").outcome for kept in run.topic("routing_outcomes")}
    assert outcomes == set(records.Outcome)
    calls = {decode(records.SalesforceCall, kept.value or b"").api for kept in run.topic("salesforce_calls")}
    assert calls == {"routingResult", "route", "agentWork", "acknowledgement", "messagingSession", "participant"}
