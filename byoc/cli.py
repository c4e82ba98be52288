"""The command `byoc`: one group; each part brings its own command, imported only when it is used."""

import importlib
import importlib.metadata
import importlib.util
import sys
from dataclasses import dataclass
from typing import Any

import click

from byoc.errors import ByocError


@dataclass(frozen=True, slots=True)
class Part:
    """Where a command lives and what `byoc --help` says about it, so that the list needs no import."""

    module: str
    attribute: str
    summary: str

    def exists(self) -> bool:
        """Say whether the module is there, without importing it (its packages are imported; they are empty)."""
        try:
            return importlib.util.find_spec(self.module) is not None
        except ModuleNotFoundError:
            return False


PARTS: dict[str, Part] = {
    "demo": Part("byoc.demo.cli", "demo", "Play a day of conversations through the whole system and count."),
    "connect": Part("connectors.runtime.cli", "connect", "Run connectors: Pub/Sub API to Kafka, Kafka to the partner."),
    "streams": Part("streams.cli", "streams", "Run the processor: conversations, routing, deliveries."),
    "simulate": Part("simulator.cli", "simulate", "Serve Salesforce's APIs on this machine."),
    "partner": Part("byoc.partner.cli", "partner", "Run a small partner: channel, router, commands."),
    "explain": Part("byoc.explain.cli", "explain_command", "Say why the customer gets an event, or not."),
    "kafka": Part("byoc.local_kafka.cli", "kafka", "Run one node of Apache Kafka on this machine."),
    "topics": Part("byoc.topics.cli", "topics", "Create or check the topics."),
    "fault": Part("byoc.fault.cli", "fault", "Kill, pause and restart the parts under load, then count."),
}


class PartsGroup(click.Group):
    """A group whose commands are imported when they are called, and whose user errors are one line."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature
        return [name for name, part in PARTS.items() if part.exists()]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  # click's signature
        part = PARTS.get(cmd_name)
        if part is None or not part.exists():
            return None
        command = getattr(importlib.import_module(part.module), part.attribute)
        if not isinstance(command, click.Command):
            raise TypeError(f"mounting `byoc {cmd_name}`: {part.module}:{part.attribute} is not a click command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, PARTS[name].summary) for name in self.list_commands(ctx)])

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ByocError as error:
            raise click.ClickException(str(error)) from None


@click.group(cls=PartsGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
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
