"""The whole system, from the simulated Salesforce to the partner, played and broken; judged by the last line."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.broker, pytest.mark.slow, pytest.mark.timeout(400)]

_COUNTS = (
    r"published=(?P<published>\d+) mirrored=(?P<mirrored>\d+) delivered=(?P<delivered>\d+) withheld=(?P<withheld>\d+) "
    r"routed=(?P<routed>\d+) refused=(?P<refused>\d+) timed_out=(?P<timed_out>\d+) cancelled=(?P<cancelled>\d+) "
    r"lost=(?P<lost>\d+) duplicated=(?P<duplicated>\d+) reordered=(?P<reordered>\d+) leaked=(?P<leaked>\d+)"
)


def run_byoc(home: Path, kafka: str, *arguments: str) -> tuple[int, str]:
    """Run a command on the Kafka of the session; its exit code and last line."""
    environment = {"PATH": "/usr/bin:/bin", "KAFKA_BOOTSTRAP_SERVERS": kafka, "BYOC_HOME": str(home)}
    done = subprocess.run(
        [sys.executable, "-m", "byoc", *arguments],
        env=environment,
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=390,
        check=False,
    )
    said = (done.stdout + done.stderr).strip()
    print(said)  # noqa: T201  the findings, for a failure's report
    return done.returncode, said.splitlines()[-1]


def test_the_demo_counts_what_it_played(session_kafka: str, tmp_path: Path) -> None:
    code, last_line = run_byoc(tmp_path, session_kafka, "demo", "--events", "400", "--rate", "200", "--seed", "11")
    found = re.fullmatch(_COUNTS, last_line)
    assert found is not None, last_line
    counts = {name: int(value) for name, value in found.groupdict().items()}
    assert code == 0, last_line
    assert counts["published"] == counts["mirrored"] >= 400
    assert all(counts[name] > 0 for name in ("delivered", "withheld", "routed", "cancelled"))
    assert [counts[name] for name in ("lost", "duplicated", "reordered", "leaked")] == [0, 0, 0, 0]


def test_kills_and_moving_partitions_lose_and_double_nothing(session_kafka: str, tmp_path: Path) -> None:
    code, last_line = run_byoc(tmp_path, session_kafka, "fault", "--seed", "3", "--rounds", "5")
    found = re.fullmatch(r"kills=(\d+) rebalances=(\d+) " + _COUNTS, last_line)
    assert found is not None, last_line
    assert code == 0, last_line
    assert int(found[1]) > 0
    assert int(found[2]) > 0
