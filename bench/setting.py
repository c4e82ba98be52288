"""What all measurements of one run share: broker, cores, folder, options."""

import time
import uuid
from dataclasses import dataclass
from pathlib import Path

from bench.measured import Measured
from bench.pinning import Cores
from byoc.topics.ensure import create_topics
from schemas.topics import Topics

PARTITIONS = 4


def now_ms() -> int:
    """Epoch milliseconds, UTC: the wall clock of the benchmarks."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """The broker, the cores, a folder for logs, and what the command line asked for.

    `events` None leaves the number to each measurement. With `profile`, measured processes write cProfile files into
    `directory`.
    """

    bootstrap_servers: str
    cores: Cores
    directory: Path
    runs: int
    events: int | None = None
    profile: bool = False

    def topics(self) -> Topics:
        """Fresh names for one run, with all their topics created."""
        token = uuid.uuid4().hex[:8]
        topics = Topics(prefix=f"bench-{token}", app_id=f"bench-app-{token}")
        self.create(topics)
        return topics

    def create(self, topics: Topics) -> None:
        """Create the topics that are missing."""
        create_topics(self.bootstrap_servers, topics.catalogue(PARTITIONS))

    def next_app(self, topics: Topics) -> Topics:
        """The same topics for another application id, whose changelogs are empty."""
        fresh = Topics(prefix=topics.prefix, app_id=f"bench-app-{uuid.uuid4().hex[:8]}")
        self.create(fresh)
        return fresh

    def start(self, name: str, module: str, arguments: list[str], *, on_measured_core: bool = True) -> Measured:
        """Start a process; its output goes to `NAME.log`, its profile to `NAME.pstats`, in `directory`."""
        return Measured(
            module,
            arguments,
            self.directory / f"{name}.log",
            core=self.cores.measured if on_measured_core else self.cores.rest,
            profile_file=self.directory / f"{name}.pstats" if self.profile and on_measured_core else None,
        )

    def streams_worker(self, name: str, topics: Topics, *options: str) -> Measured:
        """Start the real processor, `byoc streams`."""
        return self.start(
            name,
            "byoc",
            [
                "streams",
                "--no-supervisor",  # it would be the process that is measured
                *("--bootstrap-servers", self.bootstrap_servers),
                *("--prefix", topics.prefix),
                *("--app-id", topics.app_id),
                *("--partitions", str(PARTITIONS)),
                *("--web-port", "0"),
                *("--data-dir", str(self.directory / "streams")),
                *options,
            ],
        )
