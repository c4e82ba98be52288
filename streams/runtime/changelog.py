"""Changelog records into the table's store, a whole fetch at a time.

Faust's own path hands every record through a queue with a `wait_for` each (8,000-14,000 records/s); this one is a
dictionary update.
"""

from typing import Any


def apply_records(recovery: Any, tp: Any, records: list[Any]) -> None:
    """Apply `records` (offset order, raw bytes) of the changelog partition `tp` to its table.

    A record without a value deletes its key. Records before the position already applied are skipped.
    """
    if tp not in recovery.active_tps:
        return
    store = recovery.tp_to_table[tp].data
    values, owners, partition = store.data, store._key_partition, tp.partition  # noqa: SLF001  the store prunes by it
    seen = recovery.active_offsets.get(tp)
    for record in records:
        if seen is not None and record.offset <= seen:
            continue
        if record.value is None:
            values.pop(record.key, None)
            owners.pop(record.key, None)
        else:
            values[record.key] = record.value
            owners[record.key] = partition
    recovery.active_offsets[tp] = max(records[-1].offset, -1 if seen is None else seen)


def end_by_position(recovery: Any, position_of: Any) -> None:
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
