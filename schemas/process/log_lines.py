"""Log lines of our processes: time, level, logger, the constant message, then the fields as key=value.

A record is one line: control characters are escaped. Only a stack trace has further lines, and each of them begins
with a tab. User and password in URLs are masked in every line; `redact` takes out what else must not be shown.
"""

import logging
import sys
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final

from schemas.process.descriptors import ran_out
from schemas.process.text import one_line, without_userinfo

log = logging.getLogger(__name__)

# The Kafka client's own lines come through this logger and not raw to stderr: each client gets it as `logger`.
KAFKA_CLIENT: Final = logging.getLogger("librdkafka")

_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class FieldFormatter(logging.Formatter):
    """Appends what `extra` added to a record; values with blanks are quoted."""

    def __init__(self, redact: Callable[[str], str] = str) -> None:
        """`redact` takes a text and returns it without what must not be shown."""
        self._redact = redact
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """The line, and those of a stack trace."""
        record.message = record.getMessage()
        told = ran_out(record.exc_info[1]) if record.exc_info and record.exc_info[1] is not None else None
        record.asctime = self.formatTime(record, self.datefmt)
        head = one_line(self._clean(self.formatMessage(record)))
        if told is not None:
            head = f"{head} remedy={told!r}"  # the libraries that log such an error do not know the limit
        if record.exc_info and not record.exc_text:
            record.exc_text = self.formatException(record.exc_info)
        traces = [text for text in (record.exc_text, record.stack_info) if text]
        # Cleaned as a whole, before it is cut: a secret may have several lines.
        further = [line for text in traces for line in self._clean(text).split("\n")]
        return "\n\t".join([head, *map(one_line, further)])

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - the library's name
        """The message, then the fields as key=value."""
        fields = [f"{key}={self._shown(value)}" for key, value in vars(record).items() if key not in _STANDARD]
        return " ".join([super().formatMessage(record), *fields])

    def _shown(self, value: object) -> str:
        # Cleaned before it is quoted: quoting changes the characters of a secret.
        text = self._clean(str(value))
        return repr(text) if " " in text or not text else text

    def _clean(self, text: str) -> str:
        return without_userinfo(self._redact(text))


def configure(level: str, redact: Callable[[str], str] = str) -> None:
    """Send log lines of this process to stderr, each through `redact`; what was configured before is replaced.

    An exception that ends the process or a thread becomes a log line too, with its trace: its text may be of others.
    Raises `ValueError` for a level that does not exist.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(FieldFormatter(redact))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    if sys.excepthook is sys.__excepthook__:  # else somebody collects them, as a test run does
        sys.excepthook = _log_uncaught
    if threading.excepthook is threading.__excepthook__:
        threading.excepthook = _log_uncaught_in_thread


def _log_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    log.critical("an exception ended the process", exc_info=(kind, error, trace))


def _log_uncaught_in_thread(ended: threading.ExceptHookArgs) -> None:
    if ended.exc_value is not None and not isinstance(ended.exc_value, SystemExit):
        told = (ended.exc_type, ended.exc_value, ended.exc_traceback)
        log.critical(
            "an exception ended a thread", exc_info=told, extra={"thread_name": getattr(ended.thread, "name", "")}
        )


def as_dictionary(level: str) -> dict[str, Any]:
    """The same, as `logging.config.dictConfig` takes it: for a framework that configures logging itself."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"lines": {"()": FieldFormatter}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "lines"}},
        "root": {"level": level.upper(), "handlers": ["stderr"]},
    }
