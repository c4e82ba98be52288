"""Which offset of a partition may be committed: the one before which every record is done. Pure.

Records of one partition finish in any order, because conversations are delivered beside each other. A committed
offset says "all before this is done", so it may only move to the first record that is not. Only the records that are
not done are remembered, so memory follows their number and not their distance: one record that waits for minutes
while a million others pass costs one entry.
"""

from collections import OrderedDict


class AcknowledgedPrefix:
    """The offset to commit of one assignment of one partition.

    Make a new one for every assignment: results of an earlier assignment must not move the offsets of the next.
    """

    __slots__ = ("_last_offset", "_pending")

    def __init__(self) -> None:
        """Begin an assignment, of which nothing has been read yet."""
        # an OrderedDict and not a dict: its first key is found in constant time after many removals at the front
        self._pending: OrderedDict[int, None] = OrderedDict()
        self._last_offset: int | None = None

    def add(self, offset: int) -> None:
        """A record was read. Offsets rise, with gaps where Kafka keeps markers and aborted records.

        Raises `ValueError` when the offset does not rise: the same record would be counted twice.
        """
        if self._last_offset is not None and offset <= self._last_offset:
            raise ValueError(f"adding offset {offset} after {self._last_offset}: offsets of a partition rise")
        self._last_offset = offset
        self._pending[offset] = None

    def complete(self, offset: int) -> None:
        """All that the record causes is durable. Raises `KeyError` for a record that is not pending."""
        del self._pending[offset]

    @property
    def position(self) -> int | None:
        """The offset to commit, as Kafka counts: that of the next record to read. None before the first record."""
        if self._pending:
            return next(iter(self._pending))
        return None if self._last_offset is None else self._last_offset + 1

    @property
    def pending(self) -> int:
        """How many records were read and are not done."""
        return len(self._pending)
