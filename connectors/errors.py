"""The errors of connectors, named for what the caller may do about them.

    ConnectorError
    ├── ConfigError      a key is missing or wrong: nothing was started; fix the configuration
    ├── RetriableError   the same call may succeed later
    └── TerminalError    the same call cannot succeed; somebody must change something
        └── TaskFailed   a task has ended for that reason: its message becomes the task's `trace`

No library type appears here: the only module that imports a client library translates its errors. Messages say what
was being done, to what, and what to change; they never hold a secret, a token, a payload or an end user's identifier.
"""


class ConnectorError(Exception):
    """Root of all errors of this package."""


class ConfigError(ConnectorError):
    """One or more configuration keys are missing or wrong."""

    def __init__(self, message: str, problems: tuple[str, ...] = ()) -> None:
        """`problems` has one sentence per key."""
        super().__init__(message)
        self.problems = problems


class RetriableError(ConnectorError):
    """The same call may succeed later."""

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        """`retry_after_s` is the least time to wait, when the other side named one."""
        super().__init__(message)
        self.retry_after_s = retry_after_s


class TerminalError(ConnectorError):
    """Repeating the call cannot help."""


class TaskFailed(TerminalError):
    """A task ended and will not go on by itself. The message is shown as the task's `trace`."""
