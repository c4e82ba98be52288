"""A source task in a process of its own, which sends itself a signal at a chosen step.

    python -m tests.support.dying_source ORDERS        JSON, see `Orders`

The task itself knows nothing of this: the producer and the stream of its session are replaced by ones that count steps.
"""

import asyncio
import json
import os
import signal
import sys
import threading
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from connectors.errors import TaskFailed
from connectors.kafka.offsets import read_offsets
from connectors.kafka.producer import TransactionalProducer
from connectors.kafka.records import ProducerRecord
from connectors.pubsub.runner import driver, session
from connectors.pubsub.runner.stream import Stream
from connectors.pubsub.runner.transport import Fetched
from connectors.pubsub.source import PubSubSource
from schemas.topics import Topics
from tests.support.mirror import Mirror
from tests.support.source import NAME, source_config, source_worker

# In the order of a session's life. The last six come again with every transaction.
STEPS = (
    "fenced",
    "position read",
    "fetched",
    "begun",
    "produced",
    "before commit",
    "commit sent",
    "committed",
)
EXIT_FAILED = 3
PATIENCE_S = 60.0
ROOT = Path(__file__).resolve().parents[2]
_AT_THE_BROKER_S = 10.0
_UNDER_WAY_S = 0.001  # a commit takes two or three milliseconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """What the child is told: where it works, which signal it sends itself, at which step, and after how many times."""

    bootstrap_servers: str
    prefix: str
    config: dict[str, str] = field(default_factory=dict)
    step: str = ""
    times: int = 1
    signal: int = signal.SIGKILL


class Fuse:
    """Counts the step that was ordered."""

    def __init__(self, orders: Orders) -> None:
        self._orders = orders
        self._left = orders.times

    def watches(self, step: str) -> bool:
        """Whether this is the step, and its time has not come yet."""
        return step == self._orders.step and self._left > 0

    def reached(self, step: str) -> None:
        """Count the step; the signal comes before this returns."""
        if self.is_due(step):
            os.kill(os.getpid(), self._orders.signal)
            time.sleep(0)

    def is_due(self, step: str) -> bool:
        """Count the step; say whether the signal is due."""
        if not self.watches(step):
            return False
        self._left -= 1
        return self._left == 0

    def reached_soon(self, step: str) -> None:
        """Count the step; the signal comes while what follows is under way."""
        if self.is_due(step):
            threading.Timer(_UNDER_WAY_S, os.kill, (os.getpid(), self._orders.signal)).start()


class BurningProducer(TransactionalProducer):
    """A producer that counts its steps. Records are at the broker when the step `produced` is counted."""

    fuse: ClassVar[Fuse]

    def init(self, timeout_s: float) -> None:
        super().init(timeout_s)
        self.fuse.reached("fenced")

    def begin(self) -> None:
        super().begin()
        self.fuse.reached("begun")

    def produce(self, records: Iterable[ProducerRecord]) -> None:
        for record in records:
            super().produce([record])
            if self.fuse.watches("produced"):
                self.flush(_AT_THE_BROKER_S)
                self.fuse.reached("produced")

    def commit(self) -> None:
        if self.fuse.watches("before commit"):
            self.flush(_AT_THE_BROKER_S)
            self.fuse.reached("before commit")
        self.fuse.reached_soon("commit sent")
        super().commit()
        self.fuse.reached("committed")


class BurningStream(Stream):
    """A stream that counts responses before the task sees them."""

    fuse: ClassVar[Fuse]

    def __init__(self, *, fetched: Callable[[int, Fetched], None], **arguments: Any) -> None:
        def seen(epoch: int, response: Fetched) -> None:
            self.fuse.reached("fetched")
            fetched(epoch, response)

        super().__init__(fetched=seen, **arguments)


async def run(orders: Orders) -> int:
    """Mirror until a signal ends it; the exit code."""
    fuse = BurningProducer.fuse = BurningStream.fuse = Fuse(orders)

    def reading(**arguments: Any) -> dict[str, dict[str, Any]]:
        offsets = read_offsets(**arguments)
        fuse.reached("position read")
        return offsets

    vars(session).update(TransactionalProducer=BurningProducer, read_offsets=reading)
    vars(driver).update(Stream=BurningStream)
    worker = source_worker(orders.bootstrap_servers, Topics(prefix=orders.prefix))
    (task,) = PubSubSource(NAME, orders.config).tasks(worker)
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    mirroring = asyncio.create_task(task.run(lambda: print("ready", flush=True)))  # noqa: T201 - the parent waits for it
    waiting = asyncio.create_task(stopping.wait())
    await asyncio.wait({mirroring, waiting}, return_when=asyncio.FIRST_COMPLETED)
    await task.stop()
    waiting.cancel()
    try:
        await mirroring
    except TaskFailed as error:
        print(error, flush=True)  # noqa: T201 - the parent reads it
        return EXIT_FAILED
    return 0


class DyingSource:
    """The child, as its parent sees it."""

    def __init__(self, process: Process) -> None:
        self._process = process

    async def ready(self) -> None:
        """Wait until it serves."""
        assert self._process.stdout is not None
        line = await asyncio.wait_for(self._process.stdout.readline(), PATIENCE_S)
        assert line == b"ready\n", line

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        self._process.send_signal(number)

    async def ended(self) -> tuple[int, str]:
        """Wait for the end; exit code (negative: a signal) and what it printed last."""
        stdout, _ = await asyncio.wait_for(self._process.communicate(), PATIENCE_S)
        assert self._process.returncode is not None
        return self._process.returncode, stdout.decode().strip().rpartition("\n")[2]

    @property
    def is_stopped(self) -> bool:
        """Whether it has got SIGSTOP and no SIGCONT."""
        status = Path(f"/proc/{self._process.pid}/stat").read_text(encoding="ascii")
        return status.rpartition(")")[2].split()[0] == "T"


@asynccontextmanager
async def dying_source(
    mirror: Mirror, step: str = "", times: int = 1, number: signal.Signals = signal.SIGKILL, **keys: str
) -> AsyncIterator[DyingSource]:
    """A child that mirrors; killed at the end of the block when it still runs."""
    assert step in ("", *STEPS)
    orders = Orders(
        bootstrap_servers=mirror.kafka.bootstrap_servers,
        prefix=mirror.topics.prefix,
        config=source_config(mirror.sim, **keys),
        step=step,
        times=times,
        signal=number,
    )
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.support.dying_source", json.dumps(asdict(orders))), cwd=ROOT, stdout=PIPE
    )
    try:
        yield DyingSource(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


if __name__ == "__main__":
    sys.exit(asyncio.run(run(Orders(**json.loads(sys.argv[1])))))
