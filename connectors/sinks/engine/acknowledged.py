"""Which offset of a partition may be committed: the one before which every record is done. Pure.

Records of one partition finish in any order, because conversations are delivered beside each other. A committed
offset says "all before this is done", so it may only move to the first record that is not. Only the records under way
are remembered, so memory follows them and not the distance to the first one: one record that waits for minutes while
a million others pass costs one entry.
"""

from collections import OrderedDict


class AcknowledgedPrefix:
    """The acknowledged prefix of one assignment of one partition.

    Make a new one for every assignment: results of an earlier assignment must not move the offsets of the next.
    """

    __slots__ = ("_last_offset", "_under_way")

    def __init__(self) -> None:
        # an OrderedDict and not a dict: its first key is found in constant time after many removals at the front
        self._under_way: OrderedDict[int, None] = OrderedDict()
        self._last_offset: int | None = None

    def took(self, offset: int) -> None:
        """A record was read. Offsets rise, with gaps where Kafka keeps markers and aborted records.

        Raises `ValueError` when the offset does not rise: the same record would be counted twice.
        """
        if self._last_offset is not None and offset <= self._last_offset:
            raise ValueError(f"taking offset {offset} after {self._last_offset}: offsets of a partition rise")
        self._last_offset = offset
        self._under_way[offset] = None

    def done(self, offset: int) -> None:
        """All that the record causes is durable. Raises `KeyError` for a record that is not under way."""
        del self._under_way[offset]

    @property
    def position(self) -> int | None:
        """The offset to commit, as Kafka counts: the next record to read. None before the first record."""
        if self._under_way:
            return next(iter(self._under_way))
        return None if self._last_offset is None else self._last_offset + 1

    @property
    def under_way(self) -> int:
        """How many records were read and are not done."""
        return len(self._under_way)
