"""Records of a transaction that its coordinator knows nothing of: what a broker's crash can leave behind (ADR 0006)."""

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from aiokafka import AIOKafkaProducer
from aiokafka.errors import InvalidTxnState
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

_TRIES = 50


@contextmanager
def unverified_writes(bootstrap_servers: str) -> Iterator[None]:
    """Let Kafka take transactional records that were not announced to the coordinator, as it did before 3.6."""
    _set_verification(bootstrap_servers, "false")
    try:
        yield
    finally:
        _set_verification(bootstrap_servers, "true")


async def leave_hanging(
    bootstrap_servers: str, transactional_id: str, places: Iterable[tuple[str, int]], value: bytes, key: bytes = b"k"
) -> None:
    """Write `value` under `key` to each (topic, partition) in a transaction that nobody will ever end.

    Only under `unverified_writes`, which the broker takes a moment to notice.
    """
    waiting = list(places)
    for _ in range(_TRIES):
        await _write_unannounced(bootstrap_servers, transactional_id, waiting, value, key)
        if not waiting:
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"Kafka went on to verify writes to {waiting}")


async def _write_unannounced(
    bootstrap_servers: str, transactional_id: str, waiting: list[tuple[str, int]], value: bytes, key: bytes
) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap_servers, transactional_id=transactional_id)
    await producer.start()
    try:
        await producer.begin_transaction()
        producer._txn_manager.partitions_to_add = set  # nothing is announced
        while waiting:
            topic, partition = waiting[-1]
            await producer.send_and_wait(topic, value, key=key, partition=partition)
            waiting.pop()
    except InvalidTxnState:
        return
    finally:
        await producer._sender.close()
        await producer.client.close()
        producer._closed = True


def _set_verification(bootstrap_servers: str, value: str) -> None:
    entry = ConfigEntry("transaction.partition.verification.enable", value, incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.BROKER, "1", incremental_configs=[entry])
    admin = AdminClient({"bootstrap.servers": bootstrap_servers})
    for future in admin.incremental_alter_configs([resource]).values():
        future.result(10)
