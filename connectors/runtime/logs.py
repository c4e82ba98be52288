"""Log lines of a worker: time, level, logger, the constant message, then the fields as key=value."""

import logging
from collections.abc import Callable
from typing import Final

_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class FieldFormatter(logging.Formatter):
    """Appends what `extra` added to a record; values with blanks are quoted."""

    def __init__(self, redact: Callable[[str], str]) -> None:
        """`redact` takes a whole line and returns it without what must not be shown."""
        self._redact = redact
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """The line, redacted."""
        return self._redact(super().format(record))

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the library's name
        """The message, then the fields as key=value."""
        fields = [f"{key}={_shown(value)}" for key, value in vars(record).items() if key not in _STANDARD]
        return " ".join([super().formatMessage(record), *fields])


def configure(level: str, redact: Callable[[str], str] = str) -> None:
    """Send log lines of this process to stderr, each through `redact`.

    Raises `ValueError` for a level that does not exist.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(FieldFormatter(redact))
    logging.basicConfig(level=level.upper(), handlers=[handler])


def _shown(value: object) -> str:
    text = str(value)
    return repr(text) if " " in text or not text else text
