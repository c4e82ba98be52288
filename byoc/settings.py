"""The environment variables that `byoc` itself reads, read once per command."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

REPOSITORY = Path(__file__).resolve().parents[1]
DEFAULT_BOOTSTRAP_SERVERS = "127.0.0.1:9092"


class Settings(BaseSettings):
    """Where Kafka is and where `byoc` may keep files.

    `kafka_bootstrap_servers` is None when the variable is absent or empty: the caller decides between the local
    Kafka and the default address. `byoc_home` holds jars, data and logs; all of it can be deleted at any time.
    """

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    kafka_bootstrap_servers: str | None = Field(default=None, validation_alias="KAFKA_BOOTSTRAP_SERVERS")
    byoc_home: Path = Field(default=REPOSITORY / ".byoc", validation_alias="BYOC_HOME")
    java_home: Path | None = Field(default=None, validation_alias="JAVA_HOME")
    require_broker: bool = Field(default=False, validation_alias="REQUIRE_BROKER")

    @property
    def bootstrap_servers(self) -> str:
        """The address to use when no option names one."""
        return self.kafka_bootstrap_servers or DEFAULT_BOOTSTRAP_SERVERS

    @property
    def kafka_libs(self) -> Path:
        """Folder of the jars of the local Kafka."""
        return self.byoc_home / "kafka" / "libs"

    @property
    def kafka_data(self) -> Path:
        """Folder of the background Kafka of `byoc kafka up`."""
        return self.byoc_home / "kafka" / "node"
