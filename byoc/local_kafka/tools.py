"""Finding Java and Maven, and saying clearly what is missing."""

import re
import shutil
import subprocess
from pathlib import Path

from byoc.errors import ToolMissingError

# Kafka 4 brokers are compiled for Java 17 (KIP-1013).
OLDEST_JAVA = 17
ALTERNATIVES = (
    "or set KAFKA_BOOTSTRAP_SERVERS to the address of a running Kafka, or run `docker compose up -d kafka`, "
    "which listens on 127.0.0.1:9092"
)


def find_java(java_home: Path | None) -> Path:
    """Return the `java` of `java_home`, else of PATH, of version 17 or later.

    Raises `ToolMissingError` naming what was found and the alternatives.
    """
    found = str(java_home / "bin" / "java") if java_home is not None else shutil.which("java")
    if found is None or not Path(found).exists():
        place = f"JAVA_HOME ({java_home})" if java_home is not None else "PATH"
        raise ToolMissingError(
            f"starting the local Kafka: no java in {place}; install Java {OLDEST_JAVA} or later, {ALTERNATIVES}"
        )
    version = java_version(found)
    if version < OLDEST_JAVA:
        raise ToolMissingError(
            f"starting the local Kafka: {found} is Java {version}, Kafka needs {OLDEST_JAVA} or later; "
            f"install it or point JAVA_HOME to it, {ALTERNATIVES}"
        )
    return Path(found)


def java_version(java: str) -> int:
    """Return the feature version (8, 11, 17, …) that `java -version` prints.

    Raises `ToolMissingError` when the program does not run or prints no version.
    """
    try:
        shown = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise ToolMissingError(
            f"starting the local Kafka: `{java} -version` failed ({error}); {ALTERNATIVES}"
        ) from None
    version = parse_java_version(shown.stderr + shown.stdout)
    if version is None:
        raise ToolMissingError(f"starting the local Kafka: `{java} -version` names no version; {ALTERNATIVES}")
    return version


def parse_java_version(text: str) -> int | None:
    """Return the feature version from the text of `java -version`, None when there is none.

    Java 8 and older call themselves 1.8; later ones start with the feature version.
    """
    match = re.search(r'version "(?:1\.)?(\d+)', text)
    return int(match[1]) if match else None


def find_maven() -> str:
    """Return the path of `mvn`. Raises `ToolMissingError` when PATH has none."""
    maven = shutil.which("mvn")
    if maven is None:
        raise ToolMissingError(
            f"fetching the jars of the local Kafka: no mvn in PATH; install Apache Maven 3.8 or later, {ALTERNATIVES}"
        )
    return maven
