"""Fixtures of the whole suite: one real Kafka per session, unique names per test."""

from collections.abc import Iterator

import hypothesis
import pytest

from byoc.errors import LocalKafkaError
from byoc.kafka.admin import answers
from byoc.local_kafka.local import LocalKafka
from byoc.settings import Settings
from schemas.topics import Topics
from tests.support.kafka import TestBroker, Unique

# How fast a machine makes up an example says nothing about the code; a machine with other work would fail tests by it.
# The active profile is the base: with CI set it makes the same examples in each run.
hypothesis.settings.register_profile(
    "any machine",
    hypothesis.settings.get_profile(hypothesis.settings.get_current_profile_name()),
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("any machine")


def pytest_addoption(parser: pytest.Parser) -> None:
    """How long the tests of the source go on that could go on for ever."""
    parser.addoption("--kills", type=int, default=10, help="how often a source or sink is killed")
    parser.addoption("--broker-away-s", type=float, default=5.0, help="how long a broker is away from a source")


@pytest.fixture(scope="session")
def settings() -> Settings:
    """Where the environment says that Kafka and caches are."""
    return Settings()


@pytest.fixture(scope="session")
def session_kafka(settings: Settings) -> Iterator[str]:
    """Address of the Kafka of the session: the one of KAFKA_BOOTSTRAP_SERVERS, else a local one.

    Without either, tests skip with the reason; with REQUIRE_BROKER=1 they fail.
    """
    if settings.kafka_bootstrap_servers is not None:
        if not answers(settings.kafka_bootstrap_servers, timeout_s=15):
            _no_broker(f"Kafka at KAFKA_BOOTSTRAP_SERVERS={settings.kafka_bootstrap_servers} does not answer", settings)
        yield settings.kafka_bootstrap_servers
        return
    local = LocalKafka()
    try:
        local.start()
    except LocalKafkaError as error:
        local.close()
        _no_broker(str(error), settings)
    yield local.bootstrap_servers
    local.close()


@pytest.fixture
def kafka(session_kafka: str) -> Iterator[TestBroker]:
    """The Kafka of the session. Topics that the test creates through it are deleted afterwards."""
    broker = TestBroker(session_kafka)
    yield broker
    broker.delete_created()


@pytest.fixture
def own_kafka(session_kafka: str) -> Iterator[LocalKafka]:
    """A Kafka of this test alone, to be killed, paused and restarted (`session_kafka`: skips where none can run)."""
    with LocalKafka() as local:
        yield local


@pytest.fixture
def unique() -> Unique:
    """Names that no other test uses."""
    return Unique()


@pytest.fixture
def catalogue(kafka: TestBroker, unique: Unique) -> Topics:
    """The names of all topics of the catalogue for this test; the topics exist, with 4 partitions."""
    return kafka.create_catalogue(unique.topics)


def _no_broker(reason: str, settings: Settings) -> None:
    if settings.require_broker:
        pytest.fail(f"REQUIRE_BROKER=1, and there is no Kafka: {reason}", pytrace=False)
    pytest.skip(reason)
