"""What the whole system writes and how it starts its parts: no secret on a command line, no text for other users."""

import stat
from pathlib import Path

import psutil
import pytest

from byoc.private_files import append_privately, private_folder, write_privately
from byoc.settings import Settings
from byoc.system.http import get_json, post_json
from byoc.system.system import System, SystemOptions, own_topics, running
from byoc.verification.trace import TRACE_FILE, write_trace
from connectors.config.properties import parse_properties
from tests.support.processor import eventually


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def secrets_of(folder: Path) -> set[str]:
    """The secrets in the connectors' files."""
    found = [parse_properties(file.read_text()) for file in folder.glob("*.properties")]
    return {value for each in found for key, value in each.items() if key.endswith("secret")}


def command_lines() -> dict[int, str]:
    """Of every process of this machine, as each of its users can read them."""
    found = {}
    for process in psutil.process_iter():
        try:
            found[process.pid] = " ".join(process.cmdline())
        except psutil.Error:
            continue
    return found


@pytest.mark.broker
@pytest.mark.timeout(240)
def test_the_running_system_shows_no_secret_and_no_text_to_other_users(session_kafka: str, tmp_path: Path) -> None:
    settings = Settings(KAFKA_BOOTSTRAP_SERVERS=session_kafka)
    options = SystemOptions(topics=own_topics(settings, "private"), folder=tmp_path / "above" / "run")
    with running(options, settings) as system:
        for _ in system.start():
            assert_hidden(system)
        post_json(f"{system.simulator_url}/v1/scenario", {"events": 60, "rate": 200, "seed": 3})
        eventually(lambda: get_json(f"{system.channel_url}/v1/stats")["accepted"] or None, "a delivery")
        assert_hidden(system)
        conversation = system.partner_log.read_text().split('"conversation_id":"')[1].split('"')[0]
        trace = options.folder / TRACE_FILE
        assert write_trace(trace, [f"lost: {conversation}"], session_kafka, options.topics) > 0
        files = [path for path in options.folder.iterdir() if path.is_file()]
        assert {"partner.jsonl", TRACE_FILE, "webhook.properties", "connect.log"} <= {path.name for path in files}
        assert {path.name: oct(mode(path)) for path in files if mode(path) != 0o600} == {}
        assert oct(mode(options.folder)) == oct(0o700)


def assert_hidden(system: System) -> None:
    """No process of ours, nor any other, has a secret on its command line."""
    secrets = secrets_of(system.options.folder)
    lines = command_lines()
    assert {child.pid for child in system.children.values()} <= lines.keys()
    assert [line for line in lines.values() if any(secret in line for secret in secrets) or "whsec_" in line] == []
    if "connect" in system.children:
        assert len(secrets) == 2


def test_a_file_is_private_from_its_beginning_and_one_that_was_open_is_closed(tmp_path: Path) -> None:
    folder = private_folder(tmp_path / "a" / "b")
    assert (mode(folder), mode(tmp_path / "a") & 0o700) == (0o700, 0o700)
    new, old = folder / "new", folder / "old"
    old.write_text("before ")
    old.chmod(0o644)
    write_privately(new, b"content")
    with append_privately(old) as file:
        file.write(b"after")
    assert (mode(new), mode(old)) == (0o600, 0o600)
    assert (new.read_text(), old.read_text()) == ("content", "before after")
    write_privately(old, b"short")
    assert old.read_text() == "short"


def test_a_folder_that_exists_keeps_its_rights(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    private_folder(tmp_path)
    assert mode(tmp_path) == 0o755
