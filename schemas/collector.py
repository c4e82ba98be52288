"""How often Python's cyclic garbage collector looks at the objects of a worker."""

import gc


def spare_collector() -> None:
    """Have the collector look at fewer objects, and less often. Call once, when all is imported and built.

    Records in flight leave no cycles, but they are thousands of tracked lists and tuples, and more are made every
    second. The default thresholds look at all of them again and again: a tenth of the streams worker's time, and 15 %
    of a source task's at full load. What lives already is never looked at again.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
