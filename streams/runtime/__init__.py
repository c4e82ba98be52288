"""Faust, exactly once: batches by ticket, one Kafka transaction per source partition, recovery in a safe order.

Faust keeps its app, agents, tables, web, assignor and recovery life cycle. Replaced through its own extension points
(transport registry, `TableManager` setting): the hand-off of records to agents, the producer, the changelog write and
the commit. `docs/adr/0001` says why; each module names the mistake that its order of steps prevents.
"""
