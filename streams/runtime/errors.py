"""What ends a worker, or keeps it from starting."""

from collections.abc import Sequence


class TransactionLost(Exception):
    """A transaction of this process cannot be committed: memory holds writes that Kafka never will.

    Nothing in this process may commit again on top of that memory. The process ends; its successor recovers from the
    changelog. `fenced` is True when another worker took the partition over, which is normal.
    """

    def __init__(self, partition: int, reason: str, *, fenced: bool = False) -> None:
        """`partition` is the partition number, `reason` says what Kafka or its client answered."""
        super().__init__(f"losing the transaction of partition {partition}: {reason}")
        self.partition = partition
        self.fenced = fenced


class StoodStill(Exception):
    """A worker had work for so long and did none of it: records waited and were not taken, or not committed.

    The process ends; its successor begins at the committed offsets.
    """

    def __init__(self, for_s: float, standing: Sequence[str]) -> None:
        """`standing` says where, with numbers that tell what was not fetched, not taken or not committed."""
        super().__init__(f"standing still for {for_s:g} s: {'; '.join(standing)}")


class BrokerUnreachable(Exception):
    """No answer from Kafka within the time given; the message names the address."""


class TopicMismatch(Exception):
    """Topics are missing or have other partition counts than the processor needs; the message names both numbers."""


class RecoveryStuck(Exception):
    """Kafka did not answer in time while tables were recovered. The worker ends; nothing was processed."""
