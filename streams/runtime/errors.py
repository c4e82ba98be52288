"""What ends a worker."""


class TransactionLost(Exception):
    """A transaction of this process cannot be committed: memory holds writes that Kafka never will.

    Nothing in this process may commit again on top of that memory. The process ends; its successor recovers from the
    changelog. `fenced` tells normal life (another worker took the partition over) from trouble.
    """

    def __init__(self, partition: int, reason: str, *, fenced: bool = False) -> None:
        super().__init__(f"losing the transaction of partition {partition}: {reason}")
        self.partition = partition
        self.fenced = fenced


class BrokerUnreachable(Exception):
    """No answer from Kafka within the time given; the message names the address."""


class TopicMismatch(Exception):
    """Topics are missing or have other partition counts than the processor needs; the message names both numbers."""


class RecoveryStuck(Exception):
    """Kafka did not answer in time while tables were recovered. The worker ends; nothing was processed."""
