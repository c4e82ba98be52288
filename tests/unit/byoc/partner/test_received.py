from pathlib import Path

import msgspec
import pytest

from byoc.partner.received import ReceivedLog, read_lines
from tests.support.sinks import delivery


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "new folder" / "received.jsonl"


def test_a_line_tells_what_was_received_and_a_repeat_is_known_as_one(path: Path) -> None:
    log = ReceivedLog(path)
    log.accept(delivery("c", 1), 1_000)
    log.accept(delivery("c", 1), 2_000)
    log.close()
    first, second = read_lines(path.read_bytes())
    assert (first.delivery_id, first.conversation_id, first.entry_id) == ("c-1", "c", "entry-c-1")
    assert (first.kind, first.text, first.received_at_ms, first.repeat) == ("message", "hello #c-1", 1_000, False)
    assert (second.received_at_ms, second.repeat) == (2_000, True)


def test_a_repeat_is_known_after_a_restart(path: Path) -> None:
    before = ReceivedLog(path)
    before.accept(delivery("c", 1), 1_000)
    before.close()
    after = ReceivedLog(path)
    assert after.distinct == 1
    assert after.accept(delivery("c", 1), 2_000).repeat
    after.close()
    assert len(read_lines(path.read_bytes())) == 2


def test_a_line_cut_off_by_a_crash_was_never_answered_and_is_forgotten(path: Path) -> None:
    before = ReceivedLog(path)
    before.accept(delivery("c", 1), 1_000)
    before.accept(delivery("c", 2), 1_001)
    before.close()
    path.write_bytes(path.read_bytes()[:-10])
    after = ReceivedLog(path)
    assert not after.accept(delivery("c", 2), 2_000).repeat
    after.close()
    assert [line.delivery_id for line in read_lines(path.read_bytes())] == ["c-1", "c-2"]


def test_a_file_that_is_something_else_is_refused_and_left_alone(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("dear diary\n")
    with pytest.raises(msgspec.DecodeError):
        ReceivedLog(path)
    assert path.read_text() == "dear diary\n"


def test_a_line_is_in_the_file_before_the_request_is_answered(path: Path) -> None:
    log = ReceivedLog(path)
    log.accept(delivery("c", 1), 1_000)
    assert len(read_lines(path.read_bytes())) == 1
    log.close()
