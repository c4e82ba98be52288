"""An Interaction Service sink task alone in a process, to be killed: `python -m tests.support.interaction_worker JSON`.

The JSON object has the arguments of `interaction_task_at`, and `prefix` in place of the topics.
"""

import asyncio
import json
import sys

import click

from schemas.topics import Topics
from tests.support.sinks import interaction_task_at


async def main(prefix: str, **arguments: str) -> None:
    """Serve until a signal ends it; prints `ready` when the task does."""
    await interaction_task_at(topics=Topics(prefix=prefix), **arguments).run(lambda: click.echo("ready"))


if __name__ == "__main__":
    asyncio.run(main(**json.loads(sys.argv[1])))
