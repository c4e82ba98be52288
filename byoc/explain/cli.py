"""`byoc explain [FILE|-] [--lines]`."""

import json
import time
from typing import Any, TextIO

import click

from byoc.explain.reading import NotReadable, read_event
from schemas.process.text import one_line
from streams.core.explain import Reason, explain
from streams.core.model.rules import Rules


@click.command("explain")
@click.argument("source", metavar="[FILE|-]", type=click.File(encoding="utf-8-sig", errors="replace"), default="-")
@click.option("--lines", is_flag=True, help="One event per input line, one JSON object per output line.")
@click.option("--supervisor-messages", is_flag=True, help="As the processor's setting of that name.")
def explain_command(source: TextIO, lines: bool, supervisor_messages: bool) -> None:
    """Say what one event is and why the customer gets it or not, as JSON.

    Takes the payload field's value, the whole platform event, or a record of the events topic. The event is read as
    the first of its conversation, at its CreatedDate. The output holds all of the event's content: mind who sees it.

    \b
    Example:
      byoc explain event.json
      kcat -C -t byoc.events … | byoc explain --lines -
    """
    rules = Rules(supervisor_messages=supervisor_messages)
    if not lines:
        click.echo(_json(_explained(source.read(), rules), indent=2))
        return
    for line in source:
        if line.strip():
            click.echo(_json(_explained(line, rules)))


def _json(value: Any, indent: int | None = None) -> str:
    """JSON that steers no terminal: it leaves C1 controls and Unicode's line ends as they are, and they are escaped."""
    text = json.dumps(value, indent=indent, ensure_ascii=False)
    return "\n".join(map(one_line, text.split("\n")))


def _explained(text: str, rules: Rules) -> dict[str, Any]:
    try:
        event = read_event(text, time.time_ns() // 1_000_000)
        return explain(event, rules)
    except NotReadable as error:
        said = str(error)
    except Exception as error:
        said = f"reading it failed: {type(error).__name__}: {error}"
    reason = Reason.UNPARSABLE.value
    return {"event_type": None, "class": None, "delivered": False, "reason": reason, "error": said}
