"""Readers for schemas that others wrote: from a schema's JSON to a function that reads payload bytes. Pure.

A schema is data from outside like any other. What a reader needs of it is names, types and their order; defaults,
aliases, documentation and logical types are left aside, so that nothing in them can make readable bytes unreadable.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from schemas.codec import flat, nested
from schemas.codec.compiled import DictReader, flat_reader
from schemas.codec.errors import DecodeError
from schemas.codec.nested import MAX_DEPTH, Node

_PRIMITIVES: Final = {
    "null": (nested.NULL, 0),
    "boolean": (nested.BOOLEAN, 1),
    "int": (nested.LONG, 1),
    "long": (nested.LONG, 1),
    "float": (nested.FLOAT, 4),
    "double": (nested.DOUBLE, 8),
    "bytes": (nested.BYTES, 1),
    "string": (nested.STRING, 1),
}
_NAMED: Final = frozenset({"record", "error", "enum", "fixed"})
_LARGE: Final = 1 << 40  # no payload is so long: sums of sizes stay in 64 bits
_FLAT_KINDS: Final = {
    nested.STRING: flat.STRING,
    nested.BYTES: flat.BYTES,
    nested.LONG: flat.LONG,
    nested.BOOLEAN: flat.BOOLEAN,
    nested.DOUBLE: flat.DOUBLE,
}


class SchemaError(ValueError):
    """The JSON is no Avro schema that payloads can be read with; the message says where and why."""


@dataclass(frozen=True, slots=True)
class ForeignRecord:
    """A record schema. `read` gives the values by field name and the position behind them, or raises `DecodeError`."""

    node: Node
    read: DictReader


def foreign_record(schema: Any) -> ForeignRecord:
    """The reader for a record schema, parsed from its JSON. Raises `SchemaError`.

    Events that are flat are read by the loops of `flat.py`, which are several times as fast.
    """
    node = _Names().node(schema, "", 0)
    if node.kind != nested.RECORD:
        raise SchemaError("the schema is not a record")
    kinds = [_flat_kind(part) for part in node.parts]
    present = [kind for kind in kinds if kind is not None]
    if len(present) == len(kinds):
        return ForeignRecord(node, flat_reader(node.full_name, node.names, bytes(present)))
    return ForeignRecord(node, _nested_reader(node))


def _nested_reader(node: Node) -> DictReader:
    read_node, name = nested.read_node, node.full_name

    def read(data: bytes) -> tuple[dict[str, Any], int]:
        try:
            return read_node(data, node)
        except (DecodeError, UnicodeDecodeError) as error:
            raise DecodeError(f"reading {name} ({len(data)} bytes): {error}") from error

    return read


def _flat_kind(node: Node) -> int | None:
    """What `flat.py` calls the type, None when it does not know it."""
    if node.kind == nested.UNION and len(node.parts) == 2 and node.parts[0].kind == nested.NULL:
        kind = _FLAT_KINDS.get(node.parts[1].kind)
        return None if kind is None else kind + flat.NULLABLE
    if node.kind == nested.ARRAY and node.parts[0].kind == nested.STRING:
        return flat.STRINGS
    return _FLAT_KINDS.get(node.kind)


class _Names:
    """The named types of one schema, as far as it is read."""

    def __init__(self) -> None:
        self._named: dict[str, Node] = {}

    def node(self, schema: Any, namespace: str, depth: int) -> Node:
        """The type that a piece of JSON describes, inside `namespace`."""
        if depth > 2 * MAX_DEPTH:  # a level of values is at most two of the schema: a union, and a type in it
            raise SchemaError(f"types are nested more than {MAX_DEPTH} deep")
        if isinstance(schema, str):
            return self._reference(schema, namespace)
        if isinstance(schema, list):
            return self._union(schema, namespace, depth)
        if not isinstance(schema, dict) or "type" not in schema:
            raise SchemaError(f"{type(schema).__name__} is no type")
        kind = schema["type"]
        if isinstance(kind, str) and kind in _NAMED:
            return self._definition(kind, schema, namespace, depth)
        if isinstance(kind, str) and kind in ("array", "map"):
            return self._collection(kind, schema, namespace, depth)
        return self.node(kind, namespace, depth + 1)  # an annotated type, such as {"type": "string", "logicalType": …}

    def _reference(self, name: str, namespace: str) -> Node:
        if name in _PRIMITIVES:
            kind, least = _PRIMITIVES[name]
            return _made(kind, least)
        found = self._named.get(_full(name, namespace)) or self._named.get(name)
        if found is None:
            raise SchemaError(f"the type {name[:100]!r} is not defined")
        return found

    def _union(self, branches: list[Any], namespace: str, depth: int) -> Node:
        if not branches:
            raise SchemaError("a union has no branches")
        node = Node(nested.UNION)
        node.parts = [self.node(branch, namespace, depth + 1) for branch in branches]
        if any(part.kind == nested.UNION for part in node.parts):
            raise SchemaError("a union is directly in a union")
        node.least = 1 + min(part.least for part in node.parts)
        return node

    def _collection(self, kind: str, schema: Mapping[str, Any], namespace: str, depth: int) -> Node:
        node = _made(nested.ARRAY if kind == "array" else nested.MAP, 1)
        node.parts = [self.node(schema.get("items" if kind == "array" else "values"), namespace, depth + 1)]
        return node

    def _definition(self, kind: str, schema: Mapping[str, Any], namespace: str, depth: int) -> Node:
        name, own = schema.get("name"), schema.get("namespace")
        if not isinstance(name, str) or not name or name in _PRIMITIVES:
            raise SchemaError(f"a type {kind} has no name")
        full_name = _full(name, own if isinstance(own, str) else namespace)
        if full_name in self._named:
            raise SchemaError(f"the type {full_name[:100]!r} is defined twice")
        if kind == "enum":
            node = _made(nested.ENUM, 1, full_name)
            node.names = _texts(schema.get("symbols"), f"the symbols of {full_name[:100]}")
        elif kind == "fixed":
            size = schema.get("size")
            if type(size) is not int or not 0 <= size < _LARGE:
                raise SchemaError(f"the size of {full_name[:100]!r} is no length")
            node = _made(nested.FIXED, size, full_name)
            node.size = size
        else:
            node = self._named[full_name] = Node(nested.RECORD, full_name)  # its fields may refer to it
            self._add_fields(node, schema.get("fields"), full_name.rpartition(".")[0], depth)
        self._named[full_name] = node
        return node

    def _add_fields(self, node: Node, fields: Any, namespace: str, depth: int) -> None:
        if not isinstance(fields, list) or not all(isinstance(field, dict) for field in fields):
            raise SchemaError(f"{node.full_name[:100]!r} has no list of fields")
        names = _texts([field.get("name") for field in fields], f"the fields of {node.full_name[:100]}")
        parts = [self.node(field.get("type"), namespace, depth + 1) for field in fields]
        node.names, node.parts = names, parts
        node.least = min(sum(part.least for part in parts), _LARGE)


def _made(kind: int, least: int, full_name: str = "") -> Node:
    node = Node(kind, full_name)
    node.least = least
    return node


def _full(name: str, namespace: str) -> str:
    return name if "." in name or not namespace else f"{namespace}.{name}"


def _texts(found: Any, what: str) -> list[str]:
    if not isinstance(found, list) or not all(isinstance(text, str) for text in found) or len(set(found)) < len(found):
        raise SchemaError(f"{what} are no list of different names")
    return found
