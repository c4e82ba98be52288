"""docker-compose.yml follows the Compose Specification, and its commands and files are ones that our workers take."""

import copy

import click
import pytest
import yaml
from compose_pydantic import ComposeSpecification
from pydantic import ValidationError

from byoc.cli import main
from connectors.config.properties import parse_connector, parse_properties
from connectors.runtime.registry import connector_class
from connectors.runtime.worker_config import worker_settings
from tests.support.sources import ROOT

_FILE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
# Keys that begin with x- are the file's own, by the specification; the models leave that rule out.
COMPOSE = {key: value for key, value in _FILE.items() if not key.startswith("x-")}
OURS = {name: service for name, service in COMPOSE["services"].items() if "build" in service}
PROPERTIES = ROOT / "deploy" / "compose"


def test_the_file_follows_the_compose_specification():
    ComposeSpecification(**COMPOSE)


@pytest.mark.parametrize(
    ("place", "wrong"),
    [
        pytest.param(("services", "kafka", "imagee"), "apache/kafka", id="unknown key"),
        pytest.param(("services", "kafka", "ports"), 9092, id="ports not a list"),
        pytest.param(("services", "streams", "depends_on"), {"topics": {"condition": "done"}}, id="unknown condition"),
    ],
)
def test_a_file_that_does_not_follow_it_is_refused(place, wrong):
    broken = copy.deepcopy(COMPOSE)
    within = broken
    for name in place[:-1]:
        within = within[name]
    within[place[-1]] = wrong
    with pytest.raises(ValidationError):
        ComposeSpecification(**broken)


def test_what_services_refer_to_is_defined():
    for name, service in COMPOSE["services"].items():
        assert set(service.get("depends_on", {})) <= set(COMPOSE["services"]), name
        volumes = {volume.partition(":")[0] for volume in service.get("volumes", [])}
        assert {volume for volume in volumes if not volume.startswith(".")} <= set(COMPOSE["volumes"]), name
        assert all((ROOT / volume).exists() for volume in volumes if volume.startswith(".")), name


@pytest.mark.parametrize("name", sorted(OURS))
def test_our_services_run_commands_that_parse(name: str, tmp_path, monkeypatch):
    for variable, value in OURS[name].get("environment", {}).items():
        monkeypatch.setenv(variable, value)
    words = [word.replace("/etc/byoc", str(PROPERTIES)) for word in OURS[name]["command"]]
    words = [word.replace("/var/lib/byoc", str(tmp_path)) for word in words]
    command: click.Command = main
    context = click.Context(command)
    while isinstance(command, click.Group):
        found = command.get_command(context, words.pop(0))
        assert found is not None
        command = found
    command.make_context(name, words)


def test_the_worker_file_is_one_that_the_connect_worker_takes():
    settings = worker_settings(parse_properties((PROPERTIES / "worker.properties").read_text()))
    assert settings.rest_port == 8083


@pytest.mark.parametrize("file", ["pubsub-source.properties", "webhook-sink.properties", "interaction-sink.properties"])
def test_the_connector_files_are_ones_that_their_connectors_take(file: str):
    name, config = parse_connector((PROPERTIES / file).read_text(), file)
    found = connector_class(config["connector.class"])
    assert found.definition.unknown(config) == ()
    assert found(name, config).name == name


def test_kafka_is_the_version_that_the_tests_run_on():
    pom = (ROOT / "deploy" / "kafka" / "pom.xml").read_text()
    version = pom.partition("<kafka.version>")[2].partition("<")[0]
    assert COMPOSE["services"]["kafka"]["image"] == f"apache/kafka:{version}"


def test_the_image_runs_without_root():
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    users = [line.split()[1] for line in lines if line.startswith("USER ")]
    assert users
    assert users[-1].partition(":")[0] not in ("0", "root")
