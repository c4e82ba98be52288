"""Entries that have been applied, kept in segments.

The core asks for one key at a time; the changelog gets one record per batch and expiry. With a record per entry, a
third of all records that the processor writes would say nothing but "seen", each with its own timer and its own place
in Faust's store. A segment is written once, never changed, and dropped as a whole when its time has come.
"""

from collections.abc import Iterator

import msgspec

from streams.core.state import Seen

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[str]).decode


class SeenIndex:
    """Keys seen and their expiry, and the segments not yet written."""

    def __init__(self) -> None:
        self._expiry: dict[str, Seen] = {}
        self._fresh: dict[int, list[str]] = {}

    def __len__(self) -> int:
        return len(self._expiry)

    def get(self, key: str) -> Seen | None:
        """The entry, or None when it was never seen or has been forgotten."""
        return self._expiry.get(key)

    def add(self, key: str, seen: Seen) -> None:
        """Remember a key from now on; `take_segments` brings it to the changelog."""
        self._expiry[key] = seen
        self._fresh.setdefault(seen.expires_at_ms, []).append(key)

    def take_segments(self) -> Iterator[tuple[bytes, bytes]]:
        """(key, value) of a segment for each expiry among the keys added since the last call."""
        fresh, self._fresh = self._fresh, {}
        for expires_at_ms, keys in fresh.items():
            # a key is added once in its life, so the first of a segment names it
            yield f"{expires_at_ms}|{keys[0]}".encode(), _encode(keys)

    def load(self, segment: bytes, value: bytes) -> None:
        """Take a recovered segment into the index."""
        seen = Seen(expiry_of(segment.decode()))
        self._expiry.update(dict.fromkeys(_decode(value), seen))

    def forget(self, value: bytes) -> None:
        """Forget the keys of a segment that is dropped."""
        for key in _decode(value):
            self._expiry.pop(key, None)

    def clear(self) -> None:
        """Forget everything, before recovered segments are loaded."""
        self._expiry.clear()
        self._fresh.clear()


def expiry_of(segment: str) -> int:
    """When a segment may be dropped, epoch ms; the first part of its key."""
    return int(segment.partition("|")[0])
