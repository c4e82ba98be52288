"""Java, Maven and the jars: what is missing is named, with the alternatives."""

import stat
from pathlib import Path

import pytest

from byoc.errors import LocalKafkaError, ToolMissingError
from byoc.local_kafka.jars import ensure_jars
from byoc.local_kafka.tools import find_java, find_maven, parse_java_version

ALTERNATIVES = r".*KAFKA_BOOTSTRAP_SERVERS.*docker compose up"


@pytest.mark.parametrize(
    ("text", "version"),
    [
        pytest.param('openjdk version "17.0.15" 2025-04-15\nOpenJDK Runtime', 17, id="17"),
        pytest.param('openjdk version "21" 2023-09-19', 21, id="21 without a dot"),
        pytest.param('java version "1.8.0_392"', 8, id="1.8 is 8"),
        pytest.param('openjdk version "25-ea" 2025-09-16', 25, id="early access"),
        pytest.param("Error: could not find libjava.so", None, id="no version"),
    ],
)
def test_the_version_of_java_is_read(text: str, version: int | None):
    assert parse_java_version(text) == version


def program(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def test_an_old_java_is_named_with_its_version(tmp_path: Path):
    program(tmp_path / "bin" / "java", "echo 'openjdk version \"11.0.2\"' >&2")
    with pytest.raises(ToolMissingError, match=rf"is Java 11, Kafka needs 17 or later{ALTERNATIVES}"):
        find_java(tmp_path)


def test_a_java_that_does_not_run_is_an_error_and_no_traceback(tmp_path: Path):
    program(tmp_path / "bin" / "java", "exit 3")
    with pytest.raises(ToolMissingError, match=rf"-version` failed{ALTERNATIVES}"):
        find_java(tmp_path)


def test_no_java_and_no_maven_in_path_are_named(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolMissingError, match=rf"no java in PATH; install Java 17{ALTERNATIVES}"):
        find_java(None)
    with pytest.raises(ToolMissingError, match=rf"no mvn in PATH{ALTERNATIVES}"):
        find_maven()


@pytest.fixture
def pom(tmp_path: Path) -> Path:
    path = tmp_path / "pom.xml"
    path.write_text("<project/>")
    return path


def maven(tmp_path: Path, monkeypatch, script: str) -> Path:
    """Put a Maven of this test into PATH: it notes each call and runs the script with $out set."""
    calls = tmp_path / "calls"
    find_out = 'for word in "$@"; do case "$word" in -DoutputDirectory=*) out="${word#*=}";; esac; done'
    program(tmp_path / "bin" / "mvn", f'echo call >> "{calls}"\n{find_out}\n{script}')
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    return calls


def test_jars_are_fetched_once_and_again_when_the_pom_changes(tmp_path: Path, pom: Path, monkeypatch):
    calls = maven(tmp_path, monkeypatch, 'mkdir -p "$out" && touch "$out/kafka.jar"')
    libs = tmp_path / "cache" / "libs"
    assert ensure_jars(libs, pom) == libs
    ensure_jars(libs, pom)
    assert (libs / "kafka.jar").exists()
    assert calls.read_text().count("call") == 1
    pom.write_text("<project>newer</project>")
    (libs / "old.jar").touch()
    ensure_jars(libs, pom)
    assert calls.read_text().count("call") == 2
    assert not (libs / "old.jar").exists()


def test_a_fetch_that_fails_half_way_leaves_nothing_that_looks_complete(tmp_path: Path, pom: Path, monkeypatch):
    calls = maven(
        tmp_path, monkeypatch, 'mkdir -p "$out" && touch "$out/half.jar"; echo "[ERROR] no route to host"; exit 1'
    )
    libs = tmp_path / "libs"
    for _ in range(2):
        with pytest.raises(LocalKafkaError, match=rf"mvn failed: no route to host; check the network{ALTERNATIVES}"):
            ensure_jars(libs, pom)
    assert not libs.exists()
    assert calls.read_text().count("call") == 2


def test_without_a_pom_the_message_says_where_to_work(tmp_path: Path):
    with pytest.raises(LocalKafkaError, match=rf"pom.xml is missing; work from a clone{ALTERNATIVES}"):
        ensure_jars(tmp_path / "libs", tmp_path / "pom.xml")
