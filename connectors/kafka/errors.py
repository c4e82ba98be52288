"""What Kafka's errors mean to a transactional task. No client type appears here."""

from connectors.errors import RetriableError, TerminalError


class Fenced(TerminalError):
    """Another producer has taken over the transactional id: this one may never write again."""


class AbortNeeded(RetriableError):
    """The open transaction cannot be committed; after `abort` the same records may be produced again."""


class ProducerLost(RetriableError):
    """The producer cannot be used any more, and nobody has taken over: a new one may."""
