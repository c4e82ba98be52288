"""Committed offsets move only past records that are all done, in whatever order they finish."""

from hypothesis import given
from hypothesis import strategies as st

from connectors.sinks.engine.acknowledged import AcknowledgedPrefix


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[str, int]]:
    """Records read with rising offsets (with gaps) and finished in any order, each after it was read."""
    offsets = sorted(draw(st.sets(st.integers(0, 60), max_size=20)))
    unread, pending = list(offsets), []
    history: list[tuple[str, int]] = []
    while unread or pending:
        if unread and (not pending or draw(st.booleans())):
            offset = unread.pop(0)
            pending.append(offset)
            history.append(("add", offset))
        elif draw(st.integers(0, 9)) == 0:
            break  # some are never done
        else:
            history.append(("complete", pending.pop(draw(st.integers(0, len(pending) - 1)))))
    return history


@given(histories())
def test_the_position_is_just_before_the_first_record_that_is_not_done(history: list[tuple[str, int]]) -> None:
    prefix = AcknowledgedPrefix()
    read: list[int] = []
    done: set[int] = set()
    for what, offset in history:
        if what == "add":
            prefix.add(offset)
            read.append(offset)
        else:
            prefix.complete(offset)
            done.add(offset)
        open_records = [each for each in read if each not in done]
        assert prefix.position == (open_records[0] if open_records else read[-1] + 1)
        assert prefix.pending == len(open_records)


@given(histories())
def test_the_position_never_goes_back(history: list[tuple[str, int]]) -> None:
    prefix = AcknowledgedPrefix()
    positions = []
    for what, offset in history:
        (prefix.add if what == "add" else prefix.complete)(offset)
        positions.append(prefix.position)
    known = [position for position in positions if position is not None]
    assert known == sorted(known)
