"""docs/simulator.md names every fault and every call, and the orders that it shows are ones that are taken."""

import json
import re

import msgspec
import pytest

from simulator.faults.fault import AnyFault
from simulator.faults.fault_book import FaultBook
from simulator.org.org import Org
from simulator.scenario.runner import ScenarioRunner
from simulator.settings import Settings
from simulator.system_clock import SystemClock
from simulator.web.admin import Admin
from tests.support.sources import ROOT

TEXT = (ROOT / "docs" / "simulator.md").read_text()
ORDERS = sorted(set(re.findall(r'\{"do":[^`\']*\}', TEXT)))


def test_every_fault_is_explained_and_has_an_example() -> None:
    faults = {kind.__struct_config__.tag for kind in AnyFault.__args__}  # type: ignore[attr-defined]  # a union
    assert {name for name in faults if f"| `{name}` |" not in TEXT} == set()
    assert faults - {json.loads(order)["do"] for order in ORDERS} == set()


@pytest.mark.parametrize("order", ORDERS)
def test_every_order_that_is_shown_is_taken(order: str) -> None:
    fault = msgspec.json.decode(order.encode(), type=AnyFault)
    FaultBook(wire_faults=True).add(fault)


def test_every_call_is_named() -> None:
    org = Org(Settings(), SystemClock())
    paths = {row.path for row in Admin(org, ScenarioRunner(org)).endpoints()}
    shown = {path.removesuffix("/{id}").removesuffix("/{developer_name}") for path in paths}
    assert {path for path in shown if path not in TEXT} == set()
