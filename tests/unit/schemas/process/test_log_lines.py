"""Log lines: a constant message, then the fields; one record is one line."""

import io
import logging
import logging.config
import subprocess
import sys

import pytest

from connectors.config.definition import ConfigDef, Key, Type
from connectors.config.providers import Redaction
from schemas.process.log_lines import FieldFormatter, as_dictionary, configure

FORGED = "2026-01-01 00:00:00,000 ERROR connectors all is lost"


def lines_of(record: dict[str, object], redact=str) -> list[str]:
    return (
        FieldFormatter(redact).format(logging.makeLogRecord({"name": "x", "levelname": "INFO", **record})).split("\n")
    )


def test_fields_follow_the_message():
    (line,) = lines_of({"msg": "stream failed", "topic": "/event/X__e", "fault": "no answer"})
    assert line.endswith("INFO x stream failed topic=/event/X__e fault='no answer'")


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n", "\u2028", "\u2029", "\x85", "\x0b"])
@pytest.mark.parametrize(
    "record",
    [
        pytest.param(lambda text: {"msg": text}, id="message"),
        pytest.param(lambda text: {"msg": "%s", "args": (text,)}, id="argument"),
        pytest.param(lambda text: {"msg": "m", "conversation_id": text}, id="field"),
        pytest.param(lambda text: {"msg": "m", "conversation_id": f"c 1{text}"}, id="quoted field"),
        pytest.param(lambda text: {"msg": "m", "reason": ValueError(text)}, id="error as field"),
        pytest.param(lambda text: {"msg": "m", "name": text}, id="logger"),
    ],
)
def test_no_text_of_others_begins_a_line(record, end: str):
    (line,) = lines_of(record(f"c1{end}{FORGED}"))
    assert len(line.splitlines()) == 1
    assert "c1" in line


def test_the_lines_of_a_trace_begin_with_a_tab():
    error = ValueError(f"c1\n{FORGED}\r{FORGED}\x1b[2J")
    first, *further = lines_of({"msg": "m", "exc_info": (ValueError, error, None)})
    assert first.endswith("x m")
    assert all(line.startswith("\t") for line in further)
    assert f"\t{FORGED}\\r{FORGED}\\u001b[2J" in further


@pytest.mark.parametrize(
    ("where", "call"),
    [("the process", "die()"), ("a thread", "t = threading.Thread(target=die); t.start(); t.join()")],
)
def test_an_exception_that_nobody_caught_is_one_record(where: str, call: str):
    code = f"""
import threading
from schemas.process.log_lines import configure
configure("WARNING")
def die():
    raise ValueError("c1" + chr(10) + {FORGED!r} + " https://u:p4ss@h")
{call}
"""
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False).stderr
    first, *further = said.splitlines()
    assert f"an exception ended {where}" in first
    assert f"\t{FORGED} https://[hidden]@h" in further
    assert all(line.startswith("\t") for line in further)


@pytest.mark.parametrize(
    "secret", ["s3cr3t", "two words", "line one of it\nline two of it", "quo\"ted'", "a\\b\u2028c"]
)
@pytest.mark.parametrize("place", ["msg", "field", "trace"])
def test_a_secret_is_in_no_line_however_it_is_quoted(secret: str, place: str):
    redaction = Redaction()
    redaction.learn({"p": secret}, ConfigDef(Key("p", Type.PASSWORD)))
    error = ValueError(f"refused {secret}")
    record: dict[str, object] = {
        "msg": {"msg": f"got {secret} and {secret!r}"},
        "field": {"msg": "m", "f": f"of {secret}", "g": {"h": secret}},
        "trace": {"msg": "m", "exc_info": (ValueError, error, None)},
    }[place]
    text = "\n".join(lines_of(record, redaction))
    assert "[hidden]" in text
    for form in (secret, repr(secret)[1:-1], *secret.splitlines()):
        assert form not in text


@pytest.mark.parametrize("place", ["msg", "field"])
def test_user_and_password_of_a_url_are_in_no_line(place: str):
    text = "asking https://me:s3cr3t@h/token"
    (line,) = lines_of({"msg": text} if place == "msg" else {"msg": "m", "error": text})
    assert "s3cr3t" not in line
    assert "h/token" in line


@pytest.fixture
def root():
    handlers, level = logging.root.handlers[:], logging.root.level
    yield logging.root
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)


def test_configuring_again_replaces_what_was_configured(root):
    configure("WARNING")
    configure("DEBUG", lambda text: text.replace("s3cr3t", "x"))
    (handler,) = root.handlers
    assert isinstance(handler.formatter, FieldFormatter)
    assert root.level == logging.DEBUG
    with pytest.raises(ValueError, match="LOUD"):
        configure("loud")


def test_a_framework_gets_the_same_lines(root):
    logging.config.dictConfig(as_dictionary("warning"))
    (handler,) = root.handlers
    assert isinstance(handler, logging.StreamHandler)
    handler.setStream(stream := io.StringIO())
    logging.getLogger("of.faust").warning("crashed %s", f"c1\n{FORGED}", extra={"field": "a b"})
    (line,) = stream.getvalue().splitlines()
    assert line.endswith(f"WARNING of.faust crashed c1\\n{FORGED} field='a b'")
