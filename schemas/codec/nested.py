"""Avro binary of schemas that others wrote: records in records, unions, arrays, maps, recursive types; within bounds.

Like `flat.py`, ordinary Python that mypyc compiles where a C compiler is at hand (ADR 12); both forms mean the same.

Why not fastavro: its reader has no bounds. A payload of 20 KB of a recursive type overflowed the stack of its C code,
which ends the process; an array of nulls of 5 bytes asked for gigabytes. It also takes a negative length for "all that
is left" and a negative index for one from the end, so that damaged bytes give a record. Here depth and number of values
have limits of ours, each length is held against what is left, and a value that Avro does not define is refused.

Logical types are not applied: a value is that of the underlying type, so no value is out of range.
"""

import struct
from typing import Any, Final

from mypy_extensions import i64

from schemas.codec.errors import DecodeError

NULL: Final = 0
BOOLEAN: Final = 1
LONG: Final = 2  # and int
FLOAT: Final = 3
DOUBLE: Final = 4
BYTES: Final = 5
STRING: Final = 6
FIXED: Final = 7
ENUM: Final = 8
ARRAY: Final = 9
MAP: Final = 10
UNION: Final = 11
RECORD: Final = 12

# Salesforce nests three deep (event, header or compound field, list). The stack of a thread holds thousands.
MAX_DEPTH: Final = 64
# An event has at most 1 MB and hundreds of values. So many, as records of two, took 0.4 s and 25 MB.
MAX_VALUES: Final = 200_000

_HALF: Final = 0x7FFFFFFFFFFFFFFF
_unpack_float: Final[Any] = struct.Struct("<f").unpack_from
_unpack_double: Final[Any] = struct.Struct("<d").unpack_from


class Node:
    """A type of a schema.

    `names`: the fields of a record, the symbols of an enum. `parts`: the types of a record's fields, the branches of a
    union, the one type of the items of an array or map. `size` is that of a fixed. `least` is a number of bytes that no
    value of the type goes below. `full_name` is that of a named type.
    """

    def __init__(self, kind: i64, full_name: str = "") -> None:
        """A type with nothing in it; whoever makes it fills in the rest."""
        self.kind: i64 = kind
        self.full_name: str = full_name
        self.names: list[str] = []
        self.parts: list[Node] = []
        self.size: i64 = 0
        self.least: i64 = 0


class _Cursor:
    """Where the reading of one payload is, and how many more values it may have."""

    def __init__(self, data: bytes) -> None:
        self.data: bytes = data
        self.at: i64 = 0
        self.values: i64 = MAX_VALUES


def read_node(data: bytes, node: Node) -> tuple[Any, int]:
    """The value at the start of `data`, and the position after it.

    Records and maps are dictionaries. Raises `DecodeError`, and `UnicodeDecodeError` for text that is no UTF-8.
    """
    cursor = _Cursor(data)
    try:
        value = _value(cursor, node, 0)
    except IndexError:
        raise DecodeError(f"reading at {cursor.at}: the record ends at {len(data)}") from None
    return value, cursor.at


def _value(cursor: _Cursor, node: Node, depth: i64) -> Any:  # noqa: PLR0911 - one branch for each type
    _count(cursor, 1)
    kind: i64 = node.kind
    if kind == UNION:
        branch: i64 = _long(cursor)
        if branch < 0 or branch >= len(node.parts):
            raise DecodeError(f"union branch {branch} of {len(node.parts)} before {cursor.at}")
        node = node.parts[branch]
        kind = node.kind
    if kind == NULL:
        return None
    if kind == STRING:
        return _bytes(cursor, _long(cursor)).decode()
    if kind == LONG:
        return _long(cursor)
    if kind == BOOLEAN:
        flag: i64 = cursor.data[cursor.at]
        if flag > 1:
            raise DecodeError(f"{flag} at {cursor.at} is neither true nor false")
        cursor.at += 1
        return flag == 1
    if kind >= ENUM:
        return _compound(cursor, node, depth)
    if kind == BYTES:
        return _bytes(cursor, _long(cursor))
    if kind == FIXED:
        return _bytes(cursor, node.size)
    if kind == DOUBLE:
        return _unpack_double(_bytes(cursor, 8), 0)[0]
    return _unpack_float(_bytes(cursor, 4), 0)[0]


def _compound(cursor: _Cursor, node: Node, depth: i64) -> Any:
    kind: i64 = node.kind
    if kind == ENUM:
        index: i64 = _long(cursor)
        if index < 0 or index >= len(node.names):
            raise DecodeError(f"symbol {index} of {len(node.names)} before {cursor.at}")
        return node.names[index]
    if depth >= MAX_DEPTH:
        raise DecodeError(f"values at {cursor.at} are nested more than {MAX_DEPTH} deep")
    if kind == RECORD:
        record: dict[str, Any] = {}
        for place, name in enumerate(node.names):
            record[name] = _value(cursor, node.parts[place], depth + 1)
        return record
    items = node.parts[0]
    count: i64 = 0
    if kind == ARRAY:
        found: list[Any] = []
        while (count := _block(cursor, items.least)) > 0:
            while count > 0:
                found.append(_value(cursor, items, depth + 1))
                count -= 1
        return found
    if kind == MAP:
        by_key: dict[str, Any] = {}
        while (count := _block(cursor, items.least + 1)) > 0:
            while count > 0:
                key = _bytes(cursor, _long(cursor)).decode()
                by_key[key] = _value(cursor, items, depth + 1)
                count -= 1
        return by_key
    raise DecodeError(f"a union directly in a union before {cursor.at}")


def _block(cursor: _Cursor, least: i64) -> i64:
    """How many items come now; 0 at the end. A block must fit in what is left, whatever its items are."""
    count = _long(cursor)
    if count < 0:  # a block may carry its size in bytes, so that readers can skip it
        count = -count
        _long(cursor)
    left: i64 = len(cursor.data) - cursor.at
    if count < 0 or count > cursor.values or (least > 0 and count > left // least):  # -(-2^63) has no 64 bits
        raise DecodeError(f"reading a block at {cursor.at}: more items than bytes for them, or than {MAX_VALUES}")
    return count


def _count(cursor: _Cursor, values: i64) -> None:
    cursor.values -= values
    if cursor.values < 0:
        raise DecodeError(f"the values up to {cursor.at} are more than {MAX_VALUES}")


def _bytes(cursor: _Cursor, length: i64) -> bytes:
    at: i64 = cursor.at
    if length < 0 or length > len(cursor.data) - at:
        raise DecodeError(f"reading {length} bytes at {at}: the record ends at {len(cursor.data)}")
    cursor.at = at + length
    return cursor.data[at : at + length]


def _long(cursor: _Cursor) -> i64:
    data = cursor.data
    at: i64 = cursor.at
    number: i64 = 0
    shift: i64 = 0
    while True:
        byte: i64 = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            cursor.at = at
            return ((number >> 1) & _HALF) ^ -(number & 1)
        shift += 7
        if shift == 63 and data[at] > 1:  # the tenth byte has room for one bit
            raise DecodeError(f"a number at {at} has more than 64 bits")
