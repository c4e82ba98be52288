"""When a worker began and ended its recovery is read from its log."""

import logging
from datetime import timedelta

import pytest

from bench.errors import MeasurementError
from bench.recovery import logged_at
from schemas.process.log_lines import FieldFormatter


def line(message: str, at_s: float) -> str:
    record = logging.LogRecord("faust.tables", logging.INFO, __file__, 1, message, None, None)
    record.created, record.msecs = at_s, at_s % 1 * 1000
    return FieldFormatter().format(record)


def test_times_of_lines_are_read_as_our_processes_write_them() -> None:
    log = f"ready http=127.0.0.1:1\n{line('begun', 1_000.25)}\n{line('ended', 1_001.75)}\n"
    assert logged_at(log, "ended") - logged_at(log, "begun") == timedelta(seconds=1.5)


def test_a_message_that_was_not_written_is_named() -> None:
    with pytest.raises(MeasurementError, match="'ended'"):
        logged_at(line("begun", 1_000.0), "ended")
