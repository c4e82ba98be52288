"""The files that a node starts from, and the command that starts it on them."""

from pathlib import Path

from byoc.local_kafka.properties import LOGGING, server_properties
from byoc.ports import LOOPBACK
from byoc.private_files import private_folder


def write_settings(folder: Path, *, port: int, controller_port: int) -> None:
    """Write the files that a node starts from into `folder`; its data goes to `folder/data`."""
    private_folder(folder)  # the records in it have message texts
    (folder / "log4j2.properties").write_text(LOGGING)
    data = str((folder / "data").resolve())
    (folder / "server.properties").write_text(
        server_properties(host=LOOPBACK, port=port, controller_port=controller_port, data=data)
    )


def kafka_command(java: Path, libs: Path, folder: Path, options: list[str]) -> list[str]:
    """Return the command that runs Kafka on the settings in `folder`; `libs` holds its jars, `options` are Java's."""
    return [
        *(str(java), *options, "-Xshare:auto", "-Xlog:cds=off", "-Xlog:cds+dynamic=off", "-Djava.awt.headless=true"),
        f"-Dlog4j2.configurationFile={(folder / 'log4j2.properties').resolve().as_uri()}",
        *("-cp", f"{libs}/*", "kafka.Kafka", str(folder / "server.properties")),
    ]
