"""The indexes of docs/ and docs/adr/ list every page, with the title and the status that it has."""

import re

import pytest

from tests.support.sources import ROOT

DOCS = ROOT / "docs"
ADR = DOCS / "adr"
RECORDS = sorted(ADR.glob("[0-9]*.md"))
ROWS = re.findall(r"^\| \[(\d+)\]\((.+?)\) \| (.+?) \| (.+?) \| .+ \|$", (ADR / "README.md").read_text(), re.MULTILINE)


def record(text: str) -> tuple[str, str, str]:
    """Number, title and status of a decision record."""
    head = re.match(r"# (\d+)\. (.+)\n\nStatus: (.+)\n", text)
    assert head is not None, "a record begins with `# N. Title` and `Status: …`"
    return head[1], head[2], head[3]


def test_the_index_lists_every_decision_in_order_with_its_title_and_status():
    found = [
        (number, path.name, title, status) for path in RECORDS for number, title, status in [record(path.read_text())]
    ]
    assert found == ROWS
    assert [int(number) for number, *_ in found] == list(range(1, len(found) + 1))


@pytest.mark.parametrize("path", [pytest.param(path, id=path.name) for path in RECORDS])
def test_a_decision_is_in_force_or_names_the_one_that_replaced_it(path):
    number, _, status = record(path.read_text())
    assert path.name.startswith(f"{int(number):04}-")
    replaced = re.fullmatch(r"replaced by (\d+)", status)
    assert status in ("accepted", "proposed") or (replaced and any(each[0] == replaced[1] for each in ROWS))


def test_the_index_of_the_documents_lists_every_page():
    linked = set(re.findall(r"\]\(([^):]+\.md)\)", (DOCS / "README.md").read_text()))
    pages = {path.name for path in DOCS.glob("*.md")} - {"README.md"}
    assert pages <= linked
    assert "adr/README.md" in linked
