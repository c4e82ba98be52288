"""What must not stand in any file: the paths of somebody's machine, hosts of package registries, private keys."""

import re
from pathlib import Path

from tests.support.sources import project_files, shown

# Written so that this file does not contain what it looks for.
_HOSTS = (
    "pypi" + r"\.org",
    "pythonhosted" + r"\.org",
    "npmjs" + r"\.(org|com)",
    r"repo1?\." + "maven",
    "jfrog" + r"\.",
)
FORBIDDEN = {
    "path of one machine": re.compile(r"(?<![\w.>}/-])/(work|root|home/[a-z]\w*|Users/\w+|tmp/brief)/"),
    "host of a package registry": re.compile("|".join(_HOSTS)),
    "private key": re.compile("BEGIN (RSA |EC )?" + "PRIVATE KEY"),
}


def found_in(text: str) -> list[str]:
    return [f"{what}: {hit.group()}" for what, pattern in FORBIDDEN.items() for hit in pattern.finditer(text)]


def text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""


def test_no_file_contains_a_forbidden_word():
    hits = {shown(path): found for path in project_files() if (found := found_in(text_of(path)))}
    assert hits == {}


def test_the_patterns_find_what_they_are_for():
    assert found_in("see /" + "work/main/x.py")
    assert found_in("https://files.python" + "hosted.org/x")
    assert found_in("-----BEGIN " + "PRIVATE KEY-----")
    assert not found_in("connectors/work/File.py and https://www.apache.org/licenses/")
