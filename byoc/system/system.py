"""Start, find and stop every part of the system."""

import contextlib
import secrets
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from byoc.kafka import admin
from byoc.local_kafka.local import LocalKafka
from byoc.private_files import private_folder
from byoc.settings import Settings
from byoc.system.child import Child
from byoc.system.configuration import Addresses, new_webhook_secret, write_files
from schemas.topics import Topics

CLIENT_ID = "byoc-streams"

EVERY_CALL = ("--work-calls", "--remove-rerouted", "--partner-commands", "--acknowledged-channels", "*")


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemOptions:
    """How large the system is and how fast its clocks run.

    `routing_timeout_s` is Salesforce's 60 s, `answer_by_s` our own answer; shorter ones make a demo short.
    `work_calls`: all calls to Salesforce that the processor can make are switched on.
    """

    topics: Topics
    folder: Path
    partitions: int = 4
    seed: int = 7
    routing_timeout_s: float = 8.0
    answer_by_s: float = 5.0
    session_timeout_s: float = 6.0
    streams_workers: int = 1
    work_calls: bool = False


def own_topics(settings: Settings, name: str) -> Topics:
    """Return the topics of one run: the plain names on a Kafka of its own, unique names on a shared one."""
    if settings.kafka_bootstrap_servers is None:
        return Topics()
    run_id = f"{name}-{secrets.token_hex(4)}"
    return Topics(prefix=run_id, app_id=f"{run_id}-streams")


class System:
    """Kafka (local unless `KAFKA_BOOTSTRAP_SERVERS` names one), simulator, partner, connect and streams workers."""

    def __init__(self, options: SystemOptions, settings: Settings) -> None:
        """Nothing starts before `start` is iterated."""
        self.options = options
        self.kafka: LocalKafka | None = None
        self.bootstrap_servers = settings.kafka_bootstrap_servers or ""
        self.simulator_url = ""
        self.channel_url = ""
        self.connect_url = ""
        self.streams_urls: dict[str, str] = {}
        self.children: dict[str, Child] = {}
        self._connect_files: list[Path] = []
        self._created: list[str] = []

    @property
    def partner_log(self) -> Path:
        """Return the file in which the partner's channel writes what it accepts."""
        return self.options.folder / "partner.jsonl"

    def start(self) -> Iterator[str]:
        """Start every part after those that it needs; yield a line about each when it is ready."""
        options = self.options
        shutil.rmtree(options.folder, ignore_errors=True)
        private_folder(options.folder)
        if not self.bootstrap_servers:
            self.kafka = LocalKafka()
            self.kafka.start()
            self.bootstrap_servers = self.kafka.bootstrap_servers
        yield f"Kafka        {self.bootstrap_servers}"
        catalogue = options.topics.catalogue(options.partitions)
        self._created = [spec.name for spec in catalogue]
        admin.create_topics(self.bootstrap_servers, catalogue)
        secret, client_secret = new_webhook_secret(), secrets.token_urlsafe(24)
        simulator = self._launch(
            "simulator",
            *("simulate", "--grpc-port", "0", "--http-port", "0", "--seed", str(options.seed)),
            *("--routing-timeout-s", str(options.routing_timeout_s)),
            variables={"BYOC_SIMULATE_CLIENT_SECRET": client_secret},
        )
        channel = self._launch(
            "channel",
            *("partner", "channel", "--port", "0", "--log", str(self.partner_log)),
            variables={"WEBHOOK_SECRET": secret},
        )
        for number in range(options.streams_workers):
            self.launch_streams(f"streams-{number + 1}")
        self._launch(
            "router",
            *("partner", "router", "--bootstrap-servers", self.bootstrap_servers),
            *("--prefix", options.topics.prefix, "--seed", str(options.seed)),
        )
        found = simulator.wait_ready()
        self.simulator_url = f"http://{found['http']}"
        yield f"Salesforce   {self.simulator_url} (simulated), Pub/Sub API {found['grpc']}"
        self.channel_url = channel.wait_ready()["http"]
        self.channel_url = f"http://{self.channel_url.removeprefix('http://')}"
        yield f"partner      {self.channel_url}"
        self._connect_files = write_files(
            options.folder,
            options.topics,
            Addresses(
                bootstrap_servers=self.bootstrap_servers,
                pubsub=found["grpc"],
                salesforce_url=self.simulator_url,
                channel_url=self.channel_url,
            ),
            webhook_secret=secret,
            client_id=CLIENT_ID,
            client_secret=client_secret,
        )
        self.launch_connect()
        for name in self.streams_names():
            yield f"{name:12} {self.await_streams(name)}"
        yield f"connect      {self.await_connect()}"
        self.children["router"].wait_ready()

    def streams_names(self) -> list[str]:
        """Return the names of the streams workers."""
        return [name for name in self.children if name.startswith("streams-")]

    def launch_streams(self, name: str) -> Child:
        """Start a streams worker, or start it again after a kill."""
        options = self.options
        return self._launch(
            name,
            *("streams", "--no-supervisor", "--bootstrap-servers", self.bootstrap_servers, "--web-port", "0"),
            *(
                "--prefix",
                options.topics.prefix,
                "--app-id",
                options.topics.app_id,
                "--partitions",
                str(options.partitions),
            ),
            *("--session-timeout-s", str(options.session_timeout_s), "--data-dir", str(options.folder / "faust")),
            *("--routing-timeout-s", str(options.routing_timeout_s), "--answer-by-s", str(options.answer_by_s)),
            *(EVERY_CALL if options.work_calls else ()),
        )

    def await_streams(self, name: str) -> str:
        """Wait for a streams worker's `ready` line; return its query URL."""
        self.streams_urls[name] = f"http://{self.children[name].wait_ready()['http'].removeprefix('http://')}"
        return self.streams_urls[name]

    def launch_connect(self) -> Child:
        """Start the connect worker, or start it again after its end: it ends when a task fails."""
        return self._launch("connect", "connect", *map(str, self._connect_files), "--exit-on-failure")

    def await_connect(self) -> str:
        """Wait for the connect worker's `ready` line; return its REST URL."""
        found = self.children["connect"].wait_ready()
        self.connect_url = f"http://{(found.get('rest') or found['http']).removeprefix('http://')}"
        return self.connect_url

    def ended(self) -> list[Child]:
        """Return the parts that ended by themselves."""
        return [child for child in self.children.values() if not child.is_running()]

    def stop(self) -> None:
        """Stop every part, each before those that it reads from."""
        for child in reversed(self.children.values()):
            child.stop()
        if self.kafka is not None:
            self.kafka.close()
        elif self._created:
            admin.delete_topics(self.bootstrap_servers, self._created)

    def _launch(self, name: str, *arguments: str, variables: Mapping[str, str] | None = None) -> Child:
        child = Child(name, list(arguments), self.options.folder / f"{name}.log", variables=variables)
        self.children[name] = child
        return child


@contextlib.contextmanager
def running(options: SystemOptions, settings: Settings) -> Iterator[System]:
    """Yield a system and stop it at the end of the block, also after an error. The caller iterates its `start`."""
    system = System(options, settings)
    try:
        yield system
    finally:
        system.stop()
