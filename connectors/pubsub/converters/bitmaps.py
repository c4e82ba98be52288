"""Names of fields from the bitmaps of change events: `changedFields`, `nulledFields`, `diffFields`. Pure.

    0x4001      bit i, counted from the lowest, is field i of the event, in the order of its schema
    4-0x3       the same within field 4, a compound field such as a name or an address

The order of the fields is that of the schema that the event was written with: no other schema can read its bitmaps.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_ELEMENT = re.compile(r"(?:(\d+)-)?0x([0-9A-Fa-f]+)")


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a record. `nested` are the fields of the record that it holds, in schema order, if it holds one."""

    name: str
    nested: tuple["Field", ...] = ()


class BitmapError(Exception):
    """The text is no bitmap, or names a field that the schema does not have."""


def names_of(bitmaps: Iterable[str], fields: Sequence[Field]) -> tuple[str, ...]:
    """The names of all fields whose bit is set, `Name.FirstName` for nested ones. Raises `BitmapError`."""
    return tuple(name for element in bitmaps for name in _names(element, fields))


def _names(element: str, fields: Sequence[Field]) -> list[str]:
    found = _ELEMENT.fullmatch(element)
    if found is None:
        raise BitmapError(f"{element!r} is no bitmap of fields")
    place, digits = found.groups()
    bits = int(digits, 16)
    if place is None:
        return _set(bits, fields)
    if int(place) >= len(fields) or not fields[int(place)].nested:
        raise BitmapError(f"{element!r} is about field {place}, which is no compound field of the schema")
    parent = fields[int(place)]
    return [f"{parent.name}.{name}" for name in _set(bits, parent.nested)]


def _set(bits: int, fields: Sequence[Field]) -> list[str]:
    if bits >> len(fields):
        raise BitmapError(f"bit {bits.bit_length() - 1} is set, and the schema has {len(fields)} fields")
    return [field.name for place, field in enumerate(fields) if bits >> place & 1]
