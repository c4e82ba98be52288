"""A webhook sink task alone in a process, to be killed: `python -m tests.support.sink_worker BOOTSTRAP PREFIX URL`."""

import asyncio
import signal
import sys

import click

from schemas.topics import Topics
from tests.support.sinks import webhook_task


async def main(bootstrap_servers: str, prefix: str, url: str) -> None:
    """Serve until SIGTERM; prints `ready` when the task does."""
    task = webhook_task(bootstrap_servers, Topics(prefix=prefix), url, retry_max="1000")
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, lambda: loop.create_task(task.stop()))
    await task.run(lambda: click.echo("ready"))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
