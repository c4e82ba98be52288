"""Recovery in an order that loses nothing.

Stock Faust resumes the stream partitions, then seeks them to the committed offsets, then clears the agents' queues,
while the fetcher already runs: records queued in between are dropped and their second fetch is discarded as already
read (25 of 42,000 events lost over five orderly restarts). Here: recover, seek while paused, clear, resume.
"""

from faust.tables.manager import TableManager as StockTableManager
from faust.tables.recovery import Recovery as StockRecovery


class Recovery(StockRecovery):  # type: ignore[misc]  # faust has no types
    """Faust's recovery with its last step in another order."""

    async def on_recovery_completed(self, generation_id: int = 0) -> None:
        """Called when every owned changelog partition was read to its highwater."""
        app, consumer = self.app, self.app.consumer
        await app.on_rebalance_complete.send()
        self._set_recovery_ended()
        for table in self.tables.values():  # one by one: stock's asyncio.wait swallows their exceptions
            await table.on_recovery_completed(self.actives_for_table[table], self.standbys_for_table[table])
        if app.consumer_generation_id != generation_id:
            self.log.info("Another rebalance began during recovery")
            return
        app.rebuild_timers()
        assignment = consumer.assignment()
        if assignment:
            await self._wait(consumer.perform_seek(), timeout=app.conf.broker_request_timeout)
        self.completed.set()
        app.flow_control.resume()  # clears the agents' queues, tickets included
        consumer.handoff.reissue_tickets()
        consumer.resume_partitions({tp for tp in assignment if not self._is_changelog_tp(tp)})
        consumer.resume_flow()
        await app._fetcher.maybe_start()  # noqa: SLF001  as stock does
        self.tables.on_actives_ready()
        self.tables.on_standbys_ready()
        app.on_rebalance_end()
        self.log.info("Recovery complete, partitions resumed")


class TableManager(StockTableManager):  # type: ignore[misc]  # faust has no types
    """Faust's table manager with our recovery."""

    _recovery: Recovery | None

    @property
    def recovery(self) -> Recovery:
        if self._recovery is None:
            self._recovery = Recovery(self.app, self, beacon=self.beacon, loop=self.loop)
        return self._recovery
