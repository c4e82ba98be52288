"""Changelog records into the table's store, a whole fetch at a time.

Faust's own path hands every record through a queue with a `wait_for` each (8,000-14,000 records/s); this one is a
dictionary update.
"""

from collections.abc import Callable, Sequence
from typing import cast

from streams.runtime.foreign import Recovery
from streams.runtime.records import FetchedRecord, TopicPartition
from streams.state.store import StoredRecord, TableStore


def apply_records(recovery: Recovery, tp: TopicPartition, records: Sequence[FetchedRecord]) -> None:
    """Apply `records` (offset order, at least one) of the changelog partition `tp` to its table.

    A record without a value deletes its key. Records before the position already applied are skipped, and so are those
    of a partition that is not recovered by this worker.
    """
    if tp not in recovery.active_tps:
        return
    applied = recovery.active_offsets.get(tp)
    if applied is None:
        applied = -1
    if records[0].offset <= applied:
        records = [record for record in records if record.offset > applied]
    if records:
        changes = cast("Sequence[StoredRecord]", records)  # Kafka takes no record without a key for a compacted topic
        TableStore(recovery.tp_to_table[tp].data).load(changes, tp.partition)
        applied = records[-1].offset
    recovery.active_offsets[tp] = applied


def end_by_position(recovery: Recovery, position_of: Callable[[TopicPartition], int | None]) -> None:
    """End the recovery when every changelog partition was read to its highwater.

    The position decides, not the last record seen: a transaction marker has an offset and is never delivered, so a
    recovery that waits for the record before the highwater waits for ever. `position_of(tp)` is the consumer's next
    offset, or None.
    """
    if not recovery.in_recovery:
        return
    for tp, highwater in recovery.active_highwaters.items():
        applied = recovery.active_offsets.get(tp)
        if highwater is None or highwater < 0 or (applied is not None and applied >= highwater):
            continue
        position = position_of(tp)
        if position is not None and position > highwater:
            recovery.active_offsets[tp] = highwater
    if not recovery.need_recovery():
        recovery.flush_buffers()
        recovery._set_recovery_ended()  # noqa: SLF001  what stock's queue reader does at its end
        recovery.signal_recovery_end.set()
