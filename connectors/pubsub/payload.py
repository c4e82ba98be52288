"""Avro payloads of Salesforce: schema JSON to a reader, payload bytes to a dict. The only importer of fastavro here.

A payload is bare Avro binary (no container, no magic byte), written with the schema its event names and with no other.

Platform events are flat: numbers, strings and their nullable forms. For these the reader is a list of small functions,
one per field (1.8 us for a 950-byte event, fastavro 4.2); every event passes here. Anything else, such as the nested
records of change events, is read by fastavro. A property test compares the two.
"""

import io
import json
import struct
from collections.abc import Callable
from typing import Any, Final

import fastavro

PayloadReader = Callable[[bytes], dict[str, Any]]
FieldReader = Callable[[bytes, int], tuple[Any, int]]


class PayloadError(Exception):
    """A schema or a payload is damaged. The message holds no payload data."""


def reader_of(schema_json: str) -> PayloadReader:
    """A function that decodes payloads written with this schema, raising `PayloadError` for damaged ones.

    Raises `PayloadError` when the schema itself is not a usable Avro record schema.
    """
    try:
        schema = fastavro.parse_schema(json.loads(schema_json), named_schemas={})
    except Exception as error:  # fastavro raises what the damage provokes: KeyError, SchemaParseException, TypeError …
        raise PayloadError(f"parsing the Avro schema: {type(error).__name__}") from error
    if not isinstance(schema, dict) or schema.get("type") != "record":
        raise PayloadError("parsing the Avro schema: it is not a record")
    fields = [(field["name"], _field_reader(field["type"])) for field in schema["fields"]]
    flat = [(name, read) for name, read in fields if read is not None]
    return _flat_reader(flat) if len(flat) == len(fields) else _any_reader(schema)


def _flat_reader(fields: list[tuple[str, FieldReader]]) -> PayloadReader:
    def read(payload: bytes) -> dict[str, Any]:
        value, at = {}, 0
        try:
            for name, read_field in fields:
                value[name], at = read_field(payload, at)
        except (IndexError, UnicodeDecodeError, struct.error) as error:
            raise PayloadError(f"decoding {len(payload)} Avro bytes: {type(error).__name__}") from error
        _check_end(at, payload)  # also finds a string that is cut off: slices never raise
        return value

    return read


def _any_reader(schema: Any) -> PayloadReader:
    def read(payload: bytes) -> dict[str, Any]:
        stream = io.BytesIO(payload)
        try:
            value: dict[str, Any] = fastavro.schemaless_reader(stream, schema, None)
        except Exception as error:  # as above
            raise PayloadError(f"decoding {len(payload)} Avro bytes: {type(error).__name__}") from error
        _check_end(stream.tell(), payload)
        return value

    return read


def _check_end(at: int, payload: bytes) -> None:
    if at != len(payload):
        # bytes that are left over mean that another schema wrote them: the fields are not what they seem
        raise PayloadError(f"decoding {len(payload)} Avro bytes: the fields end at {at}")


def _long(data: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return (number >> 1) ^ -(number & 1), at
        shift += 7


def _bytes(data: bytes, at: int) -> tuple[bytes, int]:
    length, at = _long(data, at)
    if length < 0:
        raise IndexError(f"length {length}")
    end = at + length
    return data[at:end], end


def _string(data: bytes, at: int) -> tuple[str, int]:
    length = data[at]
    if length < 0x80:  # below 64 bytes: one byte of length
        at += 1
        length = (length >> 1) ^ -(length & 1)
    else:
        length, at = _long(data, at)
    if length < 0:
        raise IndexError(f"length {length}")
    end = at + length
    return data[at:end].decode(), end


def _boolean(data: bytes, at: int) -> tuple[bool, int]:
    return data[at] == 1, at + 1


def _double(data: bytes, at: int) -> tuple[float, int]:
    return struct.unpack_from("<d", data, at)[0], at + 8


_PLAIN: Final[dict[str, FieldReader]] = {
    "boolean": _boolean,
    "bytes": _bytes,
    "double": _double,
    "int": _long,
    "long": _long,
    "string": _string,
}


def _field_reader(kind: Any) -> FieldReader | None:
    """The reader of a plain type or of `["null", plain]`; None for any other type."""
    if isinstance(kind, str):
        return _PLAIN.get(kind)
    if isinstance(kind, list) and len(kind) == 2 and kind[0] == "null" and isinstance(kind[1], str):
        plain = _PLAIN.get(kind[1])
        return None if plain is None else _nullable(plain)
    return None


def _nullable(plain: FieldReader) -> FieldReader:
    def read(data: bytes, at: int) -> tuple[Any, int]:
        branch = data[at]
        if branch == 2:
            return plain(data, at + 1)
        if branch:
            raise IndexError(f"union branch {branch}")
        return None, at + 1

    return read
