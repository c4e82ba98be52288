"""Creates the topics of the catalogue, and refuses clusters whose topics differ from it."""

from collections.abc import Sequence

from byoc.errors import TopicMismatchError
from byoc.kafka import admin
from byoc.topics.comparison import mismatches, missing, too_small, too_small_clauses
from schemas.topics import TopicSpec

REMEDY = (
    "Run `byoc topics create` for missing topics. For the others use the --partitions that they have, choose another "
    "--prefix or --app-id, or delete them; a cleanup policy can be altered with `kafka-configs --alter`, and "
    "`byoc topics alter` raises max.message.bytes where it is too small."
)


def create_topics(bootstrap_servers: str, wanted: Sequence[TopicSpec], *, replication_factor: int = 1) -> list[str]:
    """Create the topics that are missing; return their names. Idempotent.

    Raises `TopicMismatchError` before anything is created when a topic that exists differs from the catalogue, and
    `BrokerError` when Kafka does not answer or refuses.
    """
    found = admin.describe_topics(bootstrap_servers, [spec.name for spec in wanted])
    _refuse(mismatches(wanted, found))
    return admin.create_topics(bootstrap_servers, missing(wanted, found), replication_factor=replication_factor)


def check_topics(bootstrap_servers: str, wanted: Sequence[TopicSpec]) -> None:
    """Return when every topic exists as the catalogue asks; else raise `TopicMismatchError` naming each difference."""
    found = admin.describe_topics(bootstrap_servers, [spec.name for spec in wanted])
    small = too_small_clauses(too_small(wanted, found), found)
    _refuse(mismatches(wanted, found) + small + [f"{spec.name} does not exist" for spec in missing(wanted, found)])


def alter_topics(bootstrap_servers: str, wanted: Sequence[TopicSpec]) -> list[str]:
    """Raise `max.message.bytes` of the topics that take too little; return their names. Changes nothing else.

    It may be done while everything runs: it holds for the records that are written from then on. Raises `BrokerError`.
    """
    found = admin.describe_topics(bootstrap_servers, [spec.name for spec in wanted])
    small = too_small(wanted, found)
    admin.raise_max_message_bytes(bootstrap_servers, small)
    return list(small)


def _refuse(clauses: list[str]) -> None:
    if clauses:
        raise TopicMismatchError("checking topics: " + "; ".join(clauses) + ". " + REMEDY)
