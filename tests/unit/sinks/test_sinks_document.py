"""The tables of keys in docs/sinks.md are those of the code."""

import re
from pathlib import Path

import pytest

from connectors.runtime.config import CONNECTOR_KEYS, ERROR_KEYS, REQUIRED, ConfigDef, Key
from connectors.sinks import InteractionSink, WebhookSink

DOCUMENT = Path(__file__).parents[3] / "docs" / "sinks.md"
ELSEWHERE = {**CONNECTOR_KEYS.keys, **ERROR_KEYS.keys}  # common to all connectors


def default_of(key: Key) -> str:
    if key.default is REQUIRED:
        return "required"
    if key.default is None:
        return ""
    return f"{key.default:g}" if isinstance(key.default, float) else str(key.default)


@pytest.mark.parametrize(
    ("heading", "definition"),
    [
        pytest.param("## Webhook", WebhookSink.definition, id="webhook"),
        pytest.param("## Interaction", InteractionSink.definition, id="interaction"),
    ],
)
def test_every_key_is_documented_as_it_is(heading: str, definition: ConfigDef) -> None:
    section = DOCUMENT.read_text().split(f"\n{heading}")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `([a-z.]+)` \| (.*?) ?\| (.*) \|$", section.split("| key |")[1], re.MULTILINE)
    keys = [key for name, key in definition.keys.items() if name not in ELSEWHERE]
    assert rows == [(key.name, default_of(key), key.doc) for key in keys]
