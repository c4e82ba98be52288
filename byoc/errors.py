"""Errors that a user of the command line can put right, each with one clear message."""


class ByocError(Exception):
    """A failure that the user can act on: its text says what was done, to what, and what to do next.

    The command line prints it as one line and exits with 1, without a traceback.
    """


class BrokerError(ByocError):
    """Kafka did not answer, or refused. Another try or another address may help."""


class TopicMismatchError(ByocError):
    """Topics exist with other partitions or another cleanup policy than the catalogue has. Another try cannot help."""


class LocalKafkaError(ByocError):
    """The local Kafka could not be fetched, started or stopped."""


class PortInUseError(LocalKafkaError):
    """Another process listens on the port."""


class ToolMissingError(LocalKafkaError):
    """Java or Maven is missing or too old."""
