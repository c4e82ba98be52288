"""What the documents name exists: paths, commands of the Makefile, commands of `byoc` and their options."""

import re

import click
import pytest

from byoc.cli import main
from tests.support.sources import ROOT, project_files, shown

DOCUMENTS = [path for path in project_files() if path.suffix == ".md"]
TOP_LEVEL = {path.relative_to(ROOT).parts[0] for path in project_files()}
_CODE = re.compile(r"```.*?\n(.*?)```|`([^`\n]+)`", re.DOTALL)
_COMMAND = re.compile(r"^\s*(?:\$ )?(byoc|make)\s+([^#|&;\n]*)", re.MULTILINE)


def code_of(text: str) -> list[str]:
    """Code blocks and code words of a Markdown text."""
    return [block or word for block, word in _CODE.findall(text)]


def documents(*, without: str = "") -> list[object]:
    return [pytest.param(path, id=shown(path)) for path in DOCUMENTS if shown(path) != without]


@pytest.mark.parametrize("path", documents())
def test_every_path_that_is_named_exists(path):
    words = [word for code in code_of(path.read_text()) for word in code.split()]
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", path.read_text())
    named = [w.rstrip(",.:") for w in words if "/" in w and w.partition("/")[0] in TOP_LEVEL and "*" not in w]
    assert [word for word in named if not (ROOT / word).exists()] == []
    assert [link for link in links if not (path.parent / link).exists()] == []


@pytest.mark.parametrize("path", documents())
def test_every_command_that_is_named_exists(path):
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for code in code_of(path.read_text()):
        for program, arguments in _COMMAND.findall(code):
            words = arguments.split()
            if program == "make":
                assert words[0] in targets, f"make {arguments}"
            elif words and re.fullmatch(r"[a-z]+", words[0]):
                check_arguments(words)


def check_arguments(words: list[str]) -> None:
    """Walk the commands as far as words name them; then every option must be one of that command."""
    command: click.Command = main
    rest = list(words)
    context = click.Context(command)
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        for alternative in rest[0].split("|"):
            found = command.get_command(context, alternative)
            assert found is not None, f"byoc {' '.join(words)}"
        command = found
        rest = rest[1:]
    known = {name for parameter in command.params for name in parameter.opts} | {"--help", "-h", "--version"}
    assert {word.partition("=")[0] for word in rest if word.startswith("--")} <= known, f"byoc {' '.join(words)}"


def test_the_readme_names_the_two_commands():
    text = (ROOT / "README.md").read_text()
    assert "make demo" in text
    assert "make test" in text
