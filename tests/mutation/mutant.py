"""A guard that is taken out, and the tests that must turn red."""

import difflib
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from tests.mutation.place import ROOT, NoPlace, Place, find, replaced


@dataclass(frozen=True, slots=True)
class Mutant:
    """A piece of code in a definition, what replaces it, and the tests that must notice.

    `within` is `package:definition`, such as `streams.core:objection`; the file is searched for. `old` and `new` are two
    expressions, statements, entries of a dictionary (`key: value`), keyword arguments or cases of a `match`; `old` has to
    stand there once. `tests` are arguments of pytest; a test file needs no folder where its name is the only one.
    """

    name: str
    within: str
    old: str
    new: str
    tests: str

    def place(self) -> Place:
        """Where it is. Raises `NoPlace`."""
        return find(self.within, self.old)

    def mutated(self) -> str:
        """The source of its file with the guard taken out. Raises `NoPlace`."""
        place = self.place()
        return replaced(place, self.old, self.new, place.path.read_text(encoding="utf-8"))

    def arguments(self) -> list[str]:
        """Its tests with the folders of files. Raises `NoPlace` for a file or a word of `-k` that is not there."""
        found: list[str] = []
        words = shlex.split(self.tests)
        paths = [test_path(word) for word in words if word.endswith(".py") or word.startswith("tests/")]
        for at, word in enumerate(words):
            if word.endswith(".py") or word.startswith("tests/"):
                found.append(test_path(word).relative_to(ROOT).as_posix())
                continue
            if at and words[at - 1] == "-k":
                _check_selection(word, paths)
            found.append(word)
        return found

    def needs_kafka(self) -> bool:
        """True when its tests start processes around a Kafka: such tests are run alone, their time-outs count."""
        return any(word.startswith(("tests/integration/", "tests/fault/")) for word in self.arguments())

    def check(self) -> str:
        """Empty when it can be tried; else what has to be repaired."""
        try:
            self.mutated()
            self.arguments()
        except NoPlace as error:
            return f"mutant {self.name!r}: {error}"
        return ""


def test_path(word: str) -> Path:
    """A file or folder of tests; a file also by its name, or the end of its path. Raises `NoPlace`."""
    if (ROOT / word).exists():
        return ROOT / word
    tests = list((ROOT / "tests").rglob("test_*.py"))
    found = [path for path in tests if path.as_posix().endswith(f"/{word}")]
    if len(found) != 1:
        close = difflib.get_close_matches(word, sorted(path.name for path in tests), n=3)
        raise NoPlace(f"{word} is there {len(found)} times below tests/; similar names: {', '.join(close) or 'none'}")
    return found[0]


def _check_selection(selection: str, paths: list[Path]) -> None:
    """Every word must be part of the name of a test, or of an id, in the files; ids may come from tests/support."""
    sources = [*paths, *(ROOT / "tests" / "support").glob("*.py")]
    text = "\n".join(path.read_text(encoding="utf-8") for path in sources if path.is_file())
    for word in re.findall(r"\w+", selection):
        if word not in ("and", "or", "not") and word not in text:
            names = sorted(set(re.findall(r"def test_(\w+)\(", text)))
            close = difflib.get_close_matches(word, names, n=3, cutoff=0.3)
            raise NoPlace(f"-k {word} selects no test; similar names: {', '.join(close) or 'none'}")
