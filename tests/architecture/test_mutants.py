"""Every mutant finds its code and its tests; one that does not says what is there instead."""

import pytest

from tests.mutation import place
from tests.mutation.calls import CALLS
from tests.mutation.core import GUARDS
from tests.mutation.edges import EDGES
from tests.mutation.mutant import Mutant
from tests.mutation.place import NoPlace, Place, find, replaced
from tests.mutation.sinks import SINKS
from tests.mutation.source import FURTHER, ROWS
from tests.mutation.worker import WORKER

SOURCE = '''
LIMITS = {"small": 1, "large": 100}


class Door:
    """A door."""

    wait_s: float = 2.0

    def opens(self, key, now_s):
        if key is None or (
            now_s  # a comment
            >= self.until_s
        ):
            return False
        self.tries += 1
        self.opened = True
        return turn(key, force='much')
'''
MANY = [*GUARDS, *SINKS, *ROWS, *FURTHER, *EDGES, *CALLS, *WORKER]


def test_every_mutant_finds_its_code_and_its_tests():
    assert [what for each in MANY if (what := each.check())] == []


def test_no_two_mutants_have_one_name():
    assert len({each.name for each in MANY}) == len(MANY)


@pytest.mark.parametrize(
    ("name", "old", "new", "expected"),
    [
        pytest.param("Door.opens", "now_s >= self.until_s", "False", "if key is None or False:", id="operand"),
        pytest.param("Door.opens", "return False", "return True", "return True", id="statement"),
        pytest.param(
            "Door.opens", "self.tries += 1\nself.opened = True", "pass", "pass\n        return", id="statements"
        ),
        pytest.param("Door.opens", 'force="much"', 'force="none"', "force='none'", id="keyword argument"),
        pytest.param("LIMITS", '"large": 100', '"large": 101', "'large': 101", id="entry of a dictionary"),
        pytest.param("Door.wait_s", "2.0", "0.0", "wait_s: float = 0.0", id="field of a class"),
    ],
)
def test_code_is_found_however_it_is_laid_out(name: str, old: str, new: str, expected: str):
    assert expected not in SOURCE
    assert expected in replaced(Place(place.ROOT / "door.py", name), old, new, SOURCE)


@pytest.mark.parametrize(
    ("old", "message"),
    [
        pytest.param("now_s >= self.ends_s", "most like it: now_s >= self.until_s", id="renamed variable"),
        pytest.param("self", "stands 3 times", id="in several places"),
        pytest.param("turn(key, force='much')", "by the same code", id="changes nothing"),
    ],
)
def test_code_that_is_not_there_once_is_an_error_that_shows_what_is(old: str, message: str):
    with pytest.raises(NoPlace, match=message):
        replaced(Place(place.ROOT / "door.py", "Door.opens"), old, "turn(key, force='much')", SOURCE)


def test_a_renamed_function_is_an_error_that_shows_where_its_code_went():
    known = GUARDS[0]
    there = known.place()
    with pytest.raises(NoPlace) as raised:
        find(f"{known.within}s", known.old)
    assert f"similar names: {there.name}" in str(raised.value)
    assert f"stands in: {there.name} ({there.path.relative_to(place.ROOT)})" in str(raised.value)


@pytest.mark.parametrize(
    ("tests", "message"),
    [
        pytest.param("test_mutant.py", "similar names: test_mutants.py", id="renamed file"),
        pytest.param("test_mutants.py -k whispers_in_the_" + "ear", "selects no test", id="renamed test"),
    ],
)
def test_a_mutant_without_tests_is_an_error(tests: str, message: str):
    known = GUARDS[0]
    assert message in Mutant("one", known.within, known.old, known.new, tests).check()
