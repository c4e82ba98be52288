"""docs/failures.md has a row for each of 31 failures and names tests that exist; each row has a guard to take out."""

import re

import pytest

from tests.mutation.source import FURTHER, ROWS
from tests.support.sources import ROOT, python_files

TEXT = (ROOT / "docs" / "failures.md").read_text()
FAILURES = [
    (int(number), re.findall(r"`(test_\w+)`", tests), seen)
    for number, tests, seen in re.findall(r"^\| (\d+) \| [^|]+ \| ([^|]+) \| ([^|]+) \|$", TEXT, re.MULTILINE)
]
TESTS = {
    name
    for path in python_files("tests")
    for name in re.findall(r"^(?:async )?def (test_\w+)\(", path.read_text(), re.MULTILINE)
}


def test_all_31_failures_are_there_once_and_in_order():
    assert [number for number, _, _ in FAILURES] == list(range(1, 32))


@pytest.mark.parametrize(("number", "tests", "seen"), FAILURES)
def test_a_failure_names_tests_that_exist_and_what_was_seen(number, tests, seen):
    assert tests
    assert set(tests) - TESTS == set()
    assert seen.strip()


def test_each_failure_has_a_guard_that_can_be_taken_out():
    rows = {int(match[1]) for mutant in ROWS if (match := re.match(r"row (\d+): ", mutant.name))}
    assert rows == set(range(1, 32))
    names = [mutant.name for mutant in ROWS + FURTHER]
    assert len(names) == len(set(names))
