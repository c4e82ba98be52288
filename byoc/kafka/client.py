"""What the clients of this package share: their settings, the partitions of a topic, and errors in words."""

from types import TracebackType
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException

from byoc.errors import BrokerError
from schemas.process.log_lines import KAFKA_CLIENT

ADMIN_TIMEOUT_S: Final = 10.0
# `log_level` 0: what fails is raised, and librdkafka's own lines would only repeat it. What is fatal is a log line.
QUIET: Final = {"log_level": 0, "logger": KAFKA_CLIENT}
# librdkafka waits up to 10 s between connection attempts; commands that run for seconds cannot.
CLIENT_PROPERTIES: Final = {"reconnect.backoff.ms": 50, "reconnect.backoff.max.ms": 500, **QUIET}


def partitions_of(client: Any, topic: str) -> list[int]:
    """Return the partition numbers of a topic, lowest first; `client` is any client of confluent_kafka.

    The client then knows the partition leaders. Raises `KafkaException`, also for a topic that does not exist.
    """
    found = client.list_topics(topic, timeout=ADMIN_TIMEOUT_S).topics[topic]
    if found.error is not None:
        raise KafkaException(found.error)
    return sorted(found.partitions)


class broker_errors:  # noqa: N801  # reads as a statement: `with broker_errors("creating topics", servers):`
    """Turn confluent_kafka's errors into `BrokerError`: what was done, where, why, and what to check."""

    def __init__(self, doing: str, bootstrap_servers: str) -> None:
        """`doing` begins the message, such as `creating topics`."""
        self._where = f"{doing} at {bootstrap_servers}"

    def __enter__(self) -> None:
        """Begin the block; nothing is done yet."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Raise `BrokerError` in place of a `KafkaException`; let everything else pass."""
        if isinstance(error, KafkaException):
            cause = error.args[0]
            if not isinstance(cause, KafkaError):
                raise BrokerError(f"{self._where}: {cause}") from None
            raise BrokerError(f"{self._where}: {cause.str()}{_remedy(cause)}") from None


def _remedy(cause: KafkaError) -> str:
    if cause.code() < 0:  # librdkafka's own: nothing was heard from a broker
        return (
            "; check that Kafka runs there (`byoc kafka status`) and the address "
            "(--bootstrap-servers or KAFKA_BOOTSTRAP_SERVERS)"
        )
    if cause.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
        return "; check the name and --prefix, or create the topics with `byoc topics create`"
    return ""
