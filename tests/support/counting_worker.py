"""A worker on the exactly-once runtime that counts events per key, for tests that break the runtime.

Run: python -m tests.support.counting_worker app=ID topic=T kafka=HOST:PORT [session_timeout_s=6] [fail_at=N]
     [wait_at=N] [pace_us=N] [queue_size=N]

Each event `{"n": i}` under a key leaves one record `{"n": i, "c": count of this key so far}` on `<topic>-out`, and the
count is the table's value. Lost, doubled or reordered input shows in these numbers.
"""

import asyncio
import struct
import sys
import time
from collections.abc import AsyncIterable

import msgspec

from streams.runtime.app import ExactlyOnceApp
from streams.runtime.batches import Batch
from streams.runtime.ticket import Ticket
from streams.state.store import TableStore

PARTITIONS = 4


class CountingWorker:
    """The app and its agent. `fail_at` raises in the middle of a batch at the event with that number.

    `wait_at` never comes back from the batch that has the event with that number.

    `pace_us` is what each event takes, `queue_size` the records that a producer holds.
    """

    def __init__(self, arguments: dict[str, str]) -> None:
        app_id, topic = arguments["app"], arguments["topic"]
        session_timeout_s = float(arguments.get("session_timeout_s", "6"))
        self._output, self._changelog = f"{topic}-out", f"{app_id}-counts-changelog"
        self._fail_at = int(arguments.get("fail_at", "-1"))
        self._wait_at = int(arguments.get("wait_at", "-1"))
        self._pace_s = float(arguments.get("pace_us", "0")) / 1e6
        self.app = ExactlyOnceApp(
            app_id,
            bootstrap_servers=arguments["kafka"],
            settle_timeout_s=float(arguments.get("settle_timeout_s", "30")),
            output_topics=[self._output],
            queue_size=int(arguments.get("queue_size", "500000")),
            web_enabled=False,
            topic_partitions=PARTITIONS,
            topic_allow_declare=False,
            topic_disable_leader=True,
            stream_recovery_delay=0.0,
            consumer_auto_offset_reset="earliest",
            broker_session_timeout=session_timeout_s,
            broker_heartbeat_interval=session_timeout_s / 6,
            broker_rebalance_timeout=10.0,
            datadir=arguments.get("datadir", f"/tmp/{app_id}"),
        )
        table = self.app.Table("counts", partitions=PARTITIONS, key_type=bytes, value_type=bytes)
        self.counts = TableStore(table.data)
        self.app.agent(self.app.ticket_topic(topic), name="count")(self._count)

    async def _count(self, stream: AsyncIterable[Ticket]) -> None:
        async with self.app.batches(stream) as batches:
            async for batch in batches:
                self._apply(batch)
                if self._stands_at(batch):
                    await asyncio.Event().wait()

    def _stands_at(self, batch: Batch) -> bool:
        return self._wait_at >= 0 and any(
            msgspec.json.decode(record.value or b"")["n"] == self._wait_at for record in batch.records
        )

    def _apply(self, batch: Batch) -> None:
        partition, counts = batch.partition, self.counts
        dirty = {}
        time.sleep(self._pace_s * len(batch.records))
        for record in batch.records:
            event, key = msgspec.json.decode(record.value or b""), record.key or b""
            if event["n"] == self._fail_at:
                raise ValueError(f"failing at event {self._fail_at}, as told")
            old = counts.get(key)
            count = (struct.unpack(">q", old)[0] if old else 0) + 1
            dirty[key] = struct.pack(">q", count)
            counts.put(key, dirty[key], partition.number)
            partition.produce_when_room(self._output, msgspec.json.encode({"n": event["n"], "c": count}), key)
        for key, value in dirty.items():
            partition.produce_when_room(self._changelog, value, key, partition.number)


def main() -> None:
    """Run until SIGTERM."""
    worker = CountingWorker(dict(argument.split("=", 1) for argument in sys.argv[1:]))
    worker.app.Worker(
        loglevel="INFO", redirect_stdouts=False, console_port=None, blocking_timeout=None
    ).execute_from_commandline()


if __name__ == "__main__":
    main()
