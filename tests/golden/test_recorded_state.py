"""State that an older version has written is read as it was meant, and written again byte by byte."""

from typing import Any

import pytest

from tests.support.recorded import GOLDEN, lines_of, read_value, readable, state_of, written_segment, written_value

FILES = ("v0_1.jsonl", "v0_1-recorded.jsonl.gz")


def values(file: str, *tables: str) -> list[dict[str, Any]]:
    return [line for line in lines_of(GOLDEN / "state" / file) if line["table"] in tables]


@pytest.mark.parametrize("file", FILES)
def test_a_stored_value_says_what_it_said(file: str) -> None:
    found = values(file, "conversations", "routing")
    assert {line["table"] for line in found} == {"conversations", "routing"}
    for line in found:
        value = read_value(line["table"], line["key"], bytes.fromhex(line["bytes"]))
        assert readable(value) == line["value"], line["key"]
        assert value.key == line["key"]


@pytest.mark.parametrize("file", FILES)
def test_a_stored_value_is_written_again_with_the_same_bytes(file: str) -> None:
    for line in values(file, "conversations", "routing"):
        stored = bytes.fromhex(line["bytes"])
        value = read_value(line["table"], line["key"], stored)
        assert written_value(line["table"], value) == {line["key"]: stored}


@pytest.mark.parametrize("file", FILES)
def test_a_stored_segment_of_seen_entries_knows_its_entries_and_no_others(file: str) -> None:
    found = values(file, "seen")
    state = state_of(seen={line["key"]: bytes.fromhex(line["bytes"]) for line in found})
    assert found
    for line in found:
        for entry in line["value"]["entries"]:
            seen = state.seen(entry)
            assert seen is not None, entry
            assert seen.expires_at_ms == line["value"]["expires_at_ms"]
            assert state.seen(entry + "-other") is None
        assert state.due_at_ms("seen", line["key"]) == line["value"]["expires_at_ms"]


@pytest.mark.parametrize("file", FILES)
def test_the_same_seen_entries_make_the_same_segment(file: str) -> None:
    for line in values(file, "seen"):
        written = written_segment(line["value"]["entries"], line["value"]["expires_at_ms"])
        assert written == {line["key"]: bytes.fromhex(line["bytes"])}


def test_every_field_of_the_state_is_filled_in_some_golden_value() -> None:
    """Else a field could change its place or its meaning without a test that notices."""
    empty: set[str] = set()
    filled: set[str] = set()
    for line in values(FILES[0], "conversations", "routing"):
        note_fields(line["table"], line["value"], empty, filled)
    assert empty - filled == set()


def note_fields(path: str, value: Any, empty: set[str], filled: set[str]) -> None:
    (empty if value in (None, [], False, 0, "") else filled).add(path)
    for name, inner in value.items() if isinstance(value, dict) else ():
        note_fields(f"{path}.{name}", inner, empty, filled)
    for inner in value if isinstance(value, list) else ():
        note_fields(f"{path}[]", inner, empty, filled)
