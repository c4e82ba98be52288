"""What a user of the command line can put right, as exceptions with one clear message."""


class ByocError(Exception):
    """A failure that the user can act on: its text says what was done, to what, and what to do next.

    The command line prints it as one line and exits with 1; it never becomes a traceback.
    """


class BrokerError(ByocError):
    """Kafka did not answer, or refused. Trying again may help; another address may, too."""


class TopicMismatchError(ByocError):
    """Topics exist with other partitions or another cleanup policy than the catalogue asks for. Retrying is useless."""


class LocalKafkaError(ByocError):
    """The local Kafka could not be fetched, started or stopped."""


class PortInUseError(LocalKafkaError):
    """Somebody else listens on the port that was asked for."""


class ToolMissingError(LocalKafkaError):
    """Java or Maven is missing or too old."""
