"""`byoc streams` with input that is wrong: one clear line, no traceback, exit code 1."""

import socket
from pathlib import Path

import pytest

from byoc.ports import free_port
from schemas.topics import Topics
from tests.support.kafka import TestBroker
from tests.support.processor import complaint

pytestmark = pytest.mark.broker


def names_of(topics: Topics) -> tuple[str, ...]:
    return ("--prefix", topics.prefix, "--app-id", topics.app_id)


def test_a_wrong_kafka_address_is_named(unique: object) -> None:
    address = f"127.0.0.1:{free_port()}"
    assert f"connecting to Kafka at {address}: no answer" in complaint("--bootstrap-servers", address)


def test_missing_topics_are_named_with_the_remedy(kafka: TestBroker) -> None:
    said = complaint("--bootstrap-servers", kafka.bootstrap_servers, "--prefix", "nowhere")
    assert "nowhere.events is missing" in said
    assert "byoc topics create" in said


def test_another_partition_count_is_refused_naming_both(kafka: TestBroker, catalogue: Topics) -> None:
    said = complaint("--bootstrap-servers", kafka.bootstrap_servers, *names_of(catalogue), "--partitions", "6")
    assert f"{catalogue.events} has 4 partitions, 6 are needed" in said


def test_a_port_in_use_is_named(kafka: TestBroker, catalogue: Topics) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        said = complaint("--bootstrap-servers", kafka.bootstrap_servers, *names_of(catalogue), "--web-port", port)
    assert f"binding the query API to 127.0.0.1:{port}" in said


@pytest.mark.parametrize(
    ("options", "words"),
    [
        pytest.param(("--partitions", "0"), "partitions", id="no partitions"),
        pytest.param(("--answer-by-s", "70"), "answer_by_ms must come before", id="answer after the deadline"),
        pytest.param(("--prefix", "a b"), "topic prefix 'a b'", id="prefix that is no topic name"),
    ],
)
def test_wrong_settings_are_named(kafka: TestBroker, catalogue: Topics, options: tuple[str, str], words: str) -> None:
    names = () if options[0] == "--prefix" else names_of(catalogue)
    assert words in complaint("--bootstrap-servers", kafka.bootstrap_servers, *names, *options)


def test_a_data_folder_that_cannot_be_made_is_named(kafka: TestBroker, catalogue: Topics, tmp_path: Path) -> None:
    taken = tmp_path / "a file"
    taken.touch()
    options = ("--bootstrap-servers", kafka.bootstrap_servers, *names_of(catalogue), "--web-port", "0")
    assert f"writing to {taken}" in complaint(*options, "--data-dir", str(taken))
