"""The command `byoc`: `COMMANDS` names every sub-command, and each is imported only when it is used.

A new sub-command is a click command in the `cli` module of its package, and one row in `COMMANDS`.
"""

import importlib
import importlib.metadata
import importlib.util
import sys
from dataclasses import dataclass
from typing import Any

import click

from byoc.errors import ByocError
from schemas.process.descriptors import TooFewDescriptors, ran_out
from schemas.process.log_lines import configure
from schemas.process.text import one_line, without_userinfo


@dataclass(frozen=True, slots=True)
class Command:
    """Where a sub-command is defined, and what `byoc --help` says about it, so that the list needs no import."""

    module: str
    attribute: str
    summary: str

    def exists(self) -> bool:
        """Say whether the module is there, without importing it (its packages are imported; they are empty)."""
        try:
            return importlib.util.find_spec(self.module) is not None
        except ModuleNotFoundError:
            return False


COMMANDS: dict[str, Command] = {
    "demo": Command("byoc.demo.cli", "demo", "Play a day of conversations through the whole system and count."),
    "connect": Command(
        "connectors.runtime.cli", "connect", "Run connectors: Pub/Sub API to Kafka, Kafka to the partner."
    ),
    "streams": Command("streams.cli", "streams", "Run the processor: conversations, routing, deliveries."),
    "simulate": Command("simulator.cli", "simulate", "Serve Salesforce's APIs on this machine."),
    "partner": Command("byoc.partner.cli", "partner", "Run a small partner: channel, router, commands."),
    "explain": Command("byoc.explain.cli", "explain_command", "Say why the customer gets an event, or not."),
    "kafka": Command("byoc.local_kafka.cli", "kafka", "Run one node of Apache Kafka on this machine."),
    "topics": Command("byoc.topics.cli", "topics", "Create or check the topics."),
    "fault": Command("byoc.fault.cli", "fault", "Kill, pause and restart the parts under load, then count."),
}


class CommandGroup(click.Group):
    """Imports a command when it is called, and prints a `ByocError` as one line."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        """Return the names of the commands, in the order of `COMMANDS`."""
        return [name for name, command in COMMANDS.items() if command.exists()]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  # click's signature
        """Import a command; None for an unknown name. Raises `TypeError` when its row names no click command."""
        command = COMMANDS.get(cmd_name)
        if command is None or not command.exists():
            return None
        found = getattr(importlib.import_module(command.module), command.attribute)
        if not isinstance(found, click.Command):
            raise TypeError(f"mounting `byoc {cmd_name}`: {command.module}:{command.attribute} is not a click command")
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands for `--help` without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name].summary) for name in self.list_commands(ctx)])

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; a `ByocError`, or too few open files, becomes one line on stderr and exit code 1."""
        configure("WARNING")  # `connect` and `streams` do it again, with their level
        try:
            return super().invoke(ctx)
        except ByocError as error:
            raise click.ClickException(one_line(without_userinfo(str(error)))) from None
        except TooFewDescriptors as error:
            raise click.ClickException(str(error)) from None
        except OSError as error:
            told = ran_out(error)
            if told is None:
                raise
            raise click.ClickException(told) from None


@click.group(cls=CommandGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="byoc-streams", prog_name="byoc")
def main() -> None:
    """Salesforce Bring Your Own Channel on Kafka: every event exactly once, from the Pub/Sub API to the partner.

    \b
    Example:
      byoc demo
      byoc kafka up && byoc topics create && byoc topics check
    """


if __name__ == "__main__":
    sys.exit(main())
