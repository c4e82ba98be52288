"""The committed bytes of one table. The only place that knows Faust's store and its two dictionaries."""

from collections.abc import Iterable, Iterator
from typing import Protocol


class FaustStore(Protocol):
    """`faust.stores.memory.Store`: values by key, and the partition number of each key.

    Faust removes the keys of partitions that were lost from both, by that number, and has no public name for it.
    """

    data: dict[bytes, bytes]
    _key_partition: dict[bytes, int]


class StoredRecord(Protocol):
    """A changelog record: `value` is None for a key that is gone. Compacted topics refuse records without a key."""

    key: bytes
    value: bytes | None


class TableStore:
    """Keys and values of all partitions that this worker owns. In memory only; the changelog survives a crash."""

    def __init__(self, store: FaustStore) -> None:
        """Faust goes on to use `store`; what is written here is seen there, and the other way round."""
        self._values = store.data
        self._partitions = store._key_partition  # noqa: SLF001  Faust shows it nowhere else

    def __contains__(self, key: bytes) -> bool:
        """True when there is a value under `key`."""
        return key in self._values

    def get(self, key: bytes) -> bytes | None:
        """The value under `key`, or None."""
        return self._values.get(key)

    def put(self, key: bytes, value: bytes, partition: int) -> None:
        """Keep `value` under `key`, which belongs to the partition number `partition`."""
        self._values[key] = value
        self._partitions[key] = partition

    def drop(self, key: bytes) -> bytes | None:
        """Remove `key`; returns the value that was there, or None."""
        self._partitions.pop(key, None)
        return self._values.pop(key, None)

    def load(self, records: Iterable[StoredRecord], partition: int) -> None:
        """Apply changelog records of one partition, in their order.

        A plain loop of dictionary updates: a recovery passes hundreds of thousands of records each second through it.
        """
        values, partitions = self._values, self._partitions
        for record in records:
            key, value = record.key, record.value
            if value is None:
                values.pop(key, None)
                partitions.pop(key, None)
            else:
                values[key] = value
                partitions[key] = partition

    def keys_by_partition(self) -> Iterator[tuple[int, bytes]]:
        """(partition number, key) of every value."""
        for key, partition in self._partitions.items():
            yield partition, key

    def items_by_partition(self) -> Iterator[tuple[int, bytes, bytes]]:
        """(partition number, key, value) of every value."""
        partitions = self._partitions
        for key, value in self._values.items():
            yield partitions[key], key, value
