"""Who may import whom: the contracts of pyproject.toml, and that they watch everything they are meant to watch."""

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.support.sources import PRODUCT, ROOT, python_files, shown

# Each client library has one importer per top-level package: only there its errors and settings are known.
IMPORTERS: dict[str, dict[str, str]] = {
    "grpc": {"connectors": "connectors/pubsub/runner/transport.py", "simulator": "simulator/pubsub/server.py"},
    "confluent_kafka": {
        "connectors": "connectors/kafka/",
        "streams": "streams/runtime/kafka_client.py",
        "byoc": "byoc/kafka/",
    },
    "aiokafka": {"streams": "streams/runtime/"},
    "fastavro": {
        "schemas": "schemas/codec/",
        "simulator": "simulator/events/event_schema.py",
    },
    "faust": {"streams": "streams/"},
    "oauthlib": {"connectors": "connectors/salesforce/auth.py", "simulator": "simulator/web/oauth.py"},
    "jwt": {"connectors": "connectors/salesforce/auth.py", "simulator": "simulator/"},
    "rich": {"byoc": "byoc/demo/"},
}


def imported_roots(path: Path) -> set[str]:
    """Top-level names of every import of a file, also those inside functions."""
    roots = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            roots |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            roots.add(node.module.partition(".")[0])
    return roots


@pytest.mark.parametrize("library", IMPORTERS)
def test_a_client_library_has_one_importer_per_package(library: str):
    strangers = [
        shown(path)
        for path in python_files(*PRODUCT)
        if library in imported_roots(path)
        and not shown(path).startswith(IMPORTERS[library].get(shown(path).partition("/")[0], "-"))
    ]
    assert strangers == []


def test_the_import_contracts_hold():
    done = subprocess.run(
        [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_the_contracts_name_every_pure_module_and_only_ones_that_exist():
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    pure = next(contract for contract in contracts if contract["id"] == "pure")["source_modules"]
    for module in pure:
        place = ROOT / module.replace(".", "/")
        assert place.is_dir() or place.with_suffix(".py").exists(), module
    says_pure = {
        shown(path).removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        for path in python_files("schemas", "connectors", "streams")
        if (ast.get_docstring(ast.parse(path.read_text())) or "").rstrip().endswith("Pure.")
    }
    watched = {module for module in says_pure if any(module == p or module.startswith(f"{p}.") for p in pure)}
    assert says_pure == watched
