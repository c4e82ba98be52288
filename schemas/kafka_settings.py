"""The librdkafka properties that all producers of this project share, and why each has its value. Pure.

Three packages write to Kafka and each has a client of its own. What they must agree on stands here: where a key lies,
how large a record may be, and how long a client waits before it tries again.
"""

from typing import Final

# The most that a producer of ours hands to Kafka as one record, or as one batch of several. An event of Salesforce may
# have 1 MB; its text stands in `text` and in `content` of a delivery, and short options grow by their numbers: what
# comes of its formats has 2.9 times the bytes of the event at most (ADR 0015). Kafka's default is 1 MB.
LARGEST_RECORD_BYTES: Final = 3 * 1024 * 1024

# `max.message.bytes` of every topic: what the client accepts the broker must accept too, for what the broker refuses
# ends the transaction. It measures the batch, whose header has 61 bytes; the rest is for clients that count otherwise.
TOPIC_MAX_MESSAGE_BYTES: Final = LARGEST_RECORD_BYTES + 64 * 1024

# What value, key and headers of a record may have in sum. The client adds at most 100 bytes of its own.
LARGEST_CONTENT_BYTES: Final = LARGEST_RECORD_BYTES - 1024

# Java clients place keys by murmur2; librdkafka's own default is CRC32 and would put them elsewhere.
PARTITIONER: Final = "murmur2_random"

TRANSACTION_TIMEOUT_MS: Final = 60_000

# The key of the records of a transaction that is only begun to be aborted (ADR 0006): compacted topics refuse records
# without a key.
ABORTED_KEY: Final = b"aborted"

Properties = dict[str, str | int | float | bool]


def idempotent_producer(bootstrap_servers: str) -> Properties:
    """Properties of a producer that writes each record once per `produce` call, acknowledged by all replicas."""
    return {**_every_producer(bootstrap_servers), "enable.idempotence": True, "acks": "all", "linger.ms": 5}


def transactional_producer(
    bootstrap_servers: str, transactional_id: str, transaction_timeout_ms: int = TRANSACTION_TIMEOUT_MS
) -> Properties:
    """Properties of a producer with a transactional id. The caller sets `linger.ms`: it depends on the load.

    `retry.backoff.ms` is 2 because of the default of 100: a commit, or offsets sent right after one, that finds the
    previous transaction still being written (CONCURRENT_TRANSACTIONS) waits that long. Measured per transaction: p50
    102 ms at 100, 4 ms at 2.
    """
    return {
        **_every_producer(bootstrap_servers),
        "transactional.id": transactional_id,
        "transaction.timeout.ms": transaction_timeout_ms,
        "batch.num.messages": 10_000,
        # A report per record would be made and thrown away; what fails comes back from the commit.
        "delivery.report.only.error": True,
        "retry.backoff.ms": 2,
        "retry.backoff.max.ms": 100,
    }


def _every_producer(bootstrap_servers: str) -> Properties:
    return {
        "bootstrap.servers": bootstrap_servers,
        "partitioner": PARTITIONER,
        "message.max.bytes": LARGEST_RECORD_BYTES,
        "reconnect.backoff.ms": 50,
        "reconnect.backoff.max.ms": 1_000,  # the default of 10 s would be added to every restart of a broker
    }
