"""Errors of a transactional producer, named for what its task may do next. No type of the client appears here."""

from connectors.errors import RetriableError, TerminalError


class Fenced(TerminalError):
    """Another producer has taken over the transactional id: this one can never write again."""


class AbortNeeded(RetriableError):
    """The open transaction cannot be committed; after `abort` the same records may be produced again."""


class ProducerLost(RetriableError):
    """The producer cannot be used any more, but nobody has taken over its id: a new producer may."""
