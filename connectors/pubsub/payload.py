"""Avro payloads of Salesforce: schema JSON to a reader, payload bytes to a dict. The only importer of fastavro here.

A payload is bare Avro binary (no container, no magic byte), written with the schema its event names and with no other.

Platform events are flat: numbers, strings and their nullable forms. For these the reader is compiled, as for our own
records; every event passes here. Anything else, such as the nested records of change events, is read by fastavro. A
property test compares the two.
"""

import io
import json
from collections.abc import Callable
from typing import Any

import fastavro

from schemas.codec.compiled import DictReader, dict_reader_for
from schemas.codec.errors import DecodeError

PayloadReader = Callable[[bytes], dict[str, Any]]


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
    try:
        return _flat_reader(dict_reader_for(schema))
    except NotImplementedError:
        return _any_reader(schema)


def _flat_reader(read_fields: DictReader) -> PayloadReader:
    def read(payload: bytes) -> dict[str, Any]:
        try:
            value, at = read_fields(payload)
        except DecodeError as error:
            raise PayloadError(f"decoding {len(payload)} Avro bytes: {type(error.__cause__).__name__}") from error
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
