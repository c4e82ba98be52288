"""docs/configuration.md says what the code does."""

import pytest

from connectors.config.definition import CONNECTOR_KEYS, ConfigDef
from connectors.runtime.config_page import page
from connectors.runtime.registry import CLASSES, connector_class
from connectors.runtime.worker_config import DEFINITION
from tests.support.sources import ROOT


def test_the_page_is_the_one_that_the_keys_give():
    assert (ROOT / "docs" / "configuration.md").read_text() == page(), "run make docs"


@pytest.mark.parametrize("definition", [DEFINITION, *(connector_class(name).definition for name in CLASSES)])
def test_every_key_says_what_it_is(definition: ConfigDef):
    assert [key.name for key in definition.keys.values() if not key.doc] == []


@pytest.mark.parametrize("name", CLASSES)
def test_every_key_of_every_connector_is_in_the_page(name: str):
    section = page().split(f"## `{name}`")[1].split("\n## ")[0]
    assert [key for key in connector_class(name).definition.keys if f"| `{key}` |" not in section] == []
    assert set(CONNECTOR_KEYS.keys) <= set(connector_class(name).definition.keys)
