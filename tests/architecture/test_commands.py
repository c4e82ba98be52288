"""Every command of `byoc` explains itself, quickly, and fails without a traceback."""

import os
import subprocess
import sys
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from byoc.cli import COMMANDS, main
from tests.support.sources import ROOT

SLOW = ("faust", "grpc", "confluent_kafka", "aiohttp", "pydantic", "fastavro", "cryptography", "rich", "msgspec")


def commands(command: click.Command, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    yield path
    if isinstance(command, click.Group):
        context = click.Context(command, info_name=path[-1] if path else "byoc")
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            assert child is not None
            yield from commands(child, (*path, name))


@pytest.mark.parametrize("path", [pytest.param(path, id=" ".join(("byoc", *path))) for path in commands(main, ())])
def test_every_command_has_help_with_an_example(path: tuple[str, ...]):
    shown = CliRunner().invoke(main, [*path, "--help"], prog_name="byoc")
    assert shown.exit_code == 0, shown.output
    assert "Example" in shown.output
    assert " ".join(("byoc", *path)) in shown.output.partition("Example")[2]


def test_every_command_that_is_named_exists():
    assert [name for name, command in COMMANDS.items() if not command.exists()] == []


def test_the_list_of_commands_imports_no_part():
    """The list appears at once because the parts are not imported for it."""
    program = (
        "import sys\nfrom byoc.cli import main\n"
        "main(['--help'], prog_name='byoc', standalone_mode=False)\n"
        f"print('imported:', sorted(set(sys.modules) & set({SLOW!r})))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.rstrip().endswith("imported: []")


def test_an_unreachable_kafka_is_one_line_and_exit_code_1():
    environment = {name: value for name, value in os.environ.items() if name != "KAFKA_BOOTSTRAP_SERVERS"}  # noqa: TID251  # a child's environment
    done = subprocess.run(
        [sys.executable, "-m", "byoc", "topics", "check", "--bootstrap-servers", "127.0.0.1:1"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("Error: describing topics at 127.0.0.1:1:")
    assert "--bootstrap-servers or KAFKA_BOOTSTRAP_SERVERS" in line
