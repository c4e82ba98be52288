"""The broker that tests use: its address, and topics, records and readers for one test."""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from byoc.kafka import admin, read, write
from byoc.kafka.read import Message
from schemas.topics import Topics, TopicSpec

TEST_PARTITIONS = 4


@dataclass(frozen=True, slots=True)
class Unique:
    """Names that no other test uses, on a broker that all tests share."""

    token: str = field(default_factory=lambda: uuid.uuid4().hex[:10])

    @property
    def prefix(self) -> str:
        """A topic prefix."""
        return f"t{self.token}"

    @property
    def app_id(self) -> str:
        """An application id of a streams worker."""
        return f"app{self.token}"

    @property
    def group(self) -> str:
        """A consumer group."""
        return f"group-{self.token}"

    @property
    def transactional_id(self) -> str:
        """A transactional id."""
        return f"txn-{self.token}"

    @property
    def topics(self) -> Topics:
        """The topic names of this prefix and application id."""
        return Topics(prefix=self.prefix, app_id=self.app_id)

    def name(self, what: str) -> str:
        """A name of this test: `name("input")`."""
        return f"{self.prefix}.{what}"


class TestBroker:
    """A running Kafka, shared by the session; topics created through it are deleted by `delete_created`."""

    __test__ = False  # not a test class, in spite of its name

    def __init__(self, bootstrap_servers: str) -> None:
        self.bootstrap_servers = bootstrap_servers
        self._created: list[str] = []

    def create_topic(self, name: str, partitions: int = 1, config: dict[str, str] | None = None) -> str:
        """Create one topic; return its name. Raises `BrokerError`, also when it exists with other partitions."""
        self.create_topics([TopicSpec(name=name, partitions=partitions, config=config or {})])
        return name

    def create_topics(self, specs: Sequence[TopicSpec]) -> None:
        """Create topics and wait until they have leaders."""
        admin.create_topics(self.bootstrap_servers, specs)
        self._created += [spec.name for spec in specs]

    def create_catalogue(self, topics: Topics, partitions: int = TEST_PARTITIONS) -> Topics:
        """Create every topic of the catalogue; return the names."""
        self.create_topics(topics.catalogue(partitions))
        return topics

    def delete_on_exit(self, *names: str) -> None:
        """Delete these too at the end of the test: topics that the code under test creates."""
        self._created += names

    def delete_created(self) -> None:
        """Delete what was created since the last call."""
        created, self._created = self._created, []
        admin.delete_topics(self.bootstrap_servers, created)

    def produce(self, topic: str, records: Iterable[tuple[bytes | None, bytes | None]]) -> int:
        """Write (key, value) records outside any transaction; return their number when all are acknowledged."""
        return write.produce(self.bootstrap_servers, topic, records)

    def read_committed(self, topic: str, timeout_s: float = 60.0) -> list[Message]:
        """Every committed record of the topic, to its end, open transactions waited for; in order per partition."""
        return list(read.read_committed(self.bootstrap_servers, topic, timeout_s=timeout_s))

    def end_offsets(self, topic: str, *, committed: bool = True) -> dict[int, int]:
        """End offset of each partition, behind the last committed record or behind any."""
        return admin.end_offsets(self.bootstrap_servers, topic, committed=committed)

    def committed_offsets(self, group: str, topic: str) -> dict[int, int | None]:
        """Committed offset of the group per partition, None where there is none."""
        return admin.committed_offsets(self.bootstrap_servers, group, topic)
