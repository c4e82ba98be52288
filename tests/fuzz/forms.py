"""The loops of the codec in both their forms: as they are compiled here, and as the Python that they are."""

import struct
import time
from collections.abc import Callable
from importlib import util
from types import ModuleType
from typing import Any, Final

from schemas.codec import flat, nested
from schemas.codec.foreign import ForeignRecord
from tests.fuzz.target import Broken
from tests.support.sources import ROOT

_UNPACK: Final = struct.Struct("<d").unpack_from
_LONGEST_COMPARED_S: Final = 0.005  # compiled; as Python a hundred thousand values would be slow, which is no finding


def _as_python(name: str) -> ModuleType:
    spec = util.spec_from_file_location(f"{name}_as_python", ROOT / "schemas" / "codec" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_FLAT, _NESTED = _as_python("flat"), _as_python("nested")


def compare_flat(data: bytes, body: bytes, kinds: bytes) -> None:
    """Read `body` as fields of these kinds, and write a number out of `data`. Raises `Broken`."""
    _same("read_fields", lambda form: form.read_fields(body, min(10, len(body)), kinds, _UNPACK), (flat, _FLAT))
    number = int.from_bytes(data[:9], "little", signed=True)
    _same("long_bytes", lambda form: form.long_bytes(number), (flat, _FLAT))


def compare_nested(record: ForeignRecord, payload: bytes) -> None:
    """Read `payload` as a record of a stranger's schema. Raises `Broken`."""
    nodes = {id(nested): record.node, id(_NESTED): _copied(record.node, {})}
    began_s = time.process_time()
    _outcome(lambda form: form.read_node(payload, record.node), nested)
    if time.process_time() - began_s < _LONGEST_COMPARED_S:
        _same("read_node", lambda form: form.read_node(payload, nodes[id(form)]), (nested, _NESTED))


def _copied(node: Any, made: dict[int, Any]) -> Any:
    """The type as the Python form has it; a compiled class has other instances."""
    found = made.get(id(node))
    if found is None:
        made[id(node)] = found = _NESTED.Node(node.kind, node.full_name)
        found.names, found.size, found.least = node.names, node.size, node.least
        found.parts = [_copied(part, made) for part in node.parts]
    return found


def _same(what: str, call: Callable[[ModuleType], object], forms: tuple[ModuleType, ModuleType]) -> None:
    compiled, pure = (_outcome(call, form) for form in forms)
    if compiled != pure:
        raise Broken(f"{what}: compiled {compiled[:200]}, as Python {pure[:200]}")


def _outcome(call: Callable[[ModuleType], object], form: ModuleType) -> str:
    try:
        return repr(call(form))
    except (ValueError, OverflowError) as error:
        # each form has the classes of its own module; DecodeError and UnicodeDecodeError are ValueErrors
        return "refused" if isinstance(error, ValueError) else "OverflowError"
