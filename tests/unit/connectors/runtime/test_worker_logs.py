"""Log lines: a constant message, then the fields."""

import logging

from connectors.runtime.logs import FieldFormatter


def test_fields_follow_the_message():
    record = logging.makeLogRecord(
        {"name": "x", "levelname": "INFO", "msg": "stream failed", "topic": "/event/X__e", "fault": "no answer"}
    )
    assert FieldFormatter(str).format(record).endswith("INFO x stream failed topic=/event/X__e fault='no answer'")
