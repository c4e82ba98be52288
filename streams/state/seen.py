"""Entries that have been applied, kept in segments.

The core asks for one key at a time; the changelog gets one record per batch and expiry. With a record per entry, a
third of all records that the processor writes would say nothing but "seen", each with its own timer and its own place
in Faust's store. A segment is written once, never changed, and dropped as a whole when its time has come.

A key is kept as its 88-bit digest: 100 bytes of memory instead of 320, and 11 in the changelog instead of 80. That two
of ten million entries share one is as likely as 1 in 10^12.
"""

from collections.abc import Iterator
from hashlib import blake2b

from streams.core.model.state import Seen

# A minute's entries of a backlog can all come in one transaction; 180 KB are far below what a record may have.
MOST_DIGESTS = 16_384
DIGEST_BYTES = 11  # the most that a Python integer holds in 36 bytes


class SeenIndex:
    """Keys seen and their expiry, and the segments not yet written. In memory only: the changelog has the segments."""

    def __init__(self) -> None:
        """Empty; recovered segments come with `load`."""
        self._expiry: dict[int, Seen] = {}
        self._dirty: dict[int, tuple[Seen, list[bytes]]] = {}
        self._asked = ("", _digest(""))  # an entry is asked for, and added right after: one digest serves both

    def get(self, key: str) -> Seen | None:
        """The entry, or None when it was never seen or has been forgotten."""
        digest = _digest(key)
        self._asked = (key, digest)
        return self._expiry.get(int.from_bytes(digest))

    def mark_seen(self, key: str, seen: Seen) -> None:
        """Remember a key from now on; `take_segments` brings it to the changelog."""
        expires_at_ms = seen.expires_at_ms
        if expires_at_ms not in self._dirty:
            self._dirty[expires_at_ms] = (seen, [])
        shared, digests = self._dirty[expires_at_ms]
        asked, digest = self._asked
        if asked != key:
            digest = _digest(key)
        self._expiry[int.from_bytes(digest)] = shared
        digests.append(digest)

    def take_segments(self) -> Iterator[tuple[bytes, bytes]]:
        """(key, value) of the segments for each expiry among the keys added since the last call: mostly one."""
        dirty, self._dirty = self._dirty, {}
        for expires_at_ms, (_, digests) in dirty.items():
            for first in range(0, len(digests), MOST_DIGESTS):
                # a key is added once in its life, so the first of a segment names it
                found = digests[first : first + MOST_DIGESTS]
                yield f"{expires_at_ms}|{found[0].hex()}".encode(), b"".join(found)

    def load(self, segment: bytes, value: bytes) -> None:
        """Take a recovered segment into the index."""
        self._expiry.update(dict.fromkeys(_numbers(value), Seen(expiry_of(segment.decode()))))

    def forget(self, value: bytes) -> None:
        """Forget the keys of a segment that is dropped."""
        for number in _numbers(value):
            self._expiry.pop(number, None)


def expiry_of(segment: str) -> int:
    """When a segment may be dropped, epoch ms; the first part of its key."""
    return int(segment.partition("|")[0])


def _digest(key: str) -> bytes:
    return blake2b(key.encode(), digest_size=DIGEST_BYTES).digest()


def _numbers(value: bytes) -> Iterator[int]:
    return (int.from_bytes(value[at : at + DIGEST_BYTES]) for at in range(0, len(value), DIGEST_BYTES))
