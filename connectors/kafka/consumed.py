"""The records that sinks read and write. Pure."""

import msgspec

Partition = tuple[str, int]  # topic, partition number
Headers = tuple[tuple[str, bytes | None], ...]


class ConsumedRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One record as Kafka handed it over. `timestamp_ms` is the record's own, epoch ms."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    timestamp_ms: int

    @property
    def size_bytes(self) -> int:
        """The bytes of key and value, without headers."""
        return len(self.key or b"") + len(self.value or b"")


class OutputRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One record to write. Without `timestamp_ms` Kafka stamps it; without `partition` its key places it."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    timestamp_ms: int | None = None
    partition: int | None = None
