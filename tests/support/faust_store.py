"""Faust's memory store without an app: its two dictionaries are all that the runtime uses of it."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class MemoryStore:
    """`streams.state.store.FaustStore`."""

    data: dict[bytes, bytes] = field(default_factory=dict)
    _key_partition: dict[bytes, int] = field(default_factory=dict)
