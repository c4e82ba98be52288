"""Fetching the jars of Kafka once, with Maven, into a cache folder."""

import fcntl
import hashlib
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from byoc.errors import LocalKafkaError
from byoc.local_kafka.tools import ALTERNATIVES, find_maven
from byoc.settings import REPOSITORY

POM = REPOSITORY / "deploy" / "kafka" / "pom.xml"
# A cold fetch of 54 MB takes 8 s on a good line; this leaves room for a bad one.
FETCH_TIMEOUT_S = 600


def ensure_jars(libs: Path, pom: Path = POM) -> Path:
    """Make `libs` hold the jars that `pom` names; return it.

    Fetches only when the folder was not filled from this very pom. Safe to call from several processes: one fetches,
    the others wait. A crash half-way leaves no folder that looks complete. Raises `LocalKafkaError`.
    """
    if not pom.exists():
        raise LocalKafkaError(
            f"fetching the jars of the local Kafka: {pom} is missing; work from a clone of the "
            f"repository, {ALTERNATIVES}"
        )
    wanted = hashlib.sha256(pom.read_bytes()).hexdigest()
    if _is_filled(libs, wanted):
        return libs
    libs.parent.mkdir(parents=True, exist_ok=True)
    with locked(libs.with_suffix(".lock")):
        if not _is_filled(libs, wanted):
            _fetch(libs, pom, wanted)
    return libs


def _is_filled(libs: Path, wanted: str) -> bool:
    marker = libs / "pom.sha256"
    return marker.exists() and marker.read_text() == wanted


def _fetch(libs: Path, pom: Path, wanted: str) -> None:
    partial = libs.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    command = [
        *(find_maven(), "--quiet", "--batch-mode", "--file", str(pom)),
        *("dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={partial}"),
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=FETCH_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired:
        raise LocalKafkaError(
            f"fetching the jars of the local Kafka: mvn did not finish in {FETCH_TIMEOUT_S} s; "
            f"check the network and Maven's mirror settings, {ALTERNATIVES}"
        ) from None
    if done.returncode != 0:
        raise LocalKafkaError(
            f"fetching the jars of the local Kafka: mvn failed: {_first_error(done.stdout + done.stderr)}; "
            f"check the network and Maven's mirror settings, {ALTERNATIVES}"
        )
    (partial / "pom.sha256").write_text(wanted)
    shutil.rmtree(libs, ignore_errors=True)
    partial.rename(libs)


def _first_error(output: str) -> str:
    errors = [line.removeprefix("[ERROR]").strip() for line in output.splitlines() if line.startswith("[ERROR]")]
    return (errors or [output.strip() or "no output"])[0][:300]


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file `path` exclusively; other processes wait. A crash releases it."""
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
